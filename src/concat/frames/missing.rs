//! Which values of a column are missing, asked of the data a block at a time.

use std::sync::Arc;

use crate::anndata::Elem;
use crate::array::{IsMissing, SharedArray, read_vec};
use crate::base::dtype::Kind;
use crate::base::{ReadError, Region};

/// Elements of a mask read at once.
const BLOCK: u64 = 1 << 18;

/// A mask that is true where a value is missing; `None` where none can be.
pub(super) fn mask_of(elem: &Elem) -> Option<SharedArray> {
    match elem {
        Elem::Dense(array) if matches!(array.dtype().kind(), Kind::Float | Kind::Complex) => {
            Some(IsMissing::of_numbers(Arc::clone(array)))
        }
        Elem::Nullable(nullable) => Some(Arc::clone(&nullable.mask)),
        Elem::Categorical(categorical) => Some(IsMissing::of_codes(Arc::clone(&categorical.codes))),
        _ => None,
    }
}

/// True when some value is missing.
pub(super) fn any_missing(elem: &Elem) -> Result<bool, ReadError> {
    Ok(match mask_of(elem) {
        Some(mask) => find(&mask, 1)?,
        None => false,
    })
}

/// True when every value is missing, and for no values at all.
pub(super) fn all_missing(elem: &Elem) -> Result<bool, ReadError> {
    match mask_of(elem) {
        Some(mask) => Ok(!find(&mask, 0)?),
        None => Ok(false),
    }
}

/// True when a one-dimensional mask holds this value. The first element is asked alone: it nearly
/// always decides.
fn find(mask: &SharedArray, wanted: u8) -> Result<bool, ReadError> {
    let len = mask.shape().first().copied().unwrap_or(0);
    let mut start = 0;
    let mut block = 1;
    while start < len {
        let end = len.min(start + block);
        if read_vec(&**mask, &Region::line(start..end))?.contains(&wanted) {
            return Ok(true);
        }
        start = end;
        block = BLOCK;
    }
    Ok(false)
}
