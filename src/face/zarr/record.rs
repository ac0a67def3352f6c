//! Record arrays as numpy's structured dtypes.

use serde_json::{Value, json};

use crate::array::TextBuf;
use crate::base::DType;
use crate::tree::{FieldValues, RecordArray, RecordField};

/// A field's place and type in a packed record.
enum Layout {
    Fixed {
        dtype: DType,
        num: usize,
    },
    /// `num` strings of `chars` UTF-32 code points each.
    Text {
        chars: usize,
        num: usize,
    },
}

impl Layout {
    fn of(field: &RecordField) -> Self {
        let num = field.inner_shape.iter().product::<u64>() as usize;
        match &field.values {
            FieldValues::Fixed { dtype, .. } => Self::Fixed { dtype: *dtype, num },
            FieldValues::Text(text) => Self::Text { chars: longest(text), num },
        }
    }

    const fn len_bytes(&self) -> usize {
        match self {
            Self::Fixed { dtype, num } => dtype.size_bytes() * *num,
            Self::Text { chars, num } => 4 * *chars * *num,
        }
    }
}

/// Code points of the longest string; at least one, as numpy has no empty string type in records.
fn longest(text: &TextBuf) -> usize {
    (0..text.len()).map(|i| text.get(i).chars().count()).max().unwrap_or(0).max(1)
}

/// Bytes of one record.
pub fn record_bytes(records: &RecordArray) -> usize {
    records.fields.iter().map(|field| Layout::of(field).len_bytes()).sum()
}

/// The dtype as zarr v2 writes it: `[["name", "<U3"], ["score", "<f4"]]`.
pub fn v2_dtype(records: &RecordArray) -> Value {
    let fields = records.fields.iter().map(|field| {
        let typestr = match Layout::of(field) {
            Layout::Fixed { dtype, .. } => dtype.typestr().to_owned(),
            Layout::Text { chars, .. } => format!("<U{chars}"),
        };
        if field.inner_shape.is_empty() {
            json!([field.name, typestr])
        } else {
            json!([field.name, typestr, field.inner_shape.to_vec()])
        }
    });
    Value::Array(fields.collect())
}

/// The data type as zarr-python 3.1 writes it in v3, or nothing for vectors in records, which it has
/// no name for.
pub fn v3_data_type(records: &RecordArray) -> Option<Value> {
    let fields: Option<Vec<Value>> = records
        .fields
        .iter()
        .map(|field| {
            let data_type = match Layout::of(field) {
                _ if !field.inner_shape.is_empty() => return None,
                Layout::Fixed { dtype, .. } => json!(dtype.name()),
                Layout::Text { chars, .. } => json!({
                    "name": "fixed_length_utf32",
                    "configuration": { "length_bytes": 4 * chars },
                }),
            };
            Some(json!([field.name, data_type]))
        })
        .collect();
    Some(json!({ "name": "structured", "configuration": { "fields": fields? } }))
}

/// All records, packed, in order; nothing when a field holds too few values.
pub fn encode(records: &RecordArray) -> Option<Vec<u8>> {
    let num_records = records.shape.iter().product::<u64>() as usize;
    let layouts: Vec<Layout> = records.fields.iter().map(Layout::of).collect();
    let mut out = Vec::with_capacity(num_records * record_bytes(records));
    for record in 0..num_records {
        for (field, layout) in records.fields.iter().zip(&layouts) {
            match (&field.values, layout) {
                (FieldValues::Fixed { bytes, .. }, _) => {
                    let len = layout.len_bytes();
                    out.extend_from_slice(bytes.get(record * len..(record + 1) * len)?);
                }
                (FieldValues::Text(text), Layout::Text { chars, num }) => {
                    for i in record * num..(record + 1) * num {
                        if i >= text.len() {
                            return None;
                        }
                        let end = out.len() + 4 * chars;
                        for c in text.get(i).chars() {
                            out.extend_from_slice(&u32::from(c).to_le_bytes());
                        }
                        out.resize(end, 0);
                    }
                }
                (FieldValues::Text(_), Layout::Fixed { .. }) => return None,
            }
        }
    }
    Some(out)
}
