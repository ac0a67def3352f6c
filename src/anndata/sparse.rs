//! Encodings `csr_matrix` and `csc_matrix`, and the `h5sparse` groups that came before them.

use super::attrs::{self, set_encoding};
use super::error::{DecodeError, EncodeError, Place};
use super::{Sparse, SparseBody, SparseFormat};
use crate::array::SharedArray;
use crate::tree::{ArrayNode, Attr, Attrs, Data, Group, Node};

/// The format of a group that holds a sparse matrix.
pub(super) fn format(group: &Group) -> Option<SparseFormat> {
    // As anndata: the older attribute wins where both are present.
    let name = attrs::text(&group.attrs, "h5sparse_format")
        .unwrap_or_else(|| attrs::encoding(&group.attrs));
    match name.strip_suffix("_matrix").unwrap_or(name) {
        "csr" => Some(SparseFormat::Csr),
        "csc" => Some(SparseFormat::Csc),
        _ => None,
    }
}

/// Decodes a sparse matrix. Extents are checked against one another; no value is read.
pub(super) fn decode(
    group: &Group,
    format: SparseFormat,
    at: &Place<'_>,
) -> Result<Sparse, DecodeError> {
    let shape = match attrs::setting_ints(group, "shape")? {
        Some(shape) => shape,
        None => attrs::setting_ints(group, "h5sparse_shape")?.ok_or_else(|| {
            at.fail("a sparse matrix needs the attribute `shape` (rows, columns)")
        })?,
    };
    let shape = match shape.as_slice() {
        &[rows, columns] => [extent(rows, at)?, extent(columns, at)?],
        _ => return Err(at.fail(format!("`shape` holds {} numbers, expected 2", shape.len()))),
    };
    let data = part(group, "data", at)?;
    let indices = part(group, "indices", at)?;
    let indptr = part(group, "indptr", at)?;
    for (name, array) in [("indices", &indices), ("indptr", &indptr)] {
        if !array.dtype().is_integer() {
            let dtype = array.dtype();
            return Err(at.child(name).fail(format!("is {dtype}, expected integers")));
        }
    }
    let major = match format {
        SparseFormat::Csr => shape[0],
        SparseFormat::Csc => shape[1],
    };
    let num_pointers = indptr.shape()[0];
    if num_pointers != major.saturating_add(1) {
        return Err(at.child("indptr").fail(format!(
            "is {num_pointers} long, but a matrix of shape {} × {} needs {}",
            shape[0],
            shape[1],
            major.saturating_add(1)
        )));
    }
    if data.shape() != indices.shape() {
        let (values, positions) = (data.shape()[0], indices.shape()[0]);
        return Err(at.fail(format!("`data` is {values} long and `indices` {positions}")));
    }
    let dtype = data.dtype();
    Ok(Sparse { format, shape, dtype, body: SparseBody::Stored { data, indices, indptr } })
}

fn extent(number: i64, at: &Place<'_>) -> Result<u64, DecodeError> {
    u64::try_from(number).map_err(|_| at.fail(format!("`shape` holds {number}, expected ≥ 0")))
}

fn part(group: &Group, name: &str, at: &Place<'_>) -> Result<SharedArray, DecodeError> {
    let at = at.child(name);
    match group.children.get(name) {
        Some(Node::Array(ArrayNode { data: Data::Fixed(array), .. })) => match array.shape() {
            [_] => Ok(array.clone()),
            shape => Err(at.fail(format!("has {} dimensions, expected 1", shape.len()))),
        },
        Some(Node::Array(ArrayNode { data: Data::Unreadable(why), .. })) => Err(at.unread(why)),
        Some(_) => Err(at.fail("expected an array of numbers")),
        None => Err(at.fail("is missing from the sparse matrix")),
    }
}

/// A group of encoding `csr_matrix` or `csc_matrix`.
pub(super) fn encode(sparse: &Sparse, element: &str) -> Result<Group, EncodeError> {
    let SparseBody::Stored { data, indices, indptr } = &sparse.body else {
        return Err(EncodeError::Planned { element: element.to_owned() });
    };
    let mut group = Group::default();
    let shape = sparse.shape.iter().map(|&extent| i64::try_from(extent).unwrap_or(i64::MAX));
    group.attrs.insert("shape".to_owned(), Attr::IntList(shape.collect()));
    let encoding = match sparse.format {
        SparseFormat::Csr => "csr_matrix",
        SparseFormat::Csc => "csc_matrix",
    };
    set_encoding(&mut group.attrs, encoding, "0.1.0");
    for (name, array) in [("data", data), ("indices", indices), ("indptr", indptr)] {
        let node = ArrayNode { attrs: Attrs::new(), data: Data::Fixed(array.clone()) };
        group.children.insert(name.to_owned(), Node::Array(node));
    }
    Ok(group)
}
