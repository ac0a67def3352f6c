//! Reading attributes as many writers write them: scalars as lists of one, lists as scalars, and
//! settings of a group stored as small arrays in it.
//!
//! anndata's own reader is stricter (`compat._read_attr`); what it accepts reads the same here.

use crate::array::{cast, read_all, read_all_text};
use crate::base::ReadError;
use crate::tree::{Attr, Attrs, Data, Group, Node};

/// The text of an attribute: a text or a list of one.
pub(super) fn text<'a>(attrs: &'a Attrs, name: &str) -> Option<&'a str> {
    match attrs.get(name)? {
        Attr::Str(text) | Attr::Reference(text) => Some(text),
        Attr::StrList(list) => match list.as_slice() {
            [text] => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// `encoding-type`, empty when there is none.
pub(super) fn encoding(attrs: &Attrs) -> &str {
    text(attrs, "encoding-type").unwrap_or_default()
}

/// `encoding-version`, empty when there is none.
pub(super) fn version(attrs: &Attrs) -> &str {
    text(attrs, "encoding-version").unwrap_or_default()
}

/// Puts the two attributes that name an encoding.
pub(super) fn set_encoding(attrs: &mut Attrs, encoding: &str, version: &str) {
    attrs.insert("encoding-type".to_owned(), Attr::Str(encoding.to_owned()));
    attrs.insert("encoding-version".to_owned(), Attr::Str(version.to_owned()));
}

/// A text that describes a group.
pub(super) fn setting_text(group: &Group, name: &str) -> Result<Option<String>, ReadError> {
    if group.attrs.contains_key(name) {
        return Ok(text(&group.attrs, name).map(str::to_owned));
    }
    Ok(small_texts(group, name)?.filter(|list| list.len() == 1).and_then(|mut list| list.pop()))
}

/// A list of texts that describes a group.
pub(super) fn setting_texts(group: &Group, name: &str) -> Result<Option<Vec<String>>, ReadError> {
    let list = match group.attrs.get(name) {
        Some(Attr::StrList(list)) => Some(list.clone()),
        Some(Attr::Str(text)) => Some(vec![text.clone()]),
        Some(Attr::IntList(list)) if list.is_empty() => Some(Vec::new()),
        // Numbers as column names.
        Some(Attr::IntList(list)) => Some(list.iter().map(ToString::to_string).collect()),
        Some(Attr::Json(serde_json::Value::Array(list))) => list
            .iter()
            .map(|item| match item {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .collect(),
        Some(_) => None,
        None => small_texts(group, name)?,
    };
    Ok(list)
}

/// A list of whole numbers that describes a group.
pub(super) fn setting_ints(group: &Group, name: &str) -> Result<Option<Vec<i64>>, ReadError> {
    let list = match group.attrs.get(name) {
        Some(Attr::IntList(list)) => Some(list.clone()),
        Some(Attr::Int(number)) => Some(vec![*number]),
        Some(Attr::Json(serde_json::Value::Array(list))) => list.iter().map(json_int).collect(),
        Some(_) => None,
        None => match group.children.get(name) {
            Some(Node::Array(array)) => match &array.data {
                Data::Fixed(numbers)
                    if numbers.dtype().is_integer() && is_small(numbers.shape()) =>
                {
                    Some(cast::read_i64(numbers.dtype(), &read_all(numbers.as_ref())?).collect())
                }
                _ => None,
            },
            _ => None,
        },
    };
    Ok(list)
}

/// A truth that describes a group: Python's `bool` of the attribute.
pub(super) fn setting_bool(group: &Group, name: &str) -> Result<Option<bool>, ReadError> {
    if let Some(attr) = group.attrs.get(name) {
        return Ok(truth(attr));
    }
    match group.children.get(name) {
        Some(Node::Array(array)) => match &array.data {
            Data::Fixed(numbers) if is_small(numbers.shape()) => {
                Ok(Some(read_all(numbers.as_ref())?.iter().any(|&byte| byte != 0)))
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Python's `bool` of an attribute; words that mean false are false, as R writes them.
pub(super) fn truth(attr: &Attr) -> Option<bool> {
    match attr {
        Attr::Bool(value) => Some(*value),
        Attr::Int(value) => Some(*value != 0),
        Attr::Float(value) => Some(*value != 0.0),
        Attr::Str(value) => Some(!matches!(value.as_str(), "" | "FALSE" | "False" | "false")),
        Attr::IntList(list) => list.first().map(|value| *value != 0),
        Attr::Json(serde_json::Value::Bool(value)) => Some(*value),
        Attr::Json(serde_json::Value::Array(list)) => list.first().and_then(|item| item.as_bool()),
        Attr::StrList(_) | Attr::Reference(_) | Attr::Json(_) => None,
    }
}

fn json_int(item: &serde_json::Value) -> Option<i64> {
    // Whole numbers that a writer stored as reals.
    item.as_i64().or_else(|| item.as_f64().filter(|x| x.fract() == 0.0).map(|x| x as i64))
}

fn is_small(shape: &[u64]) -> bool {
    shape.iter().try_fold(1_u64, |n, &extent| n.checked_mul(extent)).is_some_and(|n| n <= 1 << 20)
}

fn small_texts(group: &Group, name: &str) -> Result<Option<Vec<String>>, ReadError> {
    match group.children.get(name) {
        Some(Node::Array(array)) => match &array.data {
            Data::Text(text) if is_small(text.shape()) => {
                Ok(Some(read_all_text(text.as_ref())?.iter().map(str::to_owned).collect()))
            }
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}
