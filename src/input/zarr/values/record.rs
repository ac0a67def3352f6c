//! Structured arrays, read into memory: one buffer a field.

use super::chunks::Chunks;
use super::elements::Elements;
use super::text::push_padded;
use crate::array::TextBuf;
use crate::base::Region;
use crate::input::zarr::encoding::{Element, Field, to_little_endian, zeroed};
use crate::tree::{FieldValues, RecordArray, RecordField};

/// Structured arrays are small things (old frames, ranked genes); larger ones are not read.
const MAX_RECORD_BYTES: u64 = 4 << 30;

/// Reads all records of an array whose elements are [`Element::Record`].
pub fn read(chunks: Chunks) -> Result<RecordArray, String> {
    let Element::Record { fields, size_bytes } = chunks.header.element.clone() else {
        return Err("the elements are not records".to_owned());
    };
    let shape = chunks.header.shape.clone();
    let len_bytes = shape.iter().product::<u64>().saturating_mul(size_bytes as u64);
    if len_bytes > MAX_RECORD_BYTES {
        return Err(format!("structured arrays of {len_bytes} bytes are not read"));
    }
    let mut bytes = zeroed(len_bytes as usize)?;
    let elements = Elements::new(chunks);
    elements.read_into(&Region::whole(&shape), &mut bytes).map_err(|error| error.to_string())?;
    let fields = fields.iter().map(|field| split_field(field, &bytes, size_bytes));
    Ok(RecordArray { shape, fields: fields.collect::<Result<_, _>>()? })
}

fn split_field(field: &Field, bytes: &[u8], record_bytes: usize) -> Result<RecordField, String> {
    let value_bytes = field.element.size_bytes().unwrap_or(0);
    let field_bytes = value_bytes * field.num_values();
    let parts = bytes
        .chunks_exact(record_bytes.max(1))
        .map(|record| &record[field.offset..field.offset + field_bytes]);
    let values = match field.element {
        Element::Number { dtype, .. } => {
            let mut bytes = parts.flatten().copied().collect::<Vec<u8>>();
            to_little_endian(&field.element, &mut bytes);
            FieldValues::Fixed { dtype, bytes }
        }
        Element::FixedText(kind) => {
            let mut text = TextBuf::new();
            for part in parts {
                // Text of no width still has its values.
                for number in 0..field.num_values() {
                    let value = &part[number * value_bytes..(number + 1) * value_bytes];
                    push_padded(kind, value, &mut text)?;
                }
            }
            FieldValues::Text(text)
        }
        Element::VlenText | Element::Record { .. } => {
            return Err(format!("the field \"{}\" is of a kind that is not read", field.name));
        }
    };
    Ok(RecordField { name: field.name.clone(), inner_shape: field.inner_shape.clone(), values })
}
