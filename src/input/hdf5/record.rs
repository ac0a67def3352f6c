//! Compound datasets: `rank_genes_groups` in `uns`, and `obs` and `var` of files from before 0.7.

use hdf5_sys::{h5d, h5p, h5s};

use super::datatype::{Datatype, Member};
use super::library::Id;
use super::values::{Values, push_text, swap_in_place, text_of, volume};
use crate::array::TextBuf;
use crate::base::Dims;
use crate::tree::{FieldValues, RecordArray, RecordField};

/// More than this is not read into memory.
pub(super) const LARGEST_BYTES: usize = 1 << 30;

/// Reads all records of a dataset, field by field.
///
/// # Errors
/// The reason why it cannot be read.
pub(super) fn read(
    dataset: &Id,
    datatype: &Datatype,
    datatype_id: &Id,
    shape: Dims,
) -> Result<RecordArray, String> {
    let Datatype::Record { size_bytes, members } = datatype else {
        return Err("this is no compound".to_owned());
    };
    let count = volume(&shape, *size_bytes, LARGEST_BYTES)
        .ok_or_else(|| format!("records of more than {LARGEST_BYTES} bytes are not read"))?;
    check_members(members)?;
    // SAFETY: plain library calls; the buffer has room for all values of the type.
    let space = Id::new(unsafe { h5d::H5Dget_space(dataset.raw()) })?;
    let values = Values::read(datatype, datatype_id.raw(), &space, count, |buffer| unsafe {
        h5d::H5Dread(
            dataset.raw(),
            datatype_id.raw(),
            h5s::H5S_ALL,
            h5s::H5S_ALL,
            h5p::H5P_DEFAULT,
            buffer,
        )
    })?;
    // SAFETY: the library wrote these values and has not taken them back.
    let mut text = |datatype: &Datatype, value: &[u8], out: &mut TextBuf| {
        push_text(out, unsafe { text_of(datatype, value) }.unwrap_or_default())
    };
    let each = Datatype::memory_bytes;
    let fields = members
        .iter()
        .map(|member| field(member, values.bytes(), *size_bytes, each(&member.datatype), &mut text))
        .collect::<Result<_, _>>()?;
    Ok(RecordArray { shape, fields })
}

/// That all members are of types that are read.
///
/// # Errors
/// One is not.
pub(super) fn check_members(members: &[Member]) -> Result<(), String> {
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
pub(super) fn field(
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
