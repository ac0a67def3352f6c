//! HDF5 files.
//!
//! libhdf5 holds one global lock, so it serves as the catalogue only: groups, attributes, types and
//! layouts are read through it once, when a file is opened. Array data is read by our own positioned
//! reads ([`storage`], [`chunked`]); libhdf5's read is the fallback for what those do not know, and
//! the reference that tests compare them with.
//!
//! Specifications: *HDF5 File Format Specification* 3.0, cited by section in the modules.

mod attributes;
mod chunked;
mod dataset;
mod datatype;
mod fallback;
mod filters;
mod fixed;
mod header;
mod heap;
mod library;
mod record;
mod storage;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod values;
mod walk;

use std::path::Path;
use std::sync::Arc;

use super::{OpenError, Source};
use crate::io::{Context, SourceFile};

/// Opens an HDF5 file and walks all of it; no array data is read.
///
/// # Errors
/// The file is missing, unreadable, no HDF5 file, or damaged at its root.
pub fn open(path: &Path, context: &Arc<Context>) -> Result<Source, OpenError> {
    let source = SourceFile::open(path, context).map_err(|error| OpenError::system(path, error))?;
    let file = Arc::new(storage::HdfFile::new(source, path)?);
    let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
    let root = library::locked(|| walk::root(&file)).map_err(damaged)?;
    let identity = file.source.identity().clone();
    Ok(Source { path: path.to_owned(), root, identity })
}
