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

use std::sync::Arc;

use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::library::locked;
use crate::input::hdf5::values::is_endless;
use crate::tree::Group;

/// The whole tree of a file; no array data is read.
///
/// # Errors
/// The file is damaged at its root.
pub fn root(file: &Arc<HdfFile>) -> Result<Group, String> {
    native::root(file).or_else(|why| {
        log::debug!("{}: left to libhdf5: {why}", file.source.path().display());
        if is_endless(file).map_err(|error| error.to_string())? {
            return Err("a heap of strings contradicts itself".to_owned());
        }
        locked(|| library::root(file))
    })
}
