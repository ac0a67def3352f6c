//! Record arrays of all inputs, one after another, as far as nothing has to be filled or cut.

use crate::anndata::Elem;
use crate::array::{TextBuf, cast::cast_bytes};
use crate::concat::numpy::result_type;
use crate::concat::sparse::Axis;
use crate::tree::{FieldValues, RecordArray, RecordField};

use super::share::ArrayShare;

/// The shares of an element that is a record array in every input, of the same fields in the same
/// order. Numbers take the common type of all inputs, field by field (`numpy.concatenate`). `None`
/// where the inputs are unlike.
pub(super) fn stack_records(shares: &[ArrayShare<'_>], axis: Axis) -> Option<RecordArray> {
    let all: Vec<&RecordArray> = shares
        .iter()
        .map(|share| match share.elem {
            Some(Elem::Record(records)) if axis == Axis::Rows && share.other.is_identity() => {
                Some(&**records)
            }
            _ => None,
        })
        .collect::<Option<_>>()?;
    let (first, others) = all.split_first()?;
    let is_like_first = |records: &&RecordArray| {
        let mut pairs = records.fields.iter().zip(&first.fields);
        records.shape.get(1..) == first.shape.get(1..)
            && records.fields.len() == first.fields.len()
            && pairs.all(|(a, b)| a.name == b.name && a.inner_shape == b.inner_shape)
    };
    if !others.iter().all(is_like_first) {
        return None;
    }
    let fields = (0..first.fields.len())
        .map(|n| {
            let values = all.iter().map(|records| &records.fields[n].values);
            let RecordField { name, inner_shape, .. } = &first.fields[n];
            Some(RecordField {
                name: name.clone(),
                inner_shape: inner_shape.clone(),
                values: stack_values(&values.collect::<Vec<_>>())?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let num_rows = all.iter().map(|records| records.shape.first()).sum::<Option<u64>>()?;
    let mut shape = first.shape.clone();
    *shape.first_mut()? = num_rows;
    Some(RecordArray { shape, fields })
}

/// The values of one field.
fn stack_values(parts: &[&FieldValues]) -> Option<FieldValues> {
    if parts.iter().all(|part| matches!(part, FieldValues::Text(_))) {
        let mut all = TextBuf::new();
        for part in parts {
            if let FieldValues::Text(text) = part {
                (0..text.len()).for_each(|i| all.push(text.get(i)));
            }
        }
        return Some(FieldValues::Text(all));
    }
    let numbers = parts
        .iter()
        .map(|part| match part {
            FieldValues::Fixed { dtype, bytes } => Some((*dtype, bytes)),
            FieldValues::Text(_) => None,
        })
        .collect::<Option<Vec<_>>>()?;
    let dtype = result_type(numbers.iter().map(|(dtype, _)| *dtype))?;
    let mut all = Vec::new();
    for (from, bytes) in numbers {
        let start = all.len();
        all.resize(start + bytes.len() / from.size_bytes() * dtype.size_bytes(), 0);
        cast_bytes(from, bytes, dtype, &mut all[start..]);
    }
    Some(FieldValues::Fixed { dtype, bytes: all })
}
