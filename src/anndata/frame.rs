//! Encoding `dataframe` (0.1.0 and 0.2.0): columns over an index.

use indexmap::IndexMap;

use super::attrs::{self, set_encoding};
use super::categorical::{self, scalar_as_line};
use super::error::{DecodeError, EncodeError, Place};
use super::{Elem, Frame, Nullable, Scalar, element};
use crate::array::{Filled, FilledText, ReshapedText, TextBuf, TextSource, UnitAxis};
use crate::base::ReadError;
use crate::tree::{Attr, Group, Node};

/// Key of an index without a name.
const UNNAMED: &str = "_index";

/// Whether a group without an encoding is a table all the same.
pub(super) fn looks_like(group: &Group) -> bool {
    group.attrs.contains_key("_index") && group.attrs.contains_key("column-order")
}

/// Whether a group is a table.
pub(super) fn is_frame(group: &Group) -> bool {
    match attrs::encoding(&group.attrs) {
        "" => looks_like(group),
        encoding => encoding == "dataframe",
    }
}

/// The key of a table's index, where there is one.
pub(super) fn index_key(group: &Group) -> Option<&str> {
    attrs::text(&group.attrs, "_index")
        .or_else(|| [UNNAMED, "index"].into_iter().find(|key| group.children.contains_key(*key)))
}

/// Decodes a table. Columns come in the order of `column-order`; keys may hold slashes, which are
/// groups to both formats.
pub(super) fn decode(group: &Group, at: &Place<'_>) -> Result<Frame, DecodeError> {
    let index_key = index_key(group)
        .ok_or_else(|| at.fail("a table needs the attribute `_index`, the key of its index"))?;
    let order = match attrs::setting_texts(group, "column-order")? {
        Some(order) => order,
        None => group
            .children
            .keys()
            .filter(|key| *key != index_key && *key != "__categories")
            .cloned()
            .collect(),
    };
    let index = match series(group, index_key, at)? {
        Elem::Scalar(scalar) => scalar_as_line(&scalar),
        index => index,
    };
    let len = line_len(&index)
        .ok_or_else(|| at.child(index_key).fail("cannot be an index, which has one dimension"))?;
    let index = as_column(index, len, &at.child(index_key))?;
    let mut columns = IndexMap::with_capacity(order.len());
    for key in order {
        let at_column = at.child(&key);
        let column = as_column(series(group, &key, at)?, len, &at_column)?;
        if columns.insert(key, column).is_some() {
            return Err(at_column.fail(
                "this column stands twice in `column-order`; the columns of a table must be unique\n  \
                 hint: rename or drop one of them with pandas and write the file again",
            ));
        }
    }
    let index_name = (index_key != UNNAMED).then(|| index_key.to_owned());
    Ok(Frame { len, index_name, index: Box::new(index), columns })
}

/// The element of one column (anndata's `read_series` and `read_elem`).
fn series(group: &Group, key: &str, at: &Place<'_>) -> Result<Elem, DecodeError> {
    let at_column = at.child(key);
    let node = group.get(key).ok_or_else(|| {
        at_column.fail("the table names this column in `column-order`, but does not hold it")
    })?;
    match node {
        // Version 0.2.0 has categoricals of their own and gives the attribute no meaning.
        Node::Array(array) if attrs::version(&group.attrs) != "0.2.0" => {
            match categorical::decode_referring(array, group, &at_column)? {
                Some(column) => Ok(Elem::Categorical(column)),
                None => element::decode(node, &at_column),
            }
        }
        Node::Group(column)
            if attrs::encoding(&column.attrs).is_empty() && categorical::looks_like(column) =>
        {
            Ok(Elem::Categorical(categorical::decode(column, &at_column)?))
        }
        _ => element::decode(node, &at_column),
    }
}

/// Length of an element that has one dimension, or a second one of length one.
fn line_len(elem: &Elem) -> Option<u64> {
    let shape = match elem {
        Elem::Dense(array) => array.shape(),
        Elem::Text(text) => text.shape(),
        Elem::Categorical(column) => column.codes.shape(),
        Elem::Nullable(column) => column.mask.shape(),
        _ => return None,
    };
    match shape {
        &[len] | &[len, 1] => Some(len),
        _ => None,
    }
}

