//! The walk over a file's metadata through libhdf5: the reference, and the way for files that our own
//! walk does not know. In another process where there is one for it.
//!
//! Order of its files: `plain`, what is found; `attributes`, `layout` and `dataset`, which `walk` asks.

mod attributes;
mod dataset;
mod layout;
mod plain;
mod walk;

use std::sync::Arc;

use crate::base::ReadError;
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::library::isolated::{processes, wire};
use crate::input::hdf5::library::{Complaint, Pinned};
use crate::input::hdf5::metadata::elsewhere::Deferred;
use crate::tree::Group;

#[cfg(test)]
pub use walk::ObjectInfo;
pub use walk::root as plain_root;

/// The whole tree of a file, and what of it is elsewhere, by path.
///
/// # Errors
/// [`ReadError::Changed`]; or the library cannot open the file, or its root group, or does not live
/// through it, or cannot be asked.
pub fn root(file: &Arc<HdfFile>) -> Result<(Group, Vec<(String, Deferred)>), ReadError> {
    let (pinned, base) = (&Pinned::of(&*file.source), file.base);
    let found: Result<plain::PlainGroup, Complaint> = match processes(&file.context) {
        None => plain_root(pinned, base),
        Some(processes) => processes.ask(&wire::Question::new(pinned, wire::Ask::Tree { base })),
    };
    file.source.verify()?;
    let found = found.map_err(|complaint| complaint.of(file.source.path(), ""))?;
    Ok(found.tree(file))
}
