//! Record arrays (numpy structured arrays): compounds, text fields as variable-length UTF-8.

use hdf5::types::{CompoundField, CompoundType, TypeDescriptor};
use hdf5::{Dataset, Datatype, Group};

use super::raw;
use super::text::{TextError, terminated_pointers};
use super::types::{descriptor, extents};
use crate::tree::{FieldValues, RecordArray, RecordField};

/// Bytes of a pointer to a string in memory, and so of a text field in a record.
const POINTER_BYTES: usize = size_of::<*const std::ffi::c_char>();

/// Creates the dataset and writes all records.
pub(super) fn write_records(
    group: &Group,
    name: &str,
    records: &RecordArray,
) -> Result<Dataset, TextError> {
    let mut fields = Vec::with_capacity(records.fields.len());
    let mut record_bytes = 0;
    for (index, field) in records.fields.iter().enumerate() {
        let ty = field.inner_shape.iter().rev().fold(element_type(field), |ty, &extent| {
            TypeDescriptor::FixedArray(Box::new(ty), extent as usize)
        });
        fields.push(CompoundField { name: field.name.clone(), ty, offset: record_bytes, index });
        record_bytes += field_bytes(field);
    }
    let compound = TypeDescriptor::Compound(CompoundType { fields, size: record_bytes });
    // Without padding between fields, which anndata's reader takes for fields.
    let dataset = group
        .new_dataset_builder()
        .packed(true)
        .empty_as(&compound)
        .shape(extents(&records.shape))
        .create(name)?;
    let num_records: u64 = records.shape.iter().product();
    if num_records == 0 {
        return Ok(dataset);
    }
    let mut memory = vec![0_u8; num_records as usize * record_bytes];
    // Keeps the strings that `memory` points to.
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let mut offset = 0;
    for field in &records.fields {
        let value_bytes = field_bytes(field);
        let column = match &field.values {
            FieldValues::Fixed { bytes, .. } => std::borrow::Cow::Borrowed(bytes.as_slice()),
            FieldValues::Text(strings) => {
                let mut terminated = Vec::new();
                let pointers = terminated_pointers(strings, &mut terminated)?;
                texts.push(terminated);
                pointers.iter().flat_map(|&pointer| (pointer as usize).to_ne_bytes()).collect()
            }
        };
        let values = column.chunks_exact(value_bytes.max(1));
        for (record, value) in memory.chunks_exact_mut(record_bytes).zip(values) {
            record[offset..offset + value_bytes].copy_from_slice(value);
        }
        offset += value_bytes;
    }
    let memory_type = Datatype::from_descriptor(&compound)?;
    // SAFETY: `memory` holds every record in this layout; its pointers lead into `texts`.
    unsafe { raw::write_all(&dataset, &memory_type, memory.as_ptr().cast())? };
    drop(texts);
    Ok(dataset)
}

fn element_type(field: &RecordField) -> TypeDescriptor {
    match &field.values {
        FieldValues::Fixed { dtype, .. } => descriptor(*dtype),
        FieldValues::Text(_) => TypeDescriptor::VarLenUnicode,
    }
}

/// Bytes of one record's value.
fn field_bytes(field: &RecordField) -> usize {
    let element_bytes = match &field.values {
        FieldValues::Fixed { dtype, .. } => dtype.size_bytes(),
        FieldValues::Text(_) => POINTER_BYTES,
    };
    element_bytes * field.inner_shape.iter().product::<u64>() as usize
}
