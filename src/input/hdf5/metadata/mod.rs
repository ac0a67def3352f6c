//! The tree of a file: groups, attributes, and a lazy array for each dataset.
//!
//! Owns two walks over the metadata, our own ([`native`]) and libhdf5's ([`library`]), what both make
//! arrays of (`assemble`) and attributes of (`attrs`), which of them reads a file (`walk`), and what lies
//! in other files (`elsewhere`, `follow`). Knows nothing of how elements are read.
//!
//! Order of its files: `limits`, `elsewhere`, `attrs` and `assemble`, then `native` and `library`, which
//! do not know each other, `walk`, and `follow`.

mod assemble;
mod attrs;
mod elsewhere;
mod follow;
pub mod library;
mod limits;
pub mod native;
mod walk;

use std::path::Path;
use std::sync::Arc;

use crate::input::hdf5::file::HdfFile;
use crate::input::opened::OpenError;
use crate::tree::Group;

/// The whole tree of a file, with what it leads to in others; no array data is read.
///
/// # Errors
/// The file is damaged at its root, cannot be read, or has changed.
pub fn root(file: &Arc<HdfFile>, path: &Path) -> Result<Group, OpenError> {
    let (root, deferred) = walk::walk(file, path)?;
    Ok(follow::followed(file, root, deferred))
}
