//! Encodings `array`, `string-array`, `rec-array`, `null`, `numeric-scalar` and `string`: what one
//! array node holds.

use std::sync::Arc;

use super::attrs::{self, set_encoding};
use super::error::{DecodeError, Place};
use super::{Elem, Scalar};
use crate::array::{SharedArray, SharedText, cast, read_all, read_all_text};
use crate::base::dtype::Kind;
use crate::base::{DType, Dims};
use crate::tree::{ArrayNode, Attrs, Data, RecordArray};

/// Decodes an array node by its encoding.
pub(super) fn decode(array: &ArrayNode, at: &Place<'_>) -> Result<Elem, DecodeError> {
    let (encoding, version) = (attrs::encoding(&array.attrs), attrs::version(&array.attrs));
    match (encoding, version) {
        ("", _) => without_encoding(array, at),
        ("null", "0.1.0" | "") => Ok(Elem::Null),
        ("array" | "string-array" | "rec-array", "0.2.0" | "") => as_stored(&array.data, at),
        ("numeric-scalar" | "string" | "bytes", "0.2.0" | "") => scalar(&array.data, at),
        ("dict" | "anndata" | "raw" | "csr_matrix" | "csc_matrix" | "dataframe", _)
        | ("categorical" | "awkward-array", _)
        | ("nullable-integer" | "nullable-boolean" | "nullable-string-array", _) => Err(
            at.fail(format!("its encoding is {encoding:?}, which is a group, but it is an array"))
        ),
        _ => Err(DecodeError::UnknownEncoding {
            file: at.file.to_path_buf(),
            element: at.element(),
            encoding: encoding.to_owned(),
            version: version.to_owned(),
        }),
    }
}

/// anndata's `read_array`: zero-dimensional arrays become scalars of their dtype.
fn as_stored(data: &Data, at: &Place<'_>) -> Result<Elem, DecodeError> {
    match data {
        Data::Fixed(array) if array.shape().is_empty() => Ok(Elem::Scalar(Scalar::Number {
            dtype: array.dtype(),
            bytes: read_all(array.as_ref())?,
        })),
        Data::Fixed(array) => Ok(Elem::Dense(array.clone())),
        Data::Text(text) if text.shape().is_empty() => Ok(Elem::Scalar(only_text(text)?)),
        Data::Text(text) => Ok(Elem::Text(text.clone())),
        Data::Record(records) => Ok(Elem::Record(records.clone())),
        Data::Null => Ok(Elem::Null),
        Data::Unreadable(why) => Err(at.unread(why)),
    }
}

/// anndata's `_io.h5ad.read_dataset`: fixed-length strings of anndata 0.6 and before are text, and
/// an array of one of them is a scalar, as those versions stored scalars.
fn without_encoding(array: &ArrayNode, at: &Place<'_>) -> Result<Elem, DecodeError> {
    match &array.data {
        Data::Text(text)
            if text.is_fixed_ascii() && text.shape().len() == 1 && text.num_elements() == 1 =>
        {
            Ok(Elem::Scalar(only_text(text)?))
        }
        data => as_stored(data, at),
    }
}

/// anndata's `read_scalar`, which gives Python's own numbers: `int`, `float`, `bool`, `complex`.
/// Arrays of one element count as scalars; larger ones stay arrays.
fn scalar(data: &Data, at: &Place<'_>) -> Result<Elem, DecodeError> {
    match data {
        Data::Fixed(array) if array.shape().iter().all(|&extent| extent == 1) => {
            let from = array.dtype();
            let stored = read_all(array.as_ref())?;
            let to = python_dtype(from, &stored);
            let mut bytes = vec![0; to.size_bytes()];
            cast::cast_bytes(from, &stored, to, &mut bytes);
            Ok(Elem::Scalar(Scalar::Number { dtype: to, bytes }))
        }
        data => as_stored(data, at),
    }
}

/// The dtype in which numpy writes back the Python number that an element of `dtype` becomes.
fn python_dtype(dtype: DType, bytes: &[u8]) -> DType {
    match dtype.kind() {
        Kind::Bool => DType::Bool,
        // A Python int past int64 is a uint64 to numpy; little-endian, so the last byte has the sign.
        Kind::Unsigned if dtype == DType::U64 && bytes.last().is_some_and(|&b| b >= 0x80) => {
            DType::U64
        }
        Kind::Unsigned | Kind::Signed => DType::I64,
        Kind::Float => DType::F64,
        Kind::Complex => DType::C128,
    }
}

fn only_text(text: &SharedText) -> Result<Scalar, DecodeError> {
    let buffer = read_all_text(text.as_ref())?;
    Ok(Scalar::Text(buffer.iter().next().unwrap_or_default().to_owned()))
}

/// An array node of encoding `array`; a scalar when it has no dimension, as anndata writes it.
pub(super) fn encode_dense(array: &SharedArray) -> ArrayNode {
    let encoding = if array.shape().is_empty() { "numeric-scalar" } else { "array" };
    node(encoding, "0.2.0", Data::Fixed(array.clone()))
}

/// An array node of encoding `string-array`.
pub(super) fn encode_text(text: &SharedText) -> ArrayNode {
    let encoding = if text.shape().is_empty() { "string" } else { "string-array" };
    node(encoding, "0.2.0", Data::Text(text.clone()))
}

/// An array node of encoding `rec-array`.
pub(super) fn encode_record(records: &Arc<RecordArray>) -> ArrayNode {
    node("rec-array", "0.2.0", Data::Record(records.clone()))
}

/// An array node of encoding `null`.
pub(super) fn encode_null() -> ArrayNode {
    node("null", "0.1.0", Data::Null)
}

/// An array node of encoding `numeric-scalar` or `string`.
pub(super) fn encode_scalar(scalar: &Scalar) -> ArrayNode {
    use crate::array::{MemoryArray, MemoryText, TextBuf};
    match scalar {
        Scalar::Number { dtype, bytes } => {
            encode_dense(&MemoryArray::shared(*dtype, &[], bytes.clone()))
        }
        Scalar::Text(text) => {
            let buffer: TextBuf = std::iter::once(text.as_str()).collect();
            encode_text(&(Arc::new(MemoryText::new(&[], buffer)) as SharedText))
        }
    }
}

fn node(encoding: &str, version: &str, data: Data) -> ArrayNode {
    let mut attrs = Attrs::new();
    set_encoding(&mut attrs, encoding, version);
    ArrayNode { attrs, data }
}

/// One field of a structured array as an array of its own.
pub(super) fn field(records: &RecordArray, index: usize) -> Option<Elem> {
    use crate::array::{MemoryArray, MemoryText};
    use crate::tree::FieldValues;
    let field = records.fields.get(index)?;
    let shape: Dims = records.shape.iter().chain(&field.inner_shape).copied().collect();
    let len = shape.iter().try_fold(1_u64, |n, &extent| n.checked_mul(extent))?;
    match &field.values {
        FieldValues::Fixed { dtype, bytes } => {
            let fits = len.checked_mul(dtype.size_bytes() as u64) == Some(bytes.len() as u64);
            fits.then(|| Elem::Dense(MemoryArray::shared(*dtype, &shape, bytes.clone())))
        }
        FieldValues::Text(text) => (text.len() as u64 == len)
            .then(|| Elem::Text(Arc::new(MemoryText::new(&shape, text.clone())))),
    }
}
