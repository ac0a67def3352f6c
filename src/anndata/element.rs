//! Any element by its encoding: anndata's registry (`_io.specs.registry`), both ways.

use super::attrs;
use super::error::{DecodeError, EncodeError, Place};
use super::nullable::Values;
use super::{Elem, Mapping, awkward, categorical, frame, nullable, plain, sparse};
use crate::tree::{Attrs, Group, Node};

/// Decodes a node.
pub(super) fn decode(node: &Node, at: &Place<'_>) -> Result<Elem, DecodeError> {
    match node {
        Node::Array(array) => plain::decode(array, at),
        Node::Group(group) => decode_group(group, at),
    }
}

fn decode_group(group: &Group, at: &Place<'_>) -> Result<Elem, DecodeError> {
    let (encoding, version) = (attrs::encoding(&group.attrs), attrs::version(&group.attrs));
    // A version that is missing is taken to be the current one.
    match (encoding, version) {
        ("", _) => without_encoding(group, at),
        ("dict", "0.1.0" | "") => Ok(Elem::Dict(decode_children(group, at)?)),
        ("anndata", "0.1.0" | "") => Ok(Elem::Object("anndata", decode_children(group, at)?)),
        ("raw", "0.1.0" | "") => Ok(Elem::Object("raw", decode_children(group, at)?)),
        ("csr_matrix" | "csc_matrix", "0.1.0" | "") => match sparse::format(group) {
            Some(format) => Ok(Elem::Sparse(sparse::decode(group, format, at)?)),
            None => Err(at.fail("`h5sparse_format` is neither csr nor csc")),
        },
        ("dataframe", "0.1.0" | "0.2.0" | "") => Ok(Elem::Frame(frame::decode(group, at)?)),
        ("categorical", "0.2.0" | "") => Ok(Elem::Categorical(categorical::decode(group, at)?)),
        ("nullable-integer", "0.1.0" | "") => {
            Ok(Elem::Nullable(nullable::decode(group, Values::Integer, at)?))
        }
        ("nullable-boolean", "0.1.0" | "") => {
            Ok(Elem::Nullable(nullable::decode(group, Values::Boolean, at)?))
        }
        ("nullable-string-array", "0.1.0" | "") => {
            Ok(Elem::Nullable(nullable::decode(group, Values::Text, at)?))
        }
        ("awkward-array", "0.1.0" | "") => Ok(Elem::Awkward(awkward::decode(group, at)?)),
        ("array" | "string-array" | "rec-array" | "null", _)
        | ("numeric-scalar" | "string" | "bytes", _) => Err(
            at.fail(format!("its encoding is {encoding:?}, which is an array, but it is a group"))
        ),
        _ => Err(DecodeError::UnknownEncoding {
            file: at.file.to_path_buf(),
            element: at.element(),
            encoding: encoding.to_owned(),
            version: version.to_owned(),
        }),
    }
}

/// Whether a group is a dict.
pub(super) fn is_dict(group: &Group) -> bool {
    match attrs::encoding(&group.attrs) {
        "" => !group.attrs.contains_key("h5sparse_format") && !frame::looks_like(group),
        encoding => encoding == "dict" && matches!(attrs::version(&group.attrs), "0.1.0" | ""),
    }
}

/// anndata's `read_basic`: an `h5sparse` matrix or a dict.
fn without_encoding(group: &Group, at: &Place<'_>) -> Result<Elem, DecodeError> {
    if group.attrs.contains_key("h5sparse_format") {
        return match sparse::format(group) {
            Some(format) => Ok(Elem::Sparse(sparse::decode(group, format, at)?)),
            None => Err(at.fail("`h5sparse_format` is neither csr nor csc")),
        };
    }
    if frame::looks_like(group) {
        return Ok(Elem::Frame(frame::decode(group, at)?));
    }
    Ok(Elem::Dict(decode_children(group, at)?))
}

/// Decodes every child of a group.
pub(super) fn decode_children(group: &Group, at: &Place<'_>) -> Result<Mapping, DecodeError> {
    group
        .children
        .iter()
        .map(|(name, node)| Ok((name.clone(), decode(node, &at.child(name))?)))
        .collect()
}

/// Encodes an element. `at` is its path, for errors.
pub(super) fn encode(elem: &Elem, at: &str) -> Result<Node, EncodeError> {
    Ok(match elem {
        Elem::Dense(array) => Node::Array(plain::encode_dense(array)),
        Elem::Text(text) => Node::Array(plain::encode_text(text)),
        Elem::Scalar(scalar) => Node::Array(plain::encode_scalar(scalar)),
        Elem::Record(records) => Node::Array(plain::encode_record(records)),
        Elem::Null => Node::Array(plain::encode_null()),
        Elem::Sparse(matrix) => Node::Group(sparse::encode(matrix, at)?),
        Elem::Frame(table) => Node::Group(frame::encode(table, at)?),
        Elem::Categorical(column) => Node::Group(categorical::encode(column, at)?),
        Elem::Nullable(column) => Node::Group(nullable::encode(column, at)?),
        Elem::Awkward(array) => Node::Group(awkward::encode(array)),
        Elem::Dict(mapping) => Node::Group(encode_mapping("dict", mapping, at)?),
        Elem::Object(encoding, parts) => Node::Group(encode_mapping(encoding, parts, at)?),
    })
}

/// A group of this encoding, whose children are the elements.
pub(super) fn encode_mapping(
    encoding: &str,
    mapping: &Mapping,
    at: &str,
) -> Result<Group, EncodeError> {
    let mut group = Group { attrs: Attrs::new(), ..Group::default() };
    attrs::set_encoding(&mut group.attrs, encoding, "0.1.0");
    for (name, elem) in mapping {
        let node = encode(elem, &format!("{at}/{name}"))?;
        put(&mut group, name, node, at, mapping.keys())?;
    }
    Ok(group)
}

/// Puts a node under a key of data, which may hold slashes, into the group at `at`; `keys` are all
/// that the group is to have, so that an error can name the one in the way.
pub(super) fn put<'a>(
    group: &mut Group,
    key: &str,
    node: Node,
    at: &str,
    keys: impl IntoIterator<Item = &'a String>,
) -> Result<(), EncodeError> {
    group.insert(key, node).map_err(|_| {
        let nests = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
        };
        let mut names = [key.to_owned(), key.to_owned()];
        for other in keys {
            if nests(key, other) {
                names[0].clone_from(other);
            } else if nests(other, key) {
                names[1].clone_from(other);
            }
        }
        let [first, second] = names;
        EncodeError::NamesNest { element: at.to_owned(), first, second }
    })
}
