//! AnnData-like trees that are drawn from bytes: most of them sound, some of them not.
//!
//! This module draws whole trees; `columns` what has one dimension, `arrays` numbers and matrices.

mod arrays;
mod columns;

use anncat::base::DType;
use anncat::concat::{Axis, ConcatOptions, Join, Merge, Pairwise};
use anncat::tree::{ArrayNode, Attr, Attrs, Data, Group, Node};
use arbitrary::{Result, Unstructured};

use self::arrays::{awkward, dtype, numbers, records, sparse};
use self::columns::{frame, line, texts};

pub fn options(u: &mut Unstructured<'_>) -> Result<ConcatOptions> {
    let merges =
        [None, Some(Merge::Same), Some(Merge::Unique), Some(Merge::First), Some(Merge::Only)];
    Ok(ConcatOptions {
        axis: *u.choose(&[Axis::Obs, Axis::Var])?,
        join: *u.choose(&[Join::Inner, Join::Outer])?,
        merge: *u.choose(&merges)?,
        uns_merge: *u.choose(&merges)?,
        label: u.arbitrary::<bool>()?.then(|| "batch".to_owned()),
        index_unique: u.arbitrary::<bool>()?.then(|| "-".to_owned()),
        pairwise: *u.choose(&[Pairwise::Drop, Pairwise::Keep])?,
        ..ConcatOptions::default()
    })
}

/// A tree that is an AnnData file, but for what is drawn wrong.
pub fn tree(u: &mut Unstructured<'_>) -> Result<Group> {
    let (n_obs, n_vars) = (u.int_in_range(0..=5_u64)?, u.int_in_range(0..=4_u64)?);
    let mut root = Group::default();
    encode(&mut root.attrs, "anndata", "0.1.0");
    let mut put = |name: &str, node: Node| drop(root.children.insert(name.to_owned(), node));
    put("obs", frame(u, n_obs, "c")?);
    put("var", frame(u, n_vars, "g")?);
    if u.ratio(7, 8)? {
        put("X", matrix(u, &[n_obs, n_vars])?);
    }
    for (name, axes) in [
        ("layers", vec![n_obs, n_vars]),
        ("obsm", vec![n_obs, 2]),
        ("varm", vec![n_vars, 2]),
        ("obsp", vec![n_obs, n_obs]),
        ("varp", vec![n_vars, n_vars]),
        ("uns", vec![3]),
    ] {
        if u.ratio(1, 2)? {
            put(name, mapping(u, &axes, if name == "uns" { 2 } else { 0 })?);
        }
    }
    if u.ratio(1, 6)? {
        let mut raw = Group::default();
        encode(&mut raw.attrs, "raw", "0.1.0");
        raw.children.insert("X".to_owned(), matrix(u, &[n_obs, n_vars])?);
        raw.children.insert("var".to_owned(), frame(u, n_vars, "g")?);
        put("raw", Node::Group(raw));
    }
    Ok(root)
}

fn mapping(u: &mut Unstructured<'_>, shape: &[u64], depth: usize) -> Result<Node> {
    let mut group = Group::default();
    encode(&mut group.attrs, "dict", "0.1.0");
    for _ in 0..u.int_in_range(0..=2)? {
        let key = name(u)?;
        let node = if depth > 0 || u.ratio(1, 12)? {
            element(u, shape, depth)?
        } else {
            matrix(u, shape)?
        };
        group.children.insert(key, node);
    }
    Ok(Node::Group(group))
}

/// What a matrix may be; seldom something else.
fn matrix(u: &mut Unstructured<'_>, shape: &[u64]) -> Result<Node> {
    match u.int_in_range(0..=19)? {
        0 => element(u, shape, 1),
        1..=9 => sparse(u, shape),
        _ => {
            let dtype = dtype(u)?;
            Ok(array("array", numbers(u, dtype, shape)?))
        }
    }
}

/// Any element of this extent, or one that says to be another.
fn element(u: &mut Unstructured<'_>, shape: &[u64], depth: usize) -> Result<Node> {
    let first = shape.first().copied().unwrap_or(1);
    let mut node = match u.int_in_range(0..=11)? {
        0 => frame(u, first, "c")?,
        1 => line(u, first)?,
        2 => records(u, first)?,
        3 => awkward(u, first)?,
        4 => mapping(u, shape, depth.saturating_sub(1))?,
        5 => array("string-array", texts(u, shape)?),
        6 => array(u.choose(&["null", "array"])?, Data::Null),
        7 => array("numeric-scalar", numbers(u, DType::F64, &[])?),
        8 | 9 => sparse(u, shape)?,
        _ => {
            let dtype = dtype(u)?;
            array("array", numbers(u, dtype, shape)?)
        }
    };
    if u.ratio(1, 24)? {
        let attrs = match &mut node {
            Node::Group(group) => &mut group.attrs,
            Node::Array(array) => &mut array.attrs,
        };
        spoil(u, attrs)?;
    }
    Ok(node)
}

/// Says something else of an element.
fn spoil(u: &mut Unstructured<'_>, attrs: &mut Attrs) -> Result<()> {
    const KINDS: [&str; 14] = [
        "",
        "array",
        "dict",
        "dataframe",
        "categorical",
        "csr_matrix",
        "csc_matrix",
        "rec-array",
        "awkward-array",
        "string",
        "numeric-scalar",
        "nullable-integer",
        "raw",
        "anndata",
    ];
    let key = *u.choose(&[
        "encoding-type",
        "encoding-version",
        "shape",
        "_index",
        "column-order",
        "ordered",
        "form",
        "length",
        "h5sparse_format",
        "h5sparse_shape",
        "categories",
    ])?;
    let value = match u.int_in_range(0..=6)? {
        0 => Attr::Str(u.arbitrary()?),
        1 => Attr::Int(u.arbitrary()?),
        2 => Attr::IntList(u.arbitrary()?),
        3 => Attr::StrList(u.arbitrary()?),
        4 => Attr::Reference(u.arbitrary()?),
        5 => Attr::Json(serde_json::Value::Null),
        _ => Attr::Str((*u.choose(&KINDS)?).to_owned()),
    };
    if u.arbitrary()? {
        attrs.shift_remove(key);
    } else {
        attrs.insert(key.to_owned(), value);
    }
    Ok(())
}

fn name(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(1, 10)? {
        return Ok(u.arbitrary::<String>()?.replace('/', ""));
    }
    Ok((*u.choose(&["a", "b", "X_pca", "index", "_index", "é", "batch", "neighbors"])?).to_owned())
}

fn encode(attrs: &mut Attrs, kind: &str, version: &str) {
    attrs.insert("encoding-type".to_owned(), Attr::Str(kind.to_owned()));
    attrs.insert("encoding-version".to_owned(), Attr::Str(version.to_owned()));
}

fn array(kind: &str, data: Data) -> Node {
    let mut attrs = Attrs::new();
    encode(&mut attrs, kind, "0.2.0");
    Node::Array(ArrayNode { attrs, data })
}
