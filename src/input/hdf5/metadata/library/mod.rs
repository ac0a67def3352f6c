//! The walk over a file's metadata through libhdf5: the reference, and the way for files that our own
//! walk does not know. In another process where there is one for it.
//!
//! Order of its files: `plain`, what is found; `attributes` and `dataset`, which `walk` asks.

mod attributes;
mod dataset;
mod plain;
mod walk;

use std::sync::Arc;

use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::library::isolated::{pool, wire};
use crate::tree::Group;

#[cfg(test)]
pub use walk::ObjectInfo;
pub use walk::root as plain_root;

/// The whole tree of a file.
///
/// # Errors
/// The library cannot open the file, or its root group, or does not live through it.
pub fn root(file: &Arc<HdfFile>) -> Result<Group, String> {
    let (path, base) = (file.source.path(), file.base);
    let found: plain::PlainGroup = match pool() {
        None => plain_root(path, base)?,
        Some(pool) => pool.ask(&wire::Question::new(path, wire::Ask::Tree { base }))?,
    };
    Ok(found.tree(file))
}
