//! Files of anndata 0.4 to 0.6: tables as arrays of records, categories in `uns`, columns that
//! belong together in `obsm`.

use super::categorical::{self, scalar_as_line};
use super::error::{DecodeError, Place};
use super::frame::as_column;
use super::{AnnData, Elem, Frame, Mapping, Scalar, names, plain};
use crate::array::{MemoryArray, SharedArray, cast, read_all, zeroed};
use crate::tree::RecordArray;

/// A table stored as an array of records; the first field is the index and names it
/// (`read_dataframe_legacy`).
pub(super) fn frame(records: &RecordArray, at: &Place<'_>) -> Result<Frame, DecodeError> {
    let &[len] = records.shape.as_slice() else {
        return Err(at.fail("a table of records must have one dimension"));
    };
    let mut columns = mapping(records, at)?;
    let Some((index_name, index)) = columns.shift_remove_index(0) else {
        return Err(at.fail("a table of records needs a field for its index"));
    };
    let index = Box::new(as_column(index, len, &at.child(&index_name))?);
    let columns = columns
        .into_iter()
        .map(|(key, column)| {
            let column = as_column(column, len, &at.child(&key))?;
            Ok((key, column))
        })
        .collect::<Result<_, DecodeError>>()?;
    Ok(Frame { len, index_name: Some(index_name), index, columns })
}

/// Fields of records as arrays by name.
pub(super) fn mapping(records: &RecordArray, at: &Place<'_>) -> Result<Mapping, DecodeError> {
    records
        .fields
        .iter()
        .enumerate()
        .map(|(position, field)| {
            let elem = plain::field(records, position)
                .ok_or_else(|| at.child(&field.name).fail("the field holds too few values"))?;
            Ok((field.name.clone(), elem))
        })
        .collect()
}

/// Keys of the index in a table that is stored as a dict.
pub(super) const INDEX_KEYS: [&str; 4] = ["obs_names", "row_names", "var_names", "col_names"];

/// A table stored as a dict of columns (`_gen_dataframe_mapping`).
pub(super) fn frame_of_dict(mut columns: Mapping, at: &Place<'_>) -> Result<Frame, DecodeError> {
    let index =
        INDEX_KEYS.into_iter().find_map(|key| columns.shift_remove(key).map(|index| (key, index)));
    let first = index.as_ref().map(|(_, index)| index).or_else(|| columns.values().next());
    let len = first.and_then(|elem| match elem {
        Elem::Dense(array) => array.shape().first().copied(),
        Elem::Text(text) => text.shape().first().copied(),
        Elem::Categorical(column) => column.codes.shape().first().copied(),
        Elem::Nullable(column) => column.mask.shape().first().copied(),
        _ => None,
    });
    let len = len.ok_or_else(|| at.fail("expected a table, found a dict without columns"))?;
    let mut frame = names::unnamed_frame(len);
    if let Some((key, index)) = index {
        frame.index = Box::new(as_column(index, len, &at.child(key))?);
    }
    for (key, column) in columns {
        let column = as_column(column, len, &at.child(&key))?;
        frame.columns.insert(key, column);
    }
    Ok(frame)
}

