//! HDF5 files.
//!
//! Groups, attributes, types and layouts are read once, when a file is opened: those of the usual
//! file by ourselves, in parallel with other files; those of any other file by libhdf5, which holds one
//! global lock. Array data is read by our own positioned reads. In both, libhdf5 is the fallback for
//! what we do not know, and the reference that tests compare us with.
//!
//! The floor: `cursor`, `elements` (bytes in memory), `datatype` (what elements are), `others` (other
//! files that an input leads to), `file`. On it
//! stand the rooms, each of which knows only those before it:
//!
//! 1. [`library`]: all that is asked of libhdf5;
//! 2. [`headers`]: object headers without it;
//! 3. [`chunks`]: the index of chunks, filters, regions from chunks;
//! 4. [`values`]: numbers, text, records, the heap;
//! 5. [`metadata`]: the walk that makes the tree, by ourselves or by the library.
//!
//! Above them `serve`: the process in which the library reads what may be damaged.
//!
//! Specifications: *HDF5 File Format Specification* 3.0, cited by section in the modules.

mod chunks;
mod cursor;
mod datatype;
mod elements;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod headers;
mod library;
mod metadata;
mod others;
mod serve;
#[cfg(test)]
mod tests;
mod values;

use std::path::Path;
use std::sync::Arc;

use super::opened::{Note, OpenError, Source};
use crate::io::Context;

pub use library::isolated::{Helper, use_helper};
pub use serve::serve;

/// Opens an HDF5 file and walks all of it; no array data is read.
///
/// # Errors
/// The file is missing, unreadable, no HDF5 file, or damaged at its root.
pub fn open(path: &Path, context: &Arc<Context>) -> Result<Source, OpenError> {
    let file = Arc::new(file::HdfFile::open(path, context)?);
    let root = metadata::root(&file, path)?;
    let mut identity = file.source.identity();
    identity.others = file.others.identities(&identity);
    let written = file.others.written().into_iter().map(Note::OpenForWriting);
    let others = identity.others.iter().map(|other| Note::OtherFile(other.path.clone()));
    let notes = written.chain(others).collect();
    Ok(Source { path: path.to_owned(), root, identity, notes })
}
