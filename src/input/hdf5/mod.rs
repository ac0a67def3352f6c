//! HDF5 files.
//!
//! Groups, attributes, types and layouts are read once, when a file is opened: those of the usual
//! file by ourselves ([`native`]), in parallel with other files; those of any other file by libhdf5
//! ([`walk`]), which holds one global lock. Array data is read by our own positioned reads
//! ([`storage`], [`chunked`]). In both, libhdf5 is the fallback for what we do not know, and the
//! reference that tests compare us with.
//!
//! Specifications: *HDF5 File Format Specification* 3.0, cited by section in the modules.

mod assemble;
mod attributes;
mod chunk_tree;
mod chunked;
mod cursor;
mod dataset;
mod datatype;
mod fallback;
mod filters;
mod fixed;
mod heap;
mod library;
mod native;
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
    let root = match native::root(&file) {
        Ok(root) => root,
        Err(why) => {
            log::debug!("{}: left to libhdf5: {why}", path.display());
            if heap::is_endless(&file).map_err(|error| damaged(error.to_string()))? {
                return Err(damaged("a heap of strings contradicts itself".to_owned()));
            }
            library::locked(|| walk::root(&file)).map_err(damaged)?
        }
    };
    let identity = file.source.identity().clone();
    Ok(Source { path: path.to_owned(), root, identity })
}
