//! Our own walk over the metadata of the usual HDF5 file: the same tree as the library's walk, from
//! a few large reads and without its lock.
//!
//! It knows what the usual writers write and is strict about it. Anything else, from a rare feature
//! to a byte that contradicts another, is [`Unknown`]: the whole file is then left to the library,
//! whose word counts and whose error is told. So no error is made here.
//!
//! Order of its files: `superblock` and `datatypes`; `groups`, `attributes` and `datasets`; `walk`.
//!
//! Format specification: II.A (superblock), III.A.1, III.B, III.D (old groups), IV.A (headers).

mod attributes;
mod datasets;
mod datatypes;
mod groups;
mod superblock;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::headers::Unknown;
use crate::tree::Group;

#[cfg(fuzzing)]
pub use datatypes::{datatype, extent};

/// The whole tree of a file.
///
/// # Errors
/// The file has something that only the library knows.
pub fn root(file: &Arc<HdfFile>) -> Result<Group, Unknown> {
    if !file.wide {
        return Err("addresses or lengths do not take eight bytes".into());
    }
    walk::Walk::new(file)?.tree()
}