/// Makes an element a column of `len` rows: drops a second dimension of length one, repeats
/// scalars as pandas does, and refuses the rest.
pub(super) fn as_column(elem: Elem, len: u64, at: &Place<'_>) -> Result<Elem, DecodeError> {
    if let Some(found) = line_len(&elem) {
        if found != len {
            return Err(at.fail(format!("has {found} rows, but its table has {len}")));
        }
        return Ok(match elem {
            Elem::Dense(array) if array.shape().len() == 2 => Elem::Dense(UnitAxis::drop(array, 1)),
            Elem::Text(text) if text.shape().len() == 2 => {
                Elem::Text(ReshapedText::shared(text, &[len]))
            }
            Elem::Nullable(column) if column.mask.shape().len() == 2 => {
                let mask = UnitAxis::drop(column.mask, 1);
                let values = Box::new(as_column(*column.values, len, at)?);
                Elem::Nullable(Nullable { values, mask, na_value: column.na_value })
            }
            elem => elem,
        });
    }
    match elem {
        Elem::Scalar(Scalar::Number { dtype, bytes }) => {
            Ok(Elem::Dense(Filled::shared(dtype, &[len], &bytes)))
        }
        Elem::Scalar(Scalar::Text(text)) => Ok(Elem::Text(FilledText::shared(&[len], &text))),
        elem => Err(at.fail(format!("cannot be a column: it is {}", describe(&elem)))),
    }
}

/// What an element is, in words for errors.
pub(super) fn describe(elem: &Elem) -> String {
    match elem {
        Elem::Dense(array) => format!("an array of {} dimensions", array.shape().len()),
        Elem::Text(text) => format!("an array of strings of {} dimensions", text.shape().len()),
        Elem::Sparse(_) => "a sparse matrix".to_owned(),
        Elem::Frame(_) => "a table".to_owned(),
        Elem::Categorical(_) => "a categorical".to_owned(),
        Elem::Nullable(_) => "a nullable array".to_owned(),
        Elem::Scalar(_) => "a scalar".to_owned(),
        Elem::Record(_) => "an array of records".to_owned(),
        Elem::Awkward(_) => "an awkward array".to_owned(),
        Elem::Dict(_) => "a dict".to_owned(),
        Elem::Object(encoding, _) => format!("an object of encoding {encoding:?}"),
        Elem::Null => "empty".to_owned(),
    }
}

/// A group of encoding `dataframe` 0.2.0.
pub(super) fn encode(frame: &Frame, at: &str) -> Result<Group, EncodeError> {
    let element = || at.to_owned();
    if frame.columns.contains_key(UNNAMED) {
        return Err(EncodeError::ReservedColumn { element: element(), name: UNNAMED.to_owned() });
    }
    let index_key = frame.index_name.as_deref().filter(|name| !name.is_empty()).unwrap_or(UNNAMED);
    if let Some(column) = frame.columns.get(index_key)
        && !same_text(&frame.index, column)?
    {
        return Err(EncodeError::IndexNameTaken { element: element(), name: index_key.to_owned() });
    }
    let mut group = Group::default();
    let order = frame.columns.keys().cloned().collect();
    group.attrs.insert("column-order".to_owned(), Attr::StrList(order));
    group.attrs.insert("_index".to_owned(), Attr::Str(index_key.to_owned()));
    set_encoding(&mut group.attrs, "dataframe", "0.2.0");
    let index_key = index_key.to_owned();
    let index = element::encode(&frame.index, &format!("{at}/{index_key}"))?;
    element::put(&mut group, &index_key, index, at, frame.columns.keys())?;
    for (key, column) in &frame.columns {
        // The same text as the index, which is there.
        if *key != index_key {
            let node = element::encode(column, &format!("{at}/{key}"))?;
            let keys = std::iter::once(&index_key).chain(frame.columns.keys());
            element::put(&mut group, key, node, at, keys)?;
        }
    }
    Ok(group)
}

/// Whether an index and a column hold the same strings, which is when anndata lets them share a key.
fn same_text(index: &Elem, column: &Elem) -> Result<bool, EncodeError> {
    let (Elem::Text(index), Elem::Text(column)) = (index, column) else {
        return Ok(false);
    };
    Ok(index.shape() == column.shape() && same_texts(index.as_ref(), column.as_ref())?)
}

/// Whether two arrays of one shape hold the same strings, read a block at a time: an index may have
/// more rows than there is memory for.
fn same_texts(a: &dyn TextSource, b: &dyn TextSource) -> Result<bool, ReadError> {
    const BLOCK: u64 = 1 << 16;
    let len = a.num_elements();
    let (mut left, mut right) = (TextBuf::new(), TextBuf::new());
    for start in (0..len).step_by(BLOCK as usize) {
        let end = len.min(start + BLOCK);
        left.clear();
        right.clear();
        a.read_range(start..end, &mut left)?;
        b.read_range(start..end, &mut right)?;
        if left != right {
            return Ok(false);
        }
    }
    Ok(true)
}
