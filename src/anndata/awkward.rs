//! Encoding `awkward-array`: a form and its buffers, as `awkward.to_buffers` gives them.

use indexmap::IndexMap;

use super::attrs::{self, set_encoding};
use super::error::{DecodeError, Place};
use super::{Awkward, Elem, element};
use crate::tree::{Attr, Group, Node};

/// Decodes a group of buffers. The form is kept as text; whoever combines arrays parses it.
pub(super) fn decode(group: &Group, at: &Place<'_>) -> Result<Awkward, DecodeError> {
    let form = match group.attrs.get("form") {
        Some(Attr::Json(form @ serde_json::Value::Object(_))) => form.to_string(),
        _ => attrs::setting_text(group, "form")?
            .ok_or_else(|| at.fail("an awkward array needs the attribute `form`"))?,
    };
    let len = match group.attrs.get("length") {
        Some(Attr::Float(len)) if len.fract() == 0.0 => Some(*len as i64),
        _ => attrs::setting_ints(group, "length")?.and_then(|list| list.first().copied()),
    };
    let len = len
        .and_then(|len| u64::try_from(len).ok())
        .ok_or_else(|| at.fail("an awkward array needs the attribute `length`"))?;
    let mut buffers = IndexMap::new();
    for (name, node) in &group.children {
        // `form` and `length` may stand as arrays where a writer has no such attributes.
        if matches!(name.as_str(), "form" | "length") {
            continue;
        }
        let at = at.child(name);
        match element::decode(node, &at)? {
            Elem::Dense(buffer) => {
                buffers.insert(name.clone(), buffer);
            }
            _ => return Err(at.fail("a buffer of an awkward array must hold numbers")),
        }
    }
    Ok(Awkward { len, form, buffers })
}

/// A group of encoding `awkward-array`.
pub(super) fn encode(awkward: &Awkward) -> Group {
    let mut group = Group::default();
    let len = i64::try_from(awkward.len).unwrap_or(i64::MAX);
    group.attrs.insert("length".to_owned(), Attr::Int(len));
    group.attrs.insert("form".to_owned(), Attr::Str(awkward.form.clone()));
    set_encoding(&mut group.attrs, "awkward-array", "0.1.0");
    for (name, buffer) in &awkward.buffers {
        group.children.insert(name.clone(), Node::Array(super::plain::encode_dense(buffer)));
    }
    group
}
