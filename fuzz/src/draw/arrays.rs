//! Numbers, sparse matrices, records and awkward arrays.

use std::sync::Arc;

use anncat::array::{MemoryArray, TextBuf};
use anncat::base::DType;
use anncat::tree::{Attr, Data, FieldValues, Group, Node, RecordArray, RecordField};
use arbitrary::{Result, Unstructured};

use super::columns::line;
use super::{array, encode, name};

pub(super) fn dtype(u: &mut Unstructured<'_>) -> Result<DType> {
    use DType::{Bool, C64, C128, F16, F32, F64, I8, I16, I32, I64, U8, U16, U32, U64};
    u.choose(&[F32, I32, I64, F64, Bool, U8, I8, I16, U16, U32, U64, F16, C64, C128]).copied()
}

pub(super) fn numbers(u: &mut Unstructured<'_>, dtype: DType, shape: &[u64]) -> Result<Data> {
    let len = shape.iter().product::<u64>() as usize * dtype.size_bytes();
    let mut bytes = vec![0; len];
    let drawn = u.bytes(len.min(u.len()))?;
    bytes[..drawn.len()].copy_from_slice(drawn);
    if dtype == DType::Bool {
        bytes.iter_mut().for_each(|byte| *byte &= 1);
    }
    Ok(Data::Fixed(MemoryArray::shared(dtype, shape, bytes)))
}

pub(super) fn small(u: &mut Unstructured<'_>, dtype: DType, count: u64, most: i8) -> Result<Data> {
    let each = dtype.size_bytes();
    let mut bytes = Vec::new();
    for _ in 0..count {
        let value = i64::from(u.int_in_range(-1..=most)?);
        let value = value.max(if u.ratio(1, 12)? { -1 } else { 0 });
        bytes.extend_from_slice(&value.to_le_bytes()[..each]);
    }
    Ok(Data::Fixed(MemoryArray::shared(dtype, &[count], bytes)))
}

pub(super) fn sparse(u: &mut Unstructured<'_>, shape: &[u64]) -> Result<Node> {
    let &[rows, columns] = shape else { return line(u, shape.iter().product()) };
    let is_csr = u.arbitrary::<bool>()?;
    let (major, minor) = if is_csr { (rows, columns) } else { (columns, rows) };
    let mut group = Group::default();
    encode(&mut group.attrs, if is_csr { "csr_matrix" } else { "csc_matrix" }, "0.1.0");
    let extents = Attr::IntList(vec![rows as i64, columns as i64]);
    group.attrs.insert("shape".to_owned(), extents);
    let mut offsets = vec![0_i64];
    for _ in 0..major {
        let last = offsets.last().copied().unwrap_or(0);
        let least = if u.ratio(1, 40)? { -1 } else { 0 };
        offsets.push(last + u.int_in_range(least..=2)?);
    }
    let nnz = offsets.last().copied().unwrap_or(0).max(0) as u64;
    let width = *u.choose(&[DType::I32, DType::I64])?;
    let bytes: Vec<u8> = offsets
        .iter()
        .flat_map(|offset| offset.to_le_bytes()[..width.size_bytes()].to_vec())
        .collect();
    let offsets = Data::Fixed(MemoryArray::shared(width, &[major + 1], bytes));
    group.children.insert("indptr".to_owned(), array("array", offsets));
    let most = i8::try_from(minor).unwrap_or(i8::MAX).saturating_sub(1).max(0);
    let width = *u.choose(&[DType::I32, DType::I64])?;
    group.children.insert("indices".to_owned(), array("array", small(u, width, nnz, most)?));
    let dtype = dtype(u)?;
    group.children.insert("data".to_owned(), array("array", numbers(u, dtype, &[nnz])?));
    Ok(Node::Group(group))
}

pub(super) fn records(u: &mut Unstructured<'_>, len: u64) -> Result<Node> {
    let dtype = dtype(u)?;
    let Data::Fixed(values) = numbers(u, dtype, &[len])? else { return line(u, len) };
    let bytes = anncat::array::read_all(values.as_ref()).unwrap_or_default();
    let mut fields = vec![RecordField {
        name: "n".to_owned(),
        inner_shape: Vec::new().into(),
        values: FieldValues::Fixed { dtype, bytes },
    }];
    if u.arbitrary()? {
        let text = (0..len).map(|_| "t").collect::<TextBuf>();
        fields.push(RecordField {
            name: name(u)?,
            inner_shape: Vec::new().into(),
            values: FieldValues::Text(text),
        });
    }
    Ok(array("rec-array", Data::Record(Arc::new(RecordArray { shape: vec![len].into(), fields }))))
}

pub(super) fn awkward(u: &mut Unstructured<'_>, len: u64) -> Result<Node> {
    let mut group = Group::default();
    encode(&mut group.attrs, "awkward-array", "0.1.0");
    let form = *u.choose(&[
        r#"{"class":"ListOffsetArray","offsets":"i64","content":{"class":"NumpyArray","primitive":"int64","form_key":"node1"},"form_key":"node0"}"#,
        r#"{"class":"NumpyArray","primitive":"float32","form_key":"node0"}"#,
        r#"{"class":"IndexedOptionArray","index":"i64","content":{"class":"NumpyArray","primitive":"int64","form_key":"node1"},"form_key":"node0"}"#,
    ])?;
    group.attrs.insert("form".to_owned(), Attr::Str(form.to_owned()));
    group.attrs.insert("length".to_owned(), Attr::Int(len as i64));
    for key in ["node0-offsets", "node0-data", "node0-index", "node1-data"] {
        if u.ratio(3, 4)? {
            let dtype = *u.choose(&[DType::I64, DType::F32, DType::U8])?;
            let count = len + u.int_in_range(0..=2)?;
            group.children.insert(key.to_owned(), array("array", small(u, dtype, count, 4)?));
        }
    }
    Ok(Node::Group(group))
}
