//! anndata's `equal`: whether two values are the same, so that merging keeps one. Values are read a
//! block at a time and only as far as they agree.

use std::sync::Arc;

use crate::anndata::{Categorical, Elem, Frame, Nullable, Scalar};
use crate::array::{ArraySource, TextBuf, TextSource, read_all, read_all_text, read_vec};
use crate::base::dtype::Kind;
use crate::base::{DType, ReadError, Region};
use crate::concat::awkward::{AwkwardError, awkward_equal};
use crate::concat::frames::{Categories, Plain, TextKind, Values};
use crate::concat::names::index_text;
use crate::concat::numpy::Number;
use crate::concat::sparse;
use crate::concat::sparse::Origin;
use crate::tree::{FieldValues, RecordArray};

use super::as_array::{AsArray, as_array};

/// Bytes, or strings, that are compared at once.
const BLOCK: u64 = 1 << 18;

/// `equal(a, b)`. Not symmetric: it is the first that decides how the two are compared. A dense array
/// equals a sparse one or a frame of the same values, but neither equals the array.
pub(super) fn equal(a: &Elem, b: &Elem) -> Result<bool, ReadError> {
    let unnamed = Origin::unnamed();
    equal_of((a, &unnamed), (b, &unnamed))
}

/// The same, of elements with names for errors.
pub(super) fn equal_of(
    (a, from_a): (&Elem, &Origin),
    (b, from_b): (&Elem, &Origin),
) -> Result<bool, ReadError> {
    match (a, b) {
        (Elem::Dense(a), Elem::Dense(b)) => dense(&**a, &**b),
        (Elem::Dense(a), Elem::Sparse(b)) => {
            if a.shape() != b.shape || a.dtype() != b.dtype {
                return Ok(false);
            }
            Ok(same_numbers(a.dtype(), &read_all(&**a)?, &sparse::to_dense(b, from_b)?))
        }
        (Elem::Text(a), Elem::Text(b)) => text(&**a, &**b),
        (Elem::Sparse(a), Elem::Sparse(b)) => sparse::equal((a, from_a), (b, from_b)),
        (Elem::Frame(a), Elem::Frame(b)) => frames(a, b),
        (Elem::Record(a), Elem::Record(b)) => Ok(records(a, b)),
        (Elem::Awkward(a), Elem::Awkward(b)) => readable(awkward_equal(a, b)),
        (Elem::Scalar(a), Elem::Scalar(b)) => Ok(scalars(a, b)),
        (Elem::Null, Elem::Null) => Ok(true),
        (Elem::Categorical(_) | Elem::Nullable(_), _) => values(a, b),
        (Elem::Dense(_) | Elem::Text(_), _) => array(a, b),
        _ => Ok(false),
    }
}

/// Awkward arrays that cannot be understood are like no other; only a failed read is an error.
pub(super) fn readable(same: Result<bool, AwkwardError>) -> Result<bool, ReadError> {
    match same {
        Err(AwkwardError::Read(error)) => Err(error),
        same => Ok(same.unwrap_or(false)),
    }
}

