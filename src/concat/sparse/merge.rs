//! Sparse matrices that are merged, not stacked: joined along an axis, and compared by value.

use std::ops::Range;
use std::sync::Arc;

use crate::anndata::{Sparse, SparseBody, SparseFormat};
use crate::array::{ArraySource, read_vec, zeroed};
use crate::base::{DType, Indexer, ReadError, Region, Silent};
use crate::concat::numpy::{Number, sum};

use super::planned::{
    Axis, Origin, PartSource, PlannedSparse, SparsePart, StackOptions, plan_stack,
};
use super::prepared::{CensusEnv, resolve, transposed};
use super::stored::Compressed;

/// Elements compared at a time.
const BATCH: u64 = 256 << 10;
/// Entries of major slices that are compared at a time.
const BATCH_MAJORS: u64 = 16 << 10;

/// Plans `Reindexer.apply` over rows and then columns, introduced entries zero. The format stays.
///
/// # Errors
/// [`ReadError::Corrupt`] when the shape of the matrix is not the indexers' source.
pub fn plan_reindexed(
    sparse: &Sparse,
    rows: &Indexer,
    columns: &Indexer,
    origin: &Origin,
) -> Result<PlannedSparse, ReadError> {
    let stack = |source, extent, axis, other: &Indexer| {
        let part = SparsePart { source, extent, other: other.clone(), origin: origin.clone() };
        plan_stack(vec![part], axis, &StackOptions::default())
    };
    let source = PartSource::Sparse(sparse.clone());
    let [num_rows, num_columns] = sparse.shape;
    if rows.is_identity() {
        return stack(source, num_rows, Axis::Rows, columns);
    }
    let by_rows = stack(source, num_columns, Axis::Columns, rows)?;
    if columns.is_identity() && columns.source_len() == num_columns {
        return Ok(by_rows);
    }
    let source = PartSource::Planned(Box::new(by_rows));
    stack(source, rows.target_len(), Axis::Rows, columns)
}

/// [`plan_reindexed`], resolved at once for a look at the values; nothing is kept of it.
///
/// # Errors
/// As [`plan_reindexed`], and a matrix that cannot be read or contradicts itself.
pub fn reindexed(
    sparse: &Sparse,
    rows: &Indexer,
    columns: &Indexer,
    origin: &Origin,
) -> Result<Sparse, ReadError> {
    let planned = plan_reindexed(sparse, rows, columns, origin)?;
    resolve(&planned, &CensusEnv::for_one_look(), &Silent)
}

/// The values of a matrix row by row, zeros included, in memory; duplicates add up.
///
/// # Errors
/// A matrix that cannot be read or contradicts itself.
pub fn to_dense(sparse: &Sparse, origin: &Origin) -> Result<Vec<u8>, ReadError> {
    let matrix = Compressed::open(sparse, &Arc::new(origin.clone()))?;
    let unit = sparse.dtype.size_bytes();
    let [num_rows, num_columns] = sparse.shape;
    let mut out = zeroed(num_rows.saturating_mul(num_columns), unit)?;
    let num_columns = num_columns as usize;
    let mut row = Row::new();
    let offsets = matrix.offsets(0..matrix.num_major + 1)?;
    for (major, pair) in offsets.windows(2).enumerate() {
        load_row(&matrix, pair[0]..pair[1], &mut row)?;
        for (minor, value) in &row {
            let at = match sparse.format {
                SparseFormat::Csr => major * num_columns + *minor as usize,
                SparseFormat::Csc => *minor as usize * num_columns + major,
            } * unit;
            out[at..at + unit].copy_from_slice(&value[..unit]);
        }
    }
    Ok(out)
}

/// anndata's `equal_sparse`: the same shape and the same values, whatever the format and dtype;
/// where they differ both are NaN.
///
/// # Errors
/// A matrix that cannot be read or contradicts itself.
pub fn equal(
    (a, a_origin): (&Sparse, &Origin),
    (b, b_origin): (&Sparse, &Origin),
) -> Result<bool, ReadError> {
    if a.shape != b.shape {
        return Ok(false);
    }
    let a_matrix = Compressed::open(a, &Arc::new(a_origin.clone()))?;
    let mut b_matrix = Compressed::open(b, &Arc::new(b_origin.clone()))?;
    if a.format == b.format && a.dtype == b.dtype && same_arrays(a, b)? {
        return Ok(true);
    }
    if a.format != b.format {
        let env = CensusEnv::for_one_look();
        b_matrix = transposed(&b_matrix, env.memory_bytes, &env.spill_dir, &Silent)?;
    }
    let mut comparison = Comparison::default();
    let mut start = 0;
    while start < a_matrix.num_major {
        let end = (start + BATCH_MAJORS).min(a_matrix.num_major);
        if !comparison.agrees(&a_matrix, &b_matrix, start..end)? {
            return Ok(false);
        }
        start = end;
    }
    Ok(true)
}

