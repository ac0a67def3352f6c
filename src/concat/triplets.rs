//! Sparse matrices of the other axis in memory: compared by value, and reindexed along both axes.

use std::sync::Arc;

use crate::anndata::{Sparse, SparseBody, SparseFormat};
use crate::array::cast::{cast_bytes, read_i64};
use crate::array::{MemoryArray, read_all};
use crate::base::dtype::Kind;
use crate::base::indexer::MISSING;
use crate::base::{DType, Indexer, ReadError};

/// A sparse matrix as canonical CSR in memory: columns ascend within a row, duplicates are summed.
#[derive(Debug)]
pub(super) struct Triplets {
    pub shape: [u64; 2],
    dtype: DType,
    /// Row, column and the bytes of each value.
    entries: Vec<(u32, u32, [u8; 16])>,
}

impl Triplets {
    /// Reads a matrix, with its rows and columns under new names.
    pub fn read(sparse: &Sparse, rows: &Indexer, columns: &Indexer) -> Result<Self, ReadError> {
        let SparseBody::Stored { data, indices, indptr } = &sparse.body else {
            return Err(ReadError::unsupported("", "", "the matrix is not resolved yet"));
        };
        let dtype = data.dtype();
        let values = read_all(&**data)?;
        let minors = read_all(&**indices)?;
        let starts = read_all(&**indptr)?;
        let starts: Vec<i64> = read_i64(indptr.dtype(), &starts).collect();
        let (to_row, to_column) = (rows.inverse(), columns.inverse());
        let place = |map: &Option<Vec<u32>>, at: i64| -> Option<u32> {
            match map {
                Some(map) => map.get(at as usize).copied().filter(|&at| at != MISSING),
                None => u32::try_from(at).ok(),
            }
        };
        let size = dtype.size_bytes();
        let minors: Vec<i64> = read_i64(indices.dtype(), &minors).collect();
        let mut entries = Vec::with_capacity(minors.len());
        for (major, bounds) in starts.windows(2).enumerate() {
            let range = bounds[0].max(0) as usize..bounds[1].max(0) as usize;
            for at in range {
                let (Some(&minor), Some(value)) =
                    (minors.get(at), values.chunks_exact(size).nth(at))
                else {
                    return Err(ReadError::corrupt("", "", "indptr points past the values"));
                };
                let (row, column) = match sparse.format {
                    SparseFormat::Csr => (major as i64, minor),
                    SparseFormat::Csc => (minor, major as i64),
                };
                if let (Some(row), Some(column)) = (place(&to_row, row), place(&to_column, column))
                {
                    let mut bytes = [0; 16];
                    bytes[..size].copy_from_slice(value);
                    entries.push((row, column, bytes));
                }
            }
        }
        entries.sort_by_key(|&(row, column, _)| (row, column));
        entries.dedup_by(|next, first| {
            let same = (next.0, next.1) == (first.0, first.1);
            if same {
                first.2 = sum(dtype, &first.2, &next.2);
            }
            same
        });
        let shape = [rows.target_len(), columns.target_len()];
        Ok(Self { shape, dtype, entries })
    }

    /// scipy's `not (a != b)`, NaN equal to NaN: entries that are zero do not count.
    pub fn equals(&self, other: &Self) -> bool {
        if self.shape != other.shape {
            return false;
        }
        let entries = |matrix: &Self| {
            let dtype = matrix.dtype;
            matrix
                .entries
                .iter()
                .map(move |(row, column, bytes)| (*row, *column, Number::of(dtype, bytes)))
                .filter(|(_, _, number)| *number != Number::Int(0))
                .collect::<Vec<_>>()
        };
        let (mine, theirs) = (entries(self), entries(other));
        mine.len() == theirs.len()
            && mine.iter().zip(&theirs).all(|(a, b)| (a.0, a.1) == (b.0, b.1) && a.2.same(b.2))
    }