/// `DataFrame.equals`: the same columns in the same order over the same index; dtypes count.
pub(super) fn frames(a: &Frame, b: &Frame) -> Result<bool, ReadError> {
    if a.len != b.len || !a.columns.keys().eq(b.columns.keys()) {
        return Ok(false);
    }
    if !indexes(a, b)? {
        return Ok(false);
    }
    for (a, b) in a.columns.values().zip(b.columns.values()) {
        if !columns(a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// `Index.equals`: numbers are no text, and are equal whatever their dtypes.
fn indexes(a: &Frame, b: &Frame) -> Result<bool, ReadError> {
    match (&*a.index, &*b.index) {
        (Elem::Dense(_), Elem::Dense(_)) => values(&a.index, &b.index),
        (Elem::Dense(_), _) | (_, Elem::Dense(_)) => Ok(false),
        _ => text(&*index_text(a)?, &*index_text(b)?),
    }
}

/// `Series.equals` of two columns.
pub(super) fn columns(a: &Elem, b: &Elem) -> Result<bool, ReadError> {
    match (a, b) {
        (Elem::Dense(a), Elem::Dense(b)) => dense(&**a, &**b),
        (Elem::Text(a), Elem::Text(b)) => text(&**a, &**b),
        (Elem::Nullable(a), Elem::Nullable(b)) => nullables(a, b),
        (Elem::Categorical(a), Elem::Categorical(b)) => categoricals(a, b),
        _ => Ok(false),
    }
}

/// Arrays of one dtype and shape with the same values, NaN equal to NaN.
pub(super) fn dense(a: &dyn ArraySource, b: &dyn ArraySource) -> Result<bool, ReadError> {
    if a.dtype() != b.dtype() || a.shape() != b.shape() {
        return Ok(false);
    }
    let shape = a.shape();
    let row_elements = shape.iter().skip(1).product::<u64>().max(1);
    let rows = shape.first().copied().unwrap_or(1);
    let step = (BLOCK / row_elements).max(1);
    let mut row = 0;
    while row < rows {
        let end = rows.min(row + step);
        let region = Region::rows(row..end, shape);
        if !same_numbers(a.dtype(), &read_vec(a, &region)?, &read_vec(b, &region)?) {
            return Ok(false);
        }
        row = end;
    }
    Ok(true)
}

fn same_numbers(dtype: DType, a: &[u8], b: &[u8]) -> bool {
    if a == b {
        return true;
    }
    if !matches!(dtype.kind(), Kind::Float | Kind::Complex) || a.len() != b.len() {
        return false;
    }
    let size = dtype.size_bytes();
    a.chunks_exact(size)
        .zip(b.chunks_exact(size))
        .all(|(a, b)| a == b || Number::of(dtype, a).same(Number::of(dtype, b)))
}

/// Text of one shape with the same strings.
pub(super) fn text(a: &dyn TextSource, b: &dyn TextSource) -> Result<bool, ReadError> {
    if a.shape() != b.shape() {
        return Ok(false);
    }
    let (mut mine, mut theirs) = (TextBuf::new(), TextBuf::new());
    let len = a.num_elements();
    let mut start = 0;
    while start < len {
        let end = len.min(start + BLOCK);
        mine.clear();
        theirs.clear();
        a.read_range(start..end, &mut mine)?;
        b.read_range(start..end, &mut theirs)?;
        if mine != theirs {
            return Ok(false);
        }
        start = end;
    }
    Ok(true)
}

fn nullables(a: &Nullable, b: &Nullable) -> Result<bool, ReadError> {
    if !dense(&*a.mask, &*b.mask)? {
        return Ok(false);
    }
    match (&*a.values, &*b.values) {
        (Elem::Dense(x), Elem::Dense(y)) if x.dtype() != y.dtype() => Ok(false),
        (Elem::Dense(_), Elem::Dense(_)) | (Elem::Text(_), Elem::Text(_)) => {
            values(&Elem::Nullable(a.clone()), &Elem::Nullable(b.clone()))
        }
        _ => Ok(false),
    }
}

/// Categoricals of equal dtype with the same values.
fn categoricals(a: &Categorical, b: &Categorical) -> Result<bool, ReadError> {
    if a.ordered != b.ordered || a.codes.shape() != b.codes.shape() {
        return Ok(false);
    }
    if TextKind::of(&a.categories) != TextKind::of(&b.categories) {
        return Ok(false);
    }
    let (mine, theirs) = (Categories::read(&a.categories)?, Categories::read(&b.categories)?);
    if mine.dtype() != theirs.dtype() || mine.len() != theirs.len() {
        return Ok(false);
    }
    let table = theirs.recoding(&mine);
    let in_order = table.iter().enumerate().all(|(at, &to)| at as i64 == to);
    if table.contains(&-1) || (a.ordered && !in_order) {
        return Ok(false);
    }
    let recoded = crate::array::Recoded::shared(Arc::clone(&b.codes), table, DType::I64);
    let own = crate::array::Cast::shared(Arc::clone(&a.codes), DType::I64);
    dense(&*own, &*recoded)
}

fn scalars(a: &Scalar, b: &Scalar) -> bool {
    match (a, b) {
        (Scalar::Text(a), Scalar::Text(b)) => a == b,
        (Scalar::Number { dtype: a, bytes: x }, Scalar::Number { dtype: b, bytes: y }) => {
            // A NaN is not equal to itself here.
            Number::of(*a, x) == Number::of(*b, y)
        }
        _ => false,
    }
}

fn records(a: &RecordArray, b: &RecordArray) -> bool {
    a.shape == b.shape
        && a.fields.len() == b.fields.len()
        && a.fields.iter().zip(&b.fields).all(|(a, b)| {
            a.name == b.name
                && a.inner_shape == b.inner_shape
                && match (&a.values, &b.values) {
                    (FieldValues::Text(a), FieldValues::Text(b)) => a == b,
                    (
                        FieldValues::Fixed { dtype: a, bytes: x },
                        FieldValues::Fixed { dtype: b, bytes: y },
                    ) => a == b && same_numbers(*a, x, y),
                    _ => false,
                }
        })
}

/// `equal_array`: an array equals what numpy makes the same array of, dtype included.
fn array(a: &Elem, b: &Elem) -> Result<bool, ReadError> {
    match (a, as_array(b)?) {
        (Elem::Dense(a), Some(AsArray::Elem(Elem::Dense(b)))) => dense(&**a, &*b),
        (Elem::Text(a), Some(AsArray::Elem(Elem::Text(b)))) => text(&**a, &*b),
        // Nothing is equal to nothing: both are object arrays.
        (Elem::Text(a), Some(AsArray::Objects(shape))) => {
            Ok(a.num_elements() == 0 && a.shape() == shape)
        }
        _ => Ok(false),
    }
}

/// The default of `equal`, over what numpy makes of both: the same values are missing and the
/// others are equal, whatever their dtypes.
fn values(a: &Elem, b: &Elem) -> Result<bool, ReadError> {
    let (a, b) = (Values::of(a)?, Values::of(b)?);
    let (Some(a), Some(b)) = (a, b) else { return Ok(false) };
    if a.shape() != b.shape() {
        return Ok(false);
    }
    let missing = a.missing()?;
    if missing != b.missing()? {
        return Ok(false);
    }
    match (&a.plain, &b.plain) {
        (Plain::Text(a), Plain::Text(b)) => {
            let (a, b) = (read_all_text(&**a)?, read_all_text(&**b)?);
            Ok(a.iter().zip(b.iter()).zip(&missing).all(|((a, b), &missing)| missing || a == b))
        }
        (Plain::Numbers(a), Plain::Numbers(b)) => {
            let (x, y) = (read_all(&**a)?, read_all(&**b)?);
            let numbers = |dtype: DType, bytes: &[u8]| {
                bytes
                    .chunks_exact(dtype.size_bytes())
                    .map(|element| Number::of(dtype, element))
                    .collect::<Vec<_>>()
            };
            let (x, y) = (numbers(a.dtype(), &x), numbers(b.dtype(), &y));
            Ok(x.iter().zip(&y).zip(&missing).all(|((a, b), &missing)| missing || a == b))
        }
        _ => Ok(missing.iter().all(|&missing| missing)),
    }
}
