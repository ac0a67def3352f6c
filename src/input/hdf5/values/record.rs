//! Compound datasets (`rank_genes_groups` in `uns`, and `obs` and `var` of files from before 0.7): their
//! records in memory, cut into fields.

use crate::array::TextBuf;
use crate::input::hdf5::datatype::{Datatype, Member};
use crate::input::hdf5::elements::swap_in_place;
use crate::tree::{FieldValues, RecordField};

/// More than this is not read into memory.
pub const LARGEST_BYTES: usize = 1 << 30;

/// That all members are of types that are read.
///
/// # Errors
/// One is not.
pub fn check_members(members: &[Member]) -> Result<(), String> {
    for member in members {
        if !matches!(
            member.datatype,
            Datatype::Fixed { plain: true, .. } | Datatype::FixedText { .. } | Datatype::VlenText
        ) {
            return Err(format!("field \"{}\" is of a type that is not read", member.name));
        }
    }
    Ok(())
}

/// Appends the text of one value.
type PushText<'a> = dyn FnMut(&Datatype, &[u8], &mut TextBuf) -> Result<(), String> + 'a;

/// The values of one member, each of which takes `each` bytes (of an array: each of its elements).
///
/// # Errors
/// It lies outside of the record, or a text is not UTF-8.
pub fn field(
    member: &Member,
    records: &[u8],
    size_bytes: usize,
    each: usize,
    push: &mut PushText<'_>,
) -> Result<RecordField, String> {
    let inner: u64 = member.inner_shape.iter().product();
    let start = member.offset_bytes;
    let range = inner
        .checked_mul(each as u64)
        .and_then(|len| start.checked_add(usize::try_from(len).ok()?))
        .filter(|&end| end <= size_bytes)
        .map(|end| start..end)
        .ok_or_else(|| format!("field \"{}\" reaches past its record", member.name))?;
    let in_record = |record: &'_ [u8]| -> Vec<u8> { record[range.clone()].to_vec() };
    let values = match &member.datatype {
        Datatype::Fixed { dtype, swap_bytes, .. } => {
            let mut bytes: Vec<u8> =
                records.chunks_exact(size_bytes.max(1)).flat_map(in_record).collect();
            swap_in_place(&mut bytes, *swap_bytes);
            FieldValues::Fixed { dtype: *dtype, bytes }
        }
        datatype => {
            let mut text = TextBuf::new();
            for record in records.chunks_exact(size_bytes.max(1)) {
                for value in record[range.clone()].chunks_exact(each.max(1)) {
                    push(datatype, value, &mut text)
                        .map_err(|why| format!("field \"{}\": {why}", member.name))?;
                }
            }
            FieldValues::Text(text)
        }
    };
    Ok(RecordField { name: member.name.clone(), inner_shape: member.inner_shape.clone(), values })
}
