//! Opening inputs: a path becomes a [`crate::tree::Group`] whose arrays are lazy.
//!
//! Owns the choice of format and the errors of opening. Knows nothing of AnnData: what the groups
//! and arrays mean is for `anndata` to say.
//!
//! Order of its modules: `opened` and `inflate`; `hdf5` and `zarr`, which do not know each other.

pub mod hdf5;
mod inflate;
mod opened;
pub mod zarr;

use std::path::Path;
use std::sync::Arc;

use crate::base::{Fault, Kind};
use crate::io;

pub use opened::{OpenError, Source};

impl Fault for OpenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } => Kind::InputMissing,
            Self::Unreadable { .. } => Kind::InputUnreadable,
            Self::NoFile { .. } | Self::NotZarr { .. } | Self::NotHdf5 { .. } => Kind::NotAnndata,
            Self::Damaged { .. } => Kind::Corrupt,
            Self::Read(error) => error.kind(),
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Missing { path }
            | Self::Unreadable { path, .. }
            | Self::NoFile { path }
            | Self::NotZarr { path }
            | Self::NotHdf5 { path, .. }
            | Self::Damaged { path, .. } => Some(path),
            Self::Read(error) => error.file(),
        }
    }
}

/// Opens an `.h5ad` file or a zarr directory and walks all of it. No array data is read.
///
/// # Errors
/// One clear reason why this is no readable input. A single element that cannot be read is not one:
/// it becomes [`crate::tree::Data::Unreadable`].
pub fn open(path: &Path, context: &Arc<io::Context>) -> Result<Source, OpenError> {
    let metadata = std::fs::metadata(path).map_err(|error| OpenError::system(path, error))?;
    if metadata.is_dir() {
        return zarr::open(path, context);
    }
    if !metadata.is_file() {
        return Err(OpenError::NoFile { path: path.to_owned() });
    }
    hdf5::open(path, context)
}