    /// As a matrix of the result, with `int32` indices while they fit.
    pub fn into_sparse(mut self, format: SparseFormat) -> Sparse {
        let nnz = self.entries.len();
        let dtype = if nnz > i32::MAX as usize { DType::I64 } else { DType::I32 };
        let integers = |values: Vec<i64>| {
            let mut bytes = vec![0; values.len() * dtype.size_bytes()];
            let wide: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            cast_bytes(DType::I64, &wide, dtype, &mut bytes);
            MemoryArray::shared(dtype, &[values.len() as u64], bytes)
        };
        let major_axis = match format {
            SparseFormat::Csr => 0,
            SparseFormat::Csc => {
                self.entries.sort_by_key(|&(row, column, _)| (column, row));
                1
            }
        };
        let place = |entry: &(u32, u32, [u8; 16])| match format {
            SparseFormat::Csr => (entry.0, entry.1),
            SparseFormat::Csc => (entry.1, entry.0),
        };
        let mut indptr = vec![0; self.shape[major_axis] as usize + 1];
        for entry in &self.entries {
            indptr[place(entry).0 as usize + 1] += 1;
        }
        for major in 1..indptr.len() {
            indptr[major] += indptr[major - 1];
        }
        let size = self.dtype.size_bytes();
        let data: Vec<u8> =
            self.entries.iter().flat_map(|(_, _, bytes)| bytes[..size].iter().copied()).collect();
        let indices = self.entries.iter().map(|entry| i64::from(place(entry).1)).collect();
        Sparse {
            format,
            shape: self.shape,
            dtype: self.dtype,
            body: SparseBody::Stored {
                data: MemoryArray::shared(self.dtype, &[nnz as u64], data),
                indices: integers(indices),
                indptr: integers(indptr),
            },
        }
    }

    /// The matrix's values row by row, zeros included.
    pub fn dense_bytes(&self) -> Arc<[u8]> {
        let size = self.dtype.size_bytes();
        let mut out = vec![0; (self.shape[0] * self.shape[1]) as usize * size];
        for (row, column, bytes) in &self.entries {
            let at = (u64::from(*row) * self.shape[1] + u64::from(*column)) as usize * size;
            out[at..at + size].copy_from_slice(&bytes[..size]);
        }
        out.into()
    }
}

/// A number of any dtype, to compare across dtypes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// An integer, a boolean, or a whole float.
    Int(i128),
    /// Another real number.
    Real(f64),
    /// A complex number that is not real.
    Complex(f64, f64),
}

impl Number {
    /// The number that little-endian `bytes` hold.
    pub fn of(dtype: DType, bytes: &[u8]) -> Self {
        let bytes = &bytes[..dtype.size_bytes()];
        let mut wide = [0; 16];
        match dtype.kind() {
            Kind::Unsigned => {
                cast_bytes(dtype, bytes, DType::U64, &mut wide[..8]);
                Self::Int(i128::from(u64::from_le_bytes(first_eight(&wide))))
            }
            Kind::Bool | Kind::Signed => {
                cast_bytes(dtype, bytes, DType::I64, &mut wide[..8]);
                Self::Int(i128::from(i64::from_le_bytes(first_eight(&wide))))
            }
            Kind::Float | Kind::Complex => {
                cast_bytes(dtype, bytes, DType::C128, &mut wide);
                let real = f64::from_le_bytes(first_eight(&wide));
                let imaginary = f64::from_le_bytes(first_eight(&wide[8..]));
                if imaginary != 0.0 {
                    Self::Complex(real, imaginary)
                } else if real.fract() == 0.0 && real.abs() < 1e37 {
                    Self::Int(real as i128)
                } else {
                    Self::Real(real)
                }
            }
        }
    }

    /// True for NaN.
    pub const fn is_nan(self) -> bool {
        match self {
            Self::Int(_) => false,
            Self::Real(real) => real.is_nan(),
            Self::Complex(real, imaginary) => real.is_nan() || imaginary.is_nan(),
        }
    }

    /// Equality in which NaN equals NaN.
    pub fn same(self, other: Self) -> bool {
        self == other || (self.is_nan() && other.is_nan())
    }
}

fn first_eight(bytes: &[u8]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[..8]);
    out
}

/// The sum of two elements in their own dtype.
fn sum(dtype: DType, a: &[u8; 16], b: &[u8; 16]) -> [u8; 16] {
    let size = dtype.size_bytes();
    let mut out = [0; 16];
    if matches!(dtype.kind(), Kind::Float | Kind::Complex) {
        let (mut wide_a, mut wide_b) = ([0; 16], [0; 16]);
        cast_bytes(dtype, &a[..size], DType::C128, &mut wide_a);
        cast_bytes(dtype, &b[..size], DType::C128, &mut wide_b);
        let mut total = [0; 16];
        for half in [0, 8] {
            let sum = f64::from_le_bytes(first_eight(&wide_a[half..]))
                + f64::from_le_bytes(first_eight(&wide_b[half..]));
            total[half..half + 8].copy_from_slice(&sum.to_le_bytes());
        }
        cast_bytes(DType::C128, &total, dtype, &mut out[..size]);
    } else if dtype == DType::Bool {
        out[0] = a[0] | b[0];
    } else {
        // Two's complement: the low bytes of the sum are the sum of the low bytes.
        let total =
            u64::from_le_bytes(first_eight(a)).wrapping_add(u64::from_le_bytes(first_eight(b)));
        out[..size].copy_from_slice(&total.to_le_bytes()[..size]);
    }
    out
}
