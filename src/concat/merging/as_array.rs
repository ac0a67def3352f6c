//! What numpy makes of an element of another kind (`numpy.asarray`), to compare it with an array.
//!
//! It knows nothing of equality. Elements are read whole: this is asked only where inputs hold
//! different kinds of things under one key.

use std::sync::Arc;

use crate::anndata::{Elem, Frame};
use crate::array::cast::cast_bytes;
use crate::array::{
    MemoryArray, MemoryText, ReshapedText, TextBuf, read_all, read_all_text, zeroed,
};
use crate::base::dtype::Kind;
use crate::base::{DType, ReadError};
use crate::concat::frames::{ColumnType, Plain, Values, find_common};
use crate::concat::numpy::nan_bytes;

/// An element as numpy sees it.
#[derive(Debug)]
pub(super) enum AsArray {
    /// Numbers, or an object array of nothing but strings.
    Elem(Elem),
    /// An object array of other things, with this shape.
    Objects(Vec<u64>),
}

/// `numpy.asarray` of an array, a column or a frame; `None` for what becomes no array of these.
///
/// # Errors
/// The element cannot be read.
pub(super) fn as_array(elem: &Elem) -> Result<Option<AsArray>, ReadError> {
    match elem {
        Elem::Dense(_) | Elem::Text(_) => Ok(Some(AsArray::Elem(elem.clone()))),
        Elem::Categorical(_) | Elem::Nullable(_) => column(elem),
        Elem::Frame(frame) => matrix(frame),
        _ => Ok(None),
    }
}

/// `Categorical.__array__` and that of nullable arrays: with missing values numbers become float64
/// (floats stay) and everything else objects.
fn column(elem: &Elem) -> Result<Option<AsArray>, ReadError> {
    let Some(values) = Values::of(elem)? else { return Ok(None) };
    let shape = values.shape().to_vec();
    let missing = values.missing()?;
    let is_complete = !missing.contains(&true);
    Ok(Some(match values.plain {
        Plain::Text(text) if is_complete => AsArray::Elem(Elem::Text(text)),
        Plain::Numbers(numbers) if is_complete => AsArray::Elem(Elem::Dense(numbers)),
        Plain::Text(_) => AsArray::Objects(shape),
        Plain::Numbers(numbers) => {
            let dtype = match numbers.dtype().kind() {
                Kind::Bool => return Ok(Some(AsArray::Objects(shape))),
                Kind::Signed | Kind::Unsigned => DType::F64,
                Kind::Float | Kind::Complex => numbers.dtype(),
            };
            let mut bytes = zeroed(missing.len() as u64, dtype.size_bytes())?;
            cast_bytes(numbers.dtype(), &read_all(&*numbers)?, dtype, &mut bytes);
            let nan = nan_bytes(dtype);
            for (element, missing) in bytes.chunks_exact_mut(dtype.size_bytes()).zip(missing) {
                if missing {
                    element.copy_from_slice(&nan);
                }
            }
            AsArray::Elem(Elem::Dense(MemoryArray::shared(dtype, &shape, bytes)))
        }
    }))
}

/// `DataFrame.__array__`: the columns side by side in their common dtype.
fn matrix(frame: &Frame) -> Result<Option<AsArray>, ReadError> {
    let width = frame.columns.len() as u64;
    let shape = [frame.len, width];
    let objects = || Ok(Some(AsArray::Objects(shape.to_vec())));
    let mut columns = Vec::with_capacity(frame.columns.len());
    for elem in frame.columns.values() {
        match as_array(elem)? {
            Some(AsArray::Elem(column)) => columns.push(column),
            Some(AsArray::Objects(_)) => return objects(),
            None => return Ok(None),
        }
    }
    if columns.is_empty() {
        let none = MemoryArray::shared(DType::F64, &shape, Vec::new());
        return Ok(Some(AsArray::Elem(Elem::Dense(none))));
    }
    if columns.iter().all(|column| matches!(column, Elem::Text(_))) {
        let texts = columns
            .iter()
            .filter_map(|column| if let Elem::Text(text) = column { Some(text) } else { None })
            .map(|text| read_all_text(&**text))
            .collect::<Result<Vec<TextBuf>, ReadError>>()?;
        let rows = (0..frame.len as usize).flat_map(|row| texts.iter().map(move |t| t.get(row)));
        let text = MemoryText::line(rows.collect::<TextBuf>());
        return Ok(Some(AsArray::Elem(Elem::Text(ReshapedText::shared(text, &shape)))));
    }
    // Several columns of an extension's dtype make objects, one alone an array.
    let has_extensions =
        frame.columns.values().any(|elem| matches!(elem, Elem::Categorical(_) | Elem::Nullable(_)));
    if has_extensions && width > 1 {
        return objects();
    }
    let types = columns.iter().map(ColumnType::of).collect::<Result<Vec<_>, _>>()?;
    let ColumnType::Number(dtype) = find_common(&types.iter().collect::<Vec<_>>()) else {
        return objects();
    };
    let size = dtype.size_bytes();
    let mut bytes = zeroed(frame.len.saturating_mul(width), size)?;
    for (at, column) in columns.iter().enumerate() {
        let Elem::Dense(array) = column else { return objects() };
        let mut cast = vec![0; frame.len as usize * size];
        cast_bytes(array.dtype(), &read_all(&**array)?, dtype, &mut cast);
        for (row, element) in cast.chunks_exact(size).enumerate() {
            let start = (row * columns.len() + at) * size;
            bytes[start..start + size].copy_from_slice(element);
        }
    }
    Ok(Some(AsArray::Elem(Elem::Dense(MemoryArray::shared(
        dtype,
        &shape,
        Arc::<[u8]>::from(bytes),
    )))))
}
