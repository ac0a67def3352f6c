//! Sparse matrices that are merged, not stacked: joined along an axis, and compared by value.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::convert::transposed;
use super::ints::load_minors;
use super::source::Compressed;
use super::{Axis, CensusEnv, Origin, PartSource, SparsePart, StackOptions, plan_stack, resolve};
use crate::anndata::{Sparse, SparseBody};
use crate::array::{ArraySource, cast_bytes, read_vec};
use crate::base::dtype::Kind;
use crate::base::{DType, Indexer, Progress, ReadError, Region, Silent};

/// Elements compared at a time.
const BATCH: u64 = 256 << 10;
/// Entries of major slices that are compared at a time.
const BATCH_MAJORS: u64 = 16 << 10;

/// `Reindexer.apply(sparse, axis=axis)` with introduced entries zero. The result is lazy and keeps
/// the format; where entries are dropped from within major slices they are counted now.
///
/// # Errors
/// A matrix that cannot be read, contradicts itself, or does not have the indexer's source length.
pub fn reindex(
    sparse: &Sparse,
    axis: Axis,
    indexer: &Indexer,
    origin: &Origin,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Sparse, ReadError> {
    if indexer.is_identity() && sparse.shape[axis.index()] == indexer.source_len() {
        return Ok(sparse.clone());
    }
    let stack_axis = match axis {
        Axis::Rows => Axis::Columns,
        Axis::Columns => Axis::Rows,
    };
    let part = SparsePart {
        source: PartSource::Sparse(sparse.clone()),
        extent: sparse.shape[stack_axis.index()],
        other: indexer.clone(),
        origin: origin.clone(),
    };
    resolve(&plan_stack(vec![part], stack_axis, &StackOptions::default())?, env, progress)
}

/// anndata's `equal_sparse`: the same shape and the same values, whatever the format and dtype;
/// where they differ both are NaN.
///
/// # Errors
/// A matrix that cannot be read or contradicts itself.
pub fn equal(a: &Sparse, b: &Sparse, env: &CensusEnv) -> Result<bool, ReadError> {
    if a.shape != b.shape {
        return Ok(false);
    }
    let origin = Arc::new(Origin {
        file: Arc::new(PathBuf::new()),
        element: String::new(),
        identity: "".into(),
    });
    if a.format == b.format && a.dtype == b.dtype && same_arrays(a, b)? {
        // Checked all the same: equal nonsense is no matrix.
        return Compressed::open(a, &origin).map(|_| true);
    }
    let a_matrix = Compressed::open(a, &origin)?;
    let mut b_matrix = Compressed::open(b, &origin)?;
    if a.format != b.format {
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

/// A value in a form that compares exactly: integers as such, the rest as (real, imaginary).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Integer(i128),
    Complex(f64, f64),
}

impl Value {
    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Self::Integer(a.wrapping_add(b)),
            (Self::Complex(a, b), Self::Complex(c, d)) => Self::Complex(a + c, b + d),
            (value, _) => value,
        }
    }

    fn is_zero(self) -> bool {
        matches!(self, Self::Integer(0)) || self == Self::Complex(0.0, 0.0)
    }

    const fn is_nan(self) -> bool {
        matches!(self, Self::Complex(a, b) if a.is_nan() || b.is_nan())
    }
}

/// Entries of one major slice, sorted, duplicates summed, zeros left out.
type Row = Vec<(u32, Value)>;

#[derive(Default)]
struct Comparison {
    rows: [Row; 2],
}

impl Comparison {
    /// Compares a band of major slices.
    fn agrees(
        &mut self,
        a: &Compressed,
        b: &Compressed,
        band: Range<u64>,
    ) -> Result<bool, ReadError> {
        let common = a.dtype().promote(b.dtype());
        let [a_offsets, b_offsets] =
            [a.offsets(band.start..band.end + 1)?, b.offsets(band.start..band.end + 1)?];
        let [row_a, row_b] = &mut self.rows;
        for (a_pair, b_pair) in a_offsets.windows(2).zip(b_offsets.windows(2)) {
            load_row(a, a_pair[0]..a_pair[1], common, row_a)?;
            load_row(b, b_pair[0]..b_pair[1], common, row_b)?;
            let same = |(a, b): (&(u32, Value), &(u32, Value))| {
                a.0 == b.0 && (a.1 == b.1 || (a.1.is_nan() && b.1.is_nan()))
            };
            if row_a.len() != row_b.len() || !row_a.iter().zip(row_b.iter()).all(same) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn load_row(
    matrix: &Compressed,
    entries: Range<u64>,
    common: DType,
    row: &mut Row,
) -> Result<(), ReadError> {
    row.clear();
    if entries.is_empty() {
        return Ok(());
    }
    let region = Region::line(entries.clone());
    let bound = u32::try_from(matrix.num_minor).unwrap_or(u32::MAX);
    let mut minors = Vec::new();
    let bytes = read_vec(matrix.indices.as_ref(), &region)?;
    load_minors(matrix.indices.dtype(), &bytes, bound, &mut minors)
        .map_err(|bad| matrix.bad_minor(&bad, entries.start))?;
    let values = load_values(matrix, &region, common)?;
    row.extend(minors.into_iter().zip(values));
    row.sort_by_key(|&(minor, _)| minor);
    row.dedup_by(|next, kept| {
        let duplicate = next.0 == kept.0;
        if duplicate {
            kept.1 = kept.1.add(next.1);
        }
        duplicate
    });
    row.retain(|&(_, value)| !value.is_zero());
    Ok(())
}

/// Values as their common dtype has them.
fn load_values(
    matrix: &Compressed,
    region: &Region,
    common: DType,
) -> Result<Vec<Value>, ReadError> {
    let bytes = read_vec(matrix.data.as_ref(), region)?;
    let len = region.num_elements() as usize;
    if matches!(common.kind(), Kind::Float | Kind::Complex) {
        let mut wide = vec![0; len * 16];
        cast_bytes(matrix.dtype(), &bytes, DType::C128, &mut wide);
        let parts = wide.as_chunks::<8>().0.iter().map(|raw| f64::from_le_bytes(*raw));
        let parts: Vec<f64> = parts.collect();
        return Ok(parts.as_chunks::<2>().0.iter().map(|&[a, b]| Value::Complex(a, b)).collect());
    }
    let wide_dtype = if common == DType::U64 { DType::U64 } else { DType::I64 };
    let mut wide = vec![0; len * 8];
    cast_bytes(matrix.dtype(), &bytes, wide_dtype, &mut wide);
    let numbers = wide.as_chunks::<8>().0.iter().map(|raw| match wide_dtype {
        DType::U64 => i128::from(u64::from_le_bytes(*raw)),
        _ => i128::from(i64::from_le_bytes(*raw)),
    });
    Ok(numbers.map(Value::Integer).collect())
}
