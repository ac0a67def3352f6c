//! Opening inputs: a path becomes a [`crate::tree::Group`] whose arrays are lazy.
//!
//! Owns the choice of format and the errors of opening. Knows nothing of AnnData: what the groups
//! and arrays mean is for `anndata` to say.
//!
//! Order of its modules: `meant`, `opened`, `group` and `inflate`; `hdf5` and `zarr`, which do not know each other.

mod group;
pub mod hdf5;
mod inflate;
mod meant;
mod opened;
pub mod zarr;

use std::path::Path;
use std::sync::Arc;

use crate::base::memory;
use crate::io;

pub use hdf5::{Helper, serve as serve_libhdf5, use_helper};
pub use opened::{Note, OpenError, Source};

/// Opens an `.h5ad` file or a zarr directory and walks all of it. No array data is read.
///
/// # Errors
/// One clear reason why this is no readable input. A single element that cannot be read is not one:
/// it becomes [`crate::tree::Data::Unreadable`].
pub fn open(path: &Path, context: &Arc<io::Context>) -> Result<Source, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| OpenError::system(path, error))?;
    let source = if metadata.is_dir() {
        zarr::open(path, context)?
    } else if metadata.is_file() {
        hdf5::open(path, context)?
    } else {
        return Err(OpenError::NoFile { path: path.to_owned() });
    };
    let others = source.identity.others.iter().map(|other| other.len);
    memory::allow_for_input(others.fold(source.identity.len, u64::saturating_add));
    Ok(source)
}

/// Opens the AnnData in a group of a file or store: a modality of a MuData (`mod/rna`), a table of a
/// SpatialData (`tables/table`). Of a zarr store only that group is walked and watched for changes.
///
/// # Errors
/// As [`open`], and a group that is not there.
pub fn open_group(
    path: &Path,
    group: &str,
    context: &Arc<io::Context>,
) -> Result<Source, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| OpenError::system(path, error))?;
    if !metadata.is_dir() {
        return group::within(open(path, context)?, group);
    }
    let inner = path.join(group);
    if inner.is_dir() {
        return open(&inner, context);
    }
    let groups = group::directories_near(path, group);
    Err(OpenError::NoGroup { path: path.to_owned(), group: group.to_owned(), groups })
}
