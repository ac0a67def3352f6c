//! From a planned matrix to one that can be read.

use std::path::PathBuf;

use super::PlannedSparse;
use crate::anndata::Sparse;
use crate::base::{Progress, ReadError};

/// What resolving may use.
#[derive(Debug, Clone)]
pub struct CensusEnv {
    /// Where censuses are kept between runs; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
    /// Where conversions and unkept censuses put their unlinked files.
    pub spill_dir: PathBuf,
    /// Bytes that a conversion may hold in memory.
    pub memory_bytes: u64,
}

/// Takes the censuses and makes the conversions that `planned` needs; the result is
/// [`crate::anndata::SparseBody::Stored`].
///
/// # Errors
/// A source that cannot be read or contradicts itself, or a spill file that cannot be written.
pub fn resolve(
    planned: &PlannedSparse,
    _env: &CensusEnv,
    _progress: &dyn Progress,
) -> Result<Sparse, ReadError> {
    Err(ReadError::unsupported(
        planned.parts.first().map_or(PathBuf::new(), |p| p.part.origin.file.as_ref().clone()),
        planned.parts.first().map_or("", |p| p.part.origin.element.as_str()),
        "sparse matrices cannot be resolved yet",
    ))
}
