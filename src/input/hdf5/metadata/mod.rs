//! The tree of a file: groups, attributes, and a lazy array for each dataset.
//!
//! Owns two walks over the metadata, our own ([`native`]) and libhdf5's ([`library`]), what both make
//! arrays of (`assemble`) and attributes of (`attrs`), and which of them reads a file. Knows nothing of
//! how elements are read.
//!
//! Order of its files: `limits`, `attrs` and `assemble`, then `native` and `library`, which do not know
//! each other.

mod assemble;
mod attrs;
pub mod library;
mod limits;
pub mod native;

use std::path::Path;
use std::sync::Arc;

use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::headers::Unknown;
use crate::input::hdf5::values::is_endless;
use crate::input::opened::OpenError;
use crate::tree::Group;

/// The whole tree of a file; no array data is read.
///
/// # Errors
/// The file is damaged at its root, cannot be read, or has changed.
pub fn root(file: &Arc<HdfFile>, path: &Path) -> Result<Group, OpenError> {
    let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
    native::root(file).or_else(|why| {
        if let Unknown::Unread(error) = why {
            return Err(OpenError::read(path, error));
        }
        log::debug!("{}: left to libhdf5: {why}", path.display());
        if is_endless(file).map_err(|error| OpenError::read(path, error))? {
            return Err(damaged("a heap of strings contradicts itself".to_owned()));
        }
        library::root(file).map_err(damaged)
    })
}
