//! Record arrays as numpy's structured dtypes. Fields are scalars: zarr has no type for others.

use serde_json::{Value, json};

use crate::array::TextBuf;
use crate::base::DType;
use crate::tree::{FieldValues, RecordArray, RecordField};

/// A field's type in a packed record, and its values.
enum Layout<'a> {
    Fixed {
        dtype: DType,
        bytes: &'a [u8],
    },
    /// Strings of `chars` UTF-32 code points each.
    Text {
        chars: usize,
        text: &'a TextBuf,
    },
}

impl<'a> Layout<'a> {
    fn of(field: &'a RecordField) -> Self {
        match &field.values {
            FieldValues::Fixed { dtype, bytes } => Self::Fixed { dtype: *dtype, bytes },
            FieldValues::Text(text) => Self::Text { chars: longest(text), text },
        }
    }

    const fn len_bytes(&self) -> usize {
        match self {
            Self::Fixed { dtype, .. } => dtype.size_bytes(),
            Self::Text { chars, .. } => 4 * *chars,
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
        json!([field.name, typestr])
    });
    Value::Array(fields.collect())
}

/// The data type as zarr-python 3.1 writes it in v3.
pub fn v3_data_type(records: &RecordArray) -> Value {
    let fields = records.fields.iter().map(|field| {
        let data_type = match Layout::of(field) {
            Layout::Fixed { dtype, .. } => json!(dtype.name()),
            Layout::Text { chars, .. } => json!({
                "name": "fixed_length_utf32",
                "configuration": { "length_bytes": 4 * chars },
            }),
        };
        json!([field.name, data_type])
    });
    let fields: Vec<Value> = fields.collect();
    json!({ "name": "structured", "configuration": { "fields": fields } })
}

/// All records, packed, in order; nothing when a field holds too few values.
pub fn encode(records: &RecordArray) -> Option<Vec<u8>> {
    let num_records = records.shape.iter().product::<u64>() as usize;
    let layouts: Vec<Layout<'_>> = records.fields.iter().map(Layout::of).collect();
    let mut out = Vec::with_capacity(num_records * record_bytes(records));
    for record in 0..num_records {
        for layout in &layouts {
            match layout {
                Layout::Fixed { dtype, bytes } => {
                    let len = dtype.size_bytes();
                    out.extend_from_slice(bytes.get(record * len..(record + 1) * len)?);
                }
                Layout::Text { chars, text } => {
                    if record >= text.len() {
                        return None;
                    }
                    let end = out.len() + 4 * chars;
                    for c in text.get(record).chars() {
                        out.extend_from_slice(&u32::from(c).to_le_bytes());
                    }
                    out.resize(end, 0);
                }
            }
        }
    }
    Some(out)
}
