//! One file walked, by whichever of both walks knows it. What it says of other files is left open.

use std::path::Path;
use std::sync::Arc;

use super::elsewhere::Deferred;
use super::{library, native};
use crate::base::ReadError;
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::headers::Unknown;
use crate::input::hdf5::values::is_endless;
use crate::input::opened::OpenError;
use crate::tree::Group;

/// The tree of a file, and what of it is elsewhere, by path.
///
/// # Errors
/// The file is damaged at its root, cannot be read, or has changed.
pub fn walk(
    file: &Arc<HdfFile>,
    path: &Path,
) -> Result<(Group, Vec<(String, Deferred)>), OpenError> {
    let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
    let why = match native::root(file) {
        // It leaves files that lead elsewhere to the library.
        Ok(root) => return Ok((root, Vec::new())),
        Err(Unknown::Unread(error)) => return Err(OpenError::read(path, error)),
        Err(why) => why,
    };
    log::debug!("{}: left to libhdf5: {why}", path.display());
    if is_endless(file).map_err(|error| OpenError::read(path, error))? {
        return Err(damaged("a heap of strings contradicts itself".to_owned()));
    }
    library::root(file).map_err(|error| match error {
        ReadError::Corrupt { what, .. } if !file.others.written().is_empty() => {
            OpenError::OpenForWriting { path: path.to_owned(), what }
        }
        ReadError::Corrupt { what, .. } => damaged(what),
        other => OpenError::read(path, other),
    })
}
