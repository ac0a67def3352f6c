//! Encoding `categorical`, and the categoricals of anndata 0.7, whose categories stood elsewhere.

use super::attrs::{self, set_encoding};
use super::distinct::distinct;
use super::error::{DecodeError, EncodeError, Place};
use super::{Categorical, Elem, element};
use crate::array::{CheckedCodes, SharedArray};
use crate::base::DType;
use crate::tree::{ArrayNode, Attr, Data, Group, Node};

/// Decodes a group of `codes` and `categories`.
pub(super) fn decode(group: &Group, at: &Place<'_>) -> Result<Categorical, DecodeError> {
    let codes = child(group, "codes", at)?;
    let categories = child(group, "categories", at)?;
    let ordered = attrs::setting_bool(group, "ordered")?.unwrap_or(false);
    from_codes(codes, categories, ordered, at)
}

fn child(group: &Group, name: &str, at: &Place<'_>) -> Result<Elem, DecodeError> {
    let at = at.child(name);
    let node = group
        .children
        .get(name)
        .ok_or_else(|| at.fail("the categorical is incomplete, this part of it is missing"))?;
    element::decode(node, &at)
}

/// A column of anndata 0.7: an array of codes whose attribute `categories` refers to, or names, the
/// array of categories, which in turn says whether they are `ordered`. `None` when it has no such
/// attribute (anndata's `read_series`).
pub(super) fn decode_referring(
    column: &ArrayNode,
    parent: &Group,
    at: &Place<'_>,
) -> Result<Option<Categorical>, DecodeError> {
    if !column.attrs.contains_key("categories") {
        return Ok(None);
    }
    let target = attrs::text(&column.attrs, "categories")
        .ok_or_else(|| at.fail("the attribute `categories` is neither a reference nor a name"))?;
    let found = match target.strip_prefix('/') {
        Some(absolute) => at.root.get(absolute),
        None => parent.get(target),
    };
    let Some(Node::Array(categories)) = found else {
        return Err(at.fail(format!("its categories, {target:?}, are missing")));
    };
    let ordered = categories.attrs.get("ordered").and_then(attrs::truth).unwrap_or(false);
    let codes = super::plain::decode(column, at)?;
    let categories = match super::plain::decode(categories, at)? {
        // anndata 0.6 stored lists of one string as scalars.
        Elem::Scalar(scalar) => scalar_as_line(&scalar),
        categories => categories,
    };
    from_codes(codes, categories, ordered, at).map(Some)
}

/// pandas' `Categorical.from_codes`: the codes take the smallest signed type for the number of
/// categories, and are checked against it when they are read.
pub(super) fn from_codes(
    codes: Elem,
    categories: Elem,
    ordered: bool,
    at: &Place<'_>,
) -> Result<Categorical, DecodeError> {
    let num_categories = match &categories {
        Elem::Text(text) if text.shape().len() == 1 => text.shape()[0],
        Elem::Dense(array) if array.shape().len() == 1 => array.shape()[0],
        Elem::Nullable(nullable) if nullable.mask.shape().len() == 1 => nullable.mask.shape()[0],
        _ => return Err(at.fail("the categories are not a one-dimensional array")),
    };
    let Elem::Dense(codes) = codes else {
        return Err(at.fail("the codes of a categorical must be integers"));
    };
    if !codes.dtype().is_integer() || codes.shape().len() != 1 {
        return Err(at.fail(format!(
            "the codes of a categorical must be integers in one dimension, found {} in {}",
            codes.dtype(),
            codes.shape().len()
        )));
    }
    let dtype = code_dtype(num_categories);
    let codes = CheckedCodes::shared(codes, num_categories, dtype, at.file, at.element());
    let categories = Box::new(distinct(categories, at));
    Ok(Categorical { codes, categories, ordered })
}

/// The type pandas gives to codes of this many categories (`coerce_indexer_dtype`).
#[must_use]
pub const fn code_dtype(num_categories: u64) -> DType {
    if num_categories < i8::MAX as u64 {
        DType::I8
    } else if num_categories < i16::MAX as u64 {
        DType::I16
    } else if num_categories < i32::MAX as u64 {
        DType::I32
    } else {
        DType::I64
    }
}

/// A scalar as an array of one element.
pub(super) fn scalar_as_line(scalar: &super::Scalar) -> Elem {
    use crate::array::{MemoryArray, MemoryText, TextBuf};
    match scalar {
        super::Scalar::Number { dtype, bytes } => {
            Elem::Dense(MemoryArray::shared(*dtype, &[1], bytes.clone()))
        }
        super::Scalar::Text(text) => {
            Elem::Text(MemoryText::line(std::iter::once(text.as_str()).collect::<TextBuf>()))
        }
    }
}

/// A group of encoding `categorical`.
pub(super) fn encode(categorical: &Categorical, element: &str) -> Result<Group, EncodeError> {
    let mut group = Group::default();
    group.attrs.insert("ordered".to_owned(), Attr::Bool(categorical.ordered));
    set_encoding(&mut group.attrs, "categorical", "0.2.0");
    let codes: &SharedArray = &categorical.codes;
    group.children.insert("codes".to_owned(), Node::Array(super::plain::encode_dense(codes)));
    // anndata writes `categories.to_numpy()`: plain strings even where pandas holds nullable ones.
    let categories = match categorical.categories.as_ref() {
        Elem::Nullable(nullable) => nullable.values.as_ref(),
        categories => categories,
    };
    let categories = element::encode(categories, &format!("{element}/categories"))?;
    group.children.insert("categories".to_owned(), categories);
    Ok(group)
}

/// Whether a group without an encoding looks like a categorical.
pub(super) fn looks_like(group: &Group) -> bool {
    let is_array = |name| {
        matches!(group.children.get(name), Some(Node::Array(ArrayNode { data, .. }))
            if matches!(data, Data::Fixed(_) | Data::Text(_)))
    };
    is_array("codes") && is_array("categories")
}
