//! Tables, and what their columns may be.

use std::sync::Arc;

use anncat::array::{MemoryText, TextBuf};
use anncat::base::DType;
use anncat::tree::{Attr, Data, Group, Node};
use arbitrary::{Result, Unstructured};

use super::arrays::{dtype, numbers, small};
use super::{array, encode, name};

pub(super) fn frame(u: &mut Unstructured<'_>, len: u64, prefix: &str) -> Result<Node> {
    let mut group = Group::default();
    encode(&mut group.attrs, "dataframe", u.choose(&["0.2.0", "0.1.0"])?);
    let key = (*u.choose(&["_index", "index", "name"])?).to_owned();
    group.attrs.insert("_index".to_owned(), Attr::Str(key.clone()));
    let index = match u.int_in_range(0..=29)? {
        0 => line(u, len)?,
        _ => array("string-array", names(u, len, prefix)?),
    };
    group.children.insert(key.clone(), index);
    let index = key;
    let mut order = Vec::new();
    for _ in 0..u.int_in_range(0..=3)? {
        let key = name(u)?;
        if (key == index || order.contains(&key)) && !u.ratio(1, 40)? {
            continue;
        }
        let len = if u.ratio(1, 80)? { len + 1 } else { len };
        group.children.insert(key.clone(), line(u, len)?);
        order.push(key);
    }
    group.attrs.insert("column-order".to_owned(), Attr::StrList(order));
    Ok(Node::Group(group))
}

/// An element of one dimension.
pub(super) fn line(u: &mut Unstructured<'_>, len: u64) -> Result<Node> {
    Ok(match u.int_in_range(0..=5)? {
        0 => array("string-array", texts(u, &[len])?),
        1 => categorical(u, len)?,
        2 | 3 => nullable(u, len)?,
        _ => {
            let dtype = dtype(u)?;
            array("array", numbers(u, dtype, &[len])?)
        }
    })
}

fn categorical(u: &mut Unstructured<'_>, len: u64) -> Result<Node> {
    let mut group = Group::default();
    encode(&mut group.attrs, "categorical", "0.2.0");
    group.attrs.insert("ordered".to_owned(), Attr::Bool(u.arbitrary()?));
    let count = if u.ratio(1, 20)? { 0 } else { u.int_in_range(1..=3)? };
    let categories = match u.int_in_range(0..=3)? {
        0 => {
            let dtype = dtype(u)?;
            array("array", numbers(u, dtype, &[count])?)
        }
        1 if u.ratio(1, 8)? => nullable(u, count)?,
        _ => array("string-array", names(u, count, "k")?),
    };
    group.children.insert("categories".to_owned(), categories);
    let dtype = *u.choose(&[DType::I8, DType::I16, DType::I64, DType::U8])?;
    let most = if u.ratio(1, 20)? { 3 } else { count as i8 - 1 };
    group.children.insert("codes".to_owned(), array("array", small(u, dtype, len, most)?));
    Ok(Node::Group(group))
}

fn nullable(u: &mut Unstructured<'_>, len: u64) -> Result<Node> {
    let mut group = Group::default();
    let (kind, values) = match u.int_in_range(0..=2)? {
        0 => ("nullable-string-array", texts(u, &[len])?),
        1 => ("nullable-boolean", numbers(u, DType::Bool, &[len])?),
        _ => ("nullable-integer", small(u, DType::I64, len, 9)?),
    };
    encode(&mut group.attrs, kind, "0.1.0");
    group.children.insert("values".to_owned(), array("array", values));
    group.children.insert("mask".to_owned(), array("array", numbers(u, DType::Bool, &[len])?));
    Ok(Node::Group(group))
}

pub(super) fn texts(u: &mut Unstructured<'_>, shape: &[u64]) -> Result<Data> {
    let mut out = TextBuf::new();
    for _ in 0..shape.iter().product::<u64>() {
        let text = u.choose(&["x", "y", "", "True", "1", "1.0", "nan", "x2", "x10", "é", "-1"])?;
        out.push(text);
    }
    Ok(Data::Text(Arc::new(MemoryText::new(shape, out))))
}

fn names(u: &mut Unstructured<'_>, count: u64, prefix: &str) -> Result<Data> {
    let mut out = TextBuf::new();
    for number in 0..count {
        let number = if u.ratio(1, 8)? { u.int_in_range(0..=5)? } else { number };
        out.push(&format!("{prefix}{number}"));
    }
    Ok(Data::Text(MemoryText::line(out)))
}