/// anndata's `_clean_uns`: `uns["louvain_categories"]` holds the categories of the column
/// `louvain`, whose values are codes. Which table is meant shows only in whether all codes fit.
pub(super) fn clean_uns(adata: &mut AnnData, at: &Place<'_>) -> Result<(), DecodeError> {
    let keys: Vec<String> =
        adata.uns.keys().filter(|key| key.ends_with("_categories")).cloned().collect();
    for key in keys {
        let name = key.replace("_categories", "");
        let categories = match adata.uns.get(&key) {
            // A single category was stored as a scalar.
            Some(Elem::Scalar(scalar)) => scalar_as_line(scalar),
            Some(elem @ (Elem::Text(_) | Elem::Dense(_))) => elem.clone(),
            _ => continue,
        };
        let num_categories = match &categories {
            Elem::Text(text) if text.shape().len() == 1 => text.shape()[0],
            Elem::Dense(array) if array.shape().len() == 1 => array.shape()[0],
            _ => continue,
        };
        let mut used = false;
        for (table, label) in [(&mut adata.obs, "obs"), (&mut adata.var, "var")] {
            let Some(Elem::Dense(codes)) = table.columns.get(&name) else { continue };
            if !codes.dtype().is_integer() || !fit(codes, num_categories)? {
                continue;
            }
            let column = categorical::from_codes(
                Elem::Dense(codes.clone()),
                categories.clone(),
                false,
                &at.child(label).child(&name),
            )?;
            table.columns.insert(name.clone(), Elem::Categorical(column));
            used = true;
        }
        if used {
            adata.uns.shift_remove(&key);
        }
    }
    Ok(())
}

fn fit(codes: &SharedArray, num_categories: u64) -> Result<bool, DecodeError> {
    let bytes = read_all(codes.as_ref())?;
    let largest = cast::read_i64(codes.dtype(), &bytes).max();
    Ok(largest.is_none_or(|code| code < i64::try_from(num_categories).unwrap_or(i64::MAX)))
}

/// `AnnData._clean_up_old_format`: `uns["obs_keys_multicol"]` lists prefixes of columns that belong
/// together in `obsm`.
pub(super) fn split_multicolumns(adata: &mut AnnData, at: &Place<'_>) -> Result<(), DecodeError> {
    let candidates = [
        &["obs_keys_multicol", "smp_keys_multicol", "_obs_keys_multicol", "_smp_keys_multicol"][..],
        &["var_keys_multicol", "_var_keys_multicol"][..],
    ];
    for (axis, keys) in candidates.into_iter().enumerate() {
        let Some(list) = keys.iter().find_map(|key| adata.uns.shift_remove(*key)) else { continue };
        let prefixes = match list {
            Elem::Text(text) => crate::array::read_all_text(text.as_ref())?,
            Elem::Scalar(Scalar::Text(prefix)) => std::iter::once(prefix.as_str()).collect(),
            _ => continue,
        };
        let (frame, mapping) = match axis {
            0 => (&mut adata.obs, &mut adata.obsm),
            _ => (&mut adata.var, &mut adata.varm),
        };
        for prefix in prefixes.iter() {
            let matrix = take_columns(frame, prefix, &at.child("uns"))?;
            mapping.insert(prefix.to_owned(), Elem::Dense(matrix));
        }
    }
    Ok(())
}

/// Takes the columns whose names begin with `prefix` out of a table, as one matrix of floats.
fn take_columns(
    frame: &mut Frame,
    prefix: &str,
    at: &Place<'_>,
) -> Result<SharedArray, DecodeError> {
    use crate::base::DType;
    let keys: Vec<String> =
        frame.columns.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
    let mut columns = Vec::with_capacity(keys.len());
    for key in &keys {
        match frame.columns.shift_remove(key) {
            Some(Elem::Dense(column)) => columns.push(column),
            _ => return Err(at.fail(format!("the multi-column {prefix:?} is not numeric"))),
        }
    }
    let shared = columns.first().map(|column| column.dtype());
    let dtype = shared
        .filter(|dtype| columns.iter().all(|column| column.dtype() == *dtype))
        .unwrap_or(DType::F64);
    let width = columns.len() * dtype.size_bytes();
    let mut bytes = zeroed(frame.len, width)?;
    for (position, column) in columns.into_iter().enumerate() {
        let values = read_all(crate::array::Cast::shared(column, dtype).as_ref())?;
        let element = dtype.size_bytes();
        for (row, value) in bytes.chunks_exact_mut(width.max(1)).zip(values.chunks_exact(element)) {
            row[position * element..(position + 1) * element].copy_from_slice(value);
        }
    }
    Ok(MemoryArray::shared(dtype, &[frame.len, keys.len() as u64], bytes))
}