/// True when the stored arrays are the same, byte by byte.
fn same_arrays(a: &Sparse, b: &Sparse) -> Result<bool, ReadError> {
    let (
        SparseBody::Stored { data, indices, indptr },
        SparseBody::Stored { data: b_data, indices: b_indices, indptr: b_indptr },
    ) = (&a.body, &b.body)
    else {
        return Ok(false);
    };
    for (one, other) in [(indptr, b_indptr), (indices, b_indices), (data, b_data)] {
        if !same_bytes(one.as_ref(), other.as_ref())? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same_bytes(a: &dyn ArraySource, b: &dyn ArraySource) -> Result<bool, ReadError> {
    if a.dtype() != b.dtype() || a.shape() != b.shape() || a.shape().len() != 1 {
        return Ok(false);
    }
    let len = a.shape()[0];
    let mut start = 0;
    while start < len {
        let region = Region::line(start..(start + BATCH).min(len));
        if read_vec(a, &region)? != read_vec(b, &region)? {
            return Ok(false);
        }
        start += BATCH;
    }
    Ok(true)
}

/// Entries of one major slice, sorted, duplicates summed: minor index and the bytes of the value.
type Row = Vec<(u32, [u8; 16])>;

#[derive(Default)]
struct Comparison {
    rows: [Row; 2],
    numbers: [Vec<(u32, Number)>; 2],
}

impl Comparison {
    /// Compares a band of major slices.
    fn agrees(
        &mut self,
        a: &Compressed,
        b: &Compressed,
        band: Range<u64>,
    ) -> Result<bool, ReadError> {
        let a_offsets = a.offsets(band.start..band.end + 1)?;
        let b_offsets = b.offsets(band.start..band.end + 1)?;
        let [a_row, b_row] = &mut self.rows;
        let [a_numbers, b_numbers] = &mut self.numbers;
        for (a_pair, b_pair) in a_offsets.windows(2).zip(b_offsets.windows(2)) {
            load_row(a, a_pair[0]..a_pair[1], a_row)?;
            load_row(b, b_pair[0]..b_pair[1], b_row)?;
            numbers_of(a_row, a.dtype(), a_numbers);
            numbers_of(b_row, b.dtype(), b_numbers);
            let same = |(a, b): (&(u32, Number), &(u32, Number))| a.0 == b.0 && a.1.same(b.1);
            if a_numbers.len() != b_numbers.len()
                || !a_numbers.iter().zip(b_numbers.iter()).all(same)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The entries that are not zero.
fn numbers_of(row: &Row, dtype: DType, out: &mut Vec<(u32, Number)>) {
    let numbers = row.iter().map(|(minor, value)| (*minor, Number::of(dtype, value)));
    out.clear();
    out.extend(numbers.filter(|&(_, number)| number != Number::Int(0)));
}

fn load_row(matrix: &Compressed, entries: Range<u64>, row: &mut Row) -> Result<(), ReadError> {
    row.clear();
    if entries.is_empty() {
        return Ok(());
    }
    let region = Region::line(entries.clone());
    let (mut bytes, mut minors) = (Vec::new(), Vec::new());
    matrix.minors(entries, &mut bytes, &mut minors)?;
    let dtype = matrix.dtype();
    let unit = dtype.size_bytes();
    let values = read_vec(matrix.data.as_ref(), &region)?;
    row.extend(minors.iter().zip(values.chunks_exact(unit)).map(|(&minor, value)| {
        let mut wide = [0; 16];
        wide[..unit].copy_from_slice(value);
        (minor, wide)
    }));
    row.sort_by_key(|&(minor, _)| minor);
    row.dedup_by(|next, kept| {
        let duplicate = next.0 == kept.0;
        if duplicate {
            kept.1 = sum(dtype, &kept.1, &next.1);
        }
        duplicate
    });
    Ok(())
}
