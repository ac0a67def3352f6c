//! Encodings `nullable-integer`, `nullable-boolean` and `nullable-string-array`: values beside a
//! mask that is true where they are missing.

use super::attrs::set_encoding;
use super::error::{DecodeError, EncodeError, Place};
use super::{Elem, NaValue, Nullable, element};
use crate::array::{Cast, SharedArray};
use crate::base::DType;
use crate::tree::{Attr, Group, Node};

/// The attribute that names what stands for a missing string.
const NA_VALUE: &str = "na-value";

/// What the values must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Values {
    Integer,
    Boolean,
    Text,
}

/// Decodes a group of `values` and `mask`.
pub(super) fn decode(
    group: &Group,
    values: Values,
    at: &Place<'_>,
) -> Result<Nullable, DecodeError> {
    let stored = child(group, "values", at)?;
    let Elem::Dense(mask) = child(group, "mask", at)? else {
        return Err(at.child("mask").fail("expected booleans"));
    };
    // Writers without a boolean type store the mask as bytes.
    let mask = boolean(mask, &at.child("mask"))?;
    let elem = match (values, stored) {
        (Values::Integer, Elem::Dense(array)) if array.dtype().is_integer() => Elem::Dense(array),
        (Values::Boolean, Elem::Dense(array)) => Elem::Dense(boolean(array, &at.child("values"))?),
        (Values::Text, Elem::Text(text)) => Elem::Text(text),
        (expected, _) => {
            let expected = match expected {
                Values::Integer => "integers",
                Values::Boolean => "booleans",
                Values::Text => "strings",
            };
            return Err(at.child("values").fail(format!("expected {expected}")));
        }
    };
    let shape = match &elem {
        Elem::Dense(array) => array.shape(),
        Elem::Text(text) => text.shape(),
        _ => &[],
    };
    if shape != mask.shape() {
        return Err(at.fail(format!(
            "`values` has shape {shape:?} and `mask` {:?}, expected the same",
            mask.shape()
        )));
    }
    let na_value = match group.attrs.get(NA_VALUE) {
        Some(Attr::Str(text)) if text == "NA" => Some(NaValue::Na),
        Some(Attr::Str(text)) if text == "NaN" => Some(NaValue::Nan),
        _ => None,
    };
    Ok(Nullable { values: Box::new(elem), mask, na_value })
}

fn boolean(array: SharedArray, at: &Place<'_>) -> Result<SharedArray, DecodeError> {
    match array.dtype() {
        DType::Bool => Ok(array),
        DType::U8 | DType::I8 => Ok(Cast::shared(array, DType::Bool)),
        dtype => Err(at.fail(format!("is {dtype}, expected booleans"))),
    }
}

fn child(group: &Group, name: &str, at: &Place<'_>) -> Result<Elem, DecodeError> {
    let at = at.child(name);
    let node =
        group.children.get(name).ok_or_else(|| at.fail("is missing from the nullable array"))?;
    element::decode(node, &at)
}

/// A group of the encoding that suits the values.
pub(super) fn encode(nullable: &Nullable, element: &str) -> Result<Group, EncodeError> {
    let encoding = match nullable.values.as_ref() {
        Elem::Text(_) => "nullable-string-array",
        Elem::Dense(array) if array.dtype() == DType::Bool => "nullable-boolean",
        _ => "nullable-integer",
    };
    let mut group = Group::default();
    set_encoding(&mut group.attrs, encoding, "0.1.0");
    if encoding == "nullable-string-array" {
        // As anndata 0.13 writes it; NaN where nothing is said, with which masks work.
        let name = match nullable.na_value {
            Some(NaValue::Na) => "NA",
            Some(NaValue::Nan) | None => "NaN",
        };
        group.attrs.insert(NA_VALUE.to_owned(), Attr::Str(name.to_owned()));
    }
    let values = element::encode(&nullable.values, &format!("{element}/values"))?;
    group.children.insert("values".to_owned(), values);
    group
        .children
        .insert("mask".to_owned(), Node::Array(super::plain::encode_dense(&nullable.mask)));
    Ok(group)
}
