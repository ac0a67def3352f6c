//! Dense arrays of all inputs, one after another, filled where an input lacks something
//! (`Reindexer._apply_to_array`, `numpy.concatenate`).

use std::sync::Arc;

use crate::anndata::Elem;
use crate::array::{Cast, Filled, Gathered, SharedArray, Stacked};
use crate::base::{DType, Indexer};
use crate::concat::numpy::{FillValue, Filled as Promoted, fill_bytes, promote_fill, result_type};
use crate::concat::planner::Planner;
use crate::concat::sparse::Axis;
use crate::concat::told::{Notice, PlanError};

use super::share::{ArrayShare, Brought};

impl Planner<'_> {
    pub(super) fn stack_dense(
        &mut self,
        shares: &[ArrayShare<'_>],
        axis: Axis,
        path: &str,
    ) -> Result<SharedArray, PlanError> {
        let fill = self.options.fill_value.unwrap_or(FillValue::Float(f64::NAN));
        let (stacked, other) = (axis.index(), 1 - axis.index());
        let mut model: Option<&[u64]> = None;
        let mut parts = Vec::with_capacity(shares.len());
        let (mut has_object, mut has_nan, mut brought) = (false, false, Vec::new());
        for (source, share) in self.sources.iter().zip(shares) {
            let Some(Elem::Dense(array)) = share.elem else { continue };
            check_shape(array.shape(), share, stacked, other)
                .and_then(|()| check_rest(array.shape(), model.get_or_insert(array.shape())))
                .map_err(|what| PlanError::Shape {
                    file: source.file.to_path_buf(),
                    element: self.at(path),
                    what,
                })?;
        }
        let model: Vec<u64> = model.map_or_else(|| vec![0, 0], <[u64]>::to_vec);
        let absent_in = shares.iter().position(|share| share.elem.is_none());
        if let Some(number) = absent_in.filter(|_| model.len() > 2) {
            let what = format!(
                "is not there, and an array of {} axes cannot be filled, only a matrix",
                model.len()
            );
            let file = self.sources[number].file.to_path_buf();
            return Err(PlanError::Shape { file, element: self.at(path), what });
        }
        for share in shares {
            let mut shape = model.clone();
            shape[stacked] = share.extent;
            shape[other] = share.other.target_len();
            let (part, promoted) = match share.elem {
                Some(Elem::Dense(array)) => {
                    has_nan |= share.other.introduces() && share.extent > 0;
                    reindex_dense(array, other, &share.other, fill)
                }
                _ => {
                    has_nan |= !shape.contains(&0);
                    absent(&shape, other, fill)
                }
            };
            has_object |= promoted == Promoted::InsteadOfObject;
            let own = match share.elem {
                Some(Elem::Dense(array)) => Some(array.dtype()),
                _ => None,
            };
            brought.push(Brought { own, dtype: part.dtype() });
            parts.push(part);
        }
        let floor = has_object.then_some(DType::F64);
        let promoted = parts.iter().map(|part| part.dtype()).chain(floor);
        let dtype = result_type(promoted).unwrap_or(DType::F64);
        if has_object {
            let notice = Notice::BoolBecomesNumber {
                element: self.at(path),
                dtype: dtype.name().to_owned(),
            };
            self.notices.push(notice);
        } else {
            self.tell_conversion(&brought, dtype, path);
        }
        if has_nan && self.options.fill_value.is_none() {
            Notice::FilledWithNan { elements: vec![self.at(path)] }.tell(&mut self.notices);
        }
        let parts = parts.into_iter().map(|part| Cast::shared(part, dtype)).collect();
        Ok(Stacked::shared(parts, stacked))
    }
}

/// `Reindexer._apply_to_array`.
pub fn reindex_dense(
    array: &SharedArray,
    axis: usize,
    indexer: &Indexer,
    fill: FillValue,
) -> (SharedArray, Promoted) {
    let dtype = array.dtype();
    if indexer.is_identity() {
        return (Arc::clone(array), Promoted::As(dtype));
    }
    if array.shape()[axis] == 0 {
        let mut shape = array.shape().to_vec();
        shape[axis] = indexer.target_len();
        return (filled(&shape, fill), Promoted::As(fill.dtype()));
    }
    let promoted =
        if indexer.introduces() { promote_fill(dtype, fill) } else { Promoted::As(dtype) };
    let cast = Cast::shared(Arc::clone(array), promoted.dtype());
    let element = fill_bytes(promoted.dtype(), fill);
    (Gathered::shared(cast, axis, indexer, &element), promoted)
}

/// `missing_element`, reindexed: boolean if it has no extent, else all fill.
fn absent(shape: &[u64], axis: usize, fill: FillValue) -> (SharedArray, Promoted) {
    if shape[axis] == 0 {
        return (Filled::shared(DType::Bool, shape, &[0]), Promoted::As(DType::Bool));
    }
    (filled(shape, fill), Promoted::As(fill.dtype()))
}

fn filled(shape: &[u64], fill: FillValue) -> SharedArray {
    Filled::shared(fill.dtype(), shape, &fill_bytes(fill.dtype(), fill))
}

fn check_shape(
    shape: &[u64],
    share: &ArrayShare<'_>,
    stacked: usize,
    other: usize,
) -> Result<(), String> {
    if shape.len() < 2 {
        return Err(format!("has the shape {shape:?}, expected at least two axes"));
    }
    if shape[stacked] != share.extent || shape[other] != share.other.source_len() {
        let mut expected = [0; 2];
        expected[stacked] = share.extent;
        expected[other] = share.other.source_len();
        return Err(format!("has the shape {shape:?}, expected {expected:?}"));
    }
    Ok(())
}

fn check_rest(shape: &[u64], model: &[u64]) -> Result<(), String> {
    if shape.len() == model.len() && shape[2..] == model[2..] {
        return Ok(());
    }
    Err(format!("has the shape {shape:?}, which cannot be concatenated with {model:?}"))
}
