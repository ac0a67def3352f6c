//! A source's sparse matrix, with every number that it claims checked before it is used.

use std::ops::Range;
use std::sync::Arc;

use crate::anndata::{Sparse, SparseBody, SparseFormat};
use crate::array::{SharedArray, read_vec};
use crate::base::{DType, ReadError, Region};
use crate::concat::sparse::planned::Origin;

use super::ints::{OutOfRange, load_minors, load_u64};

impl Origin {
    /// An error about one of the arrays of the matrix (`indptr`), or about the matrix itself.
    pub fn corrupt(&self, array: &str, what: impl Into<String>) -> ReadError {
        let element = if array.is_empty() {
            self.element.clone()
        } else {
            format!("{}/{array}", self.element)
        };
        ReadError::corrupt(self.file.as_path(), element, what)
    }
}

/// A sparse matrix in the inputs, or in a spill file, seen along its major axis.
#[derive(Debug, Clone)]
pub struct Compressed {
    pub data: SharedArray,
    pub indices: SharedArray,
    pub indptr: SharedArray,
    pub num_major: u64,
    pub num_minor: u64,
    /// `indptr[-1]`; `data` and `indices` may be longer, as scipy's `prune` allows.
    pub nnz: u64,
    pub origin: Arc<Origin>,
}

impl Compressed {
    /// Checks lengths and dtypes and reads the last element of `indptr`, nothing else.
    pub fn open(sparse: &Sparse, origin: &Arc<Origin>) -> Result<Self, ReadError> {
        let SparseBody::Stored { data, indices, indptr } = &sparse.body else {
            return Err(origin.corrupt("", "is planned, where one that can be read is needed"));
        };
        let [rows, columns] = sparse.shape;
        let (num_major, num_minor) = match sparse.format {
            SparseFormat::Csr => (rows, columns),
            SparseFormat::Csc => (columns, rows),
        };
        let data_len = line_len(data, "data", origin)?;
        let indices_len = line_len(indices, "indices", origin)?;
        let indptr_len = line_len(indptr, "indptr", origin)?;
        for (array, name) in [(indices, "indices"), (indptr, "indptr")] {
            if !array.dtype().is_integer() {
                let what = format!("has the dtype {}, expected an integer type", array.dtype());
                return Err(origin.corrupt(name, what));
            }
        }
        if num_major.checked_add(1) != Some(indptr_len) {
            let what = format!(
                "is {indptr_len} long, expected {} for the shape {rows} × {columns}",
                num_major.saturating_add(1)
            );
            return Err(origin.corrupt("indptr", what));
        }
        let mut matrix = Self {
            data: Arc::clone(data),
            indices: Arc::clone(indices),
            indptr: Arc::clone(indptr),
            num_major,
            num_minor,
            nnz: data_len.min(indices_len),
            origin: Arc::clone(origin),
        };
        let last = matrix.offsets(num_major..num_major + 1)?;
        matrix.nnz = last.first().copied().unwrap_or(0);
        Ok(matrix)
    }

    /// Elements of `indptr`. They rise, begin at 0 and stay within the arrays.
    pub fn offsets(&self, range: Range<u64>) -> Result<Vec<u64>, ReadError> {
        let bytes = read_vec(self.indptr.as_ref(), &Region::line(range.clone()))?;
        let mut offsets = Vec::with_capacity((range.end - range.start) as usize);
        load_u64(self.indptr.dtype(), &bytes, &mut offsets);
        if range.start == 0 && offsets.first().is_some_and(|&first| first != 0) {
            let what = format!("begins with {}, expected 0", offsets[0] as i64);
            return Err(self.origin.corrupt("indptr", what));
        }
        if let Some(at) = offsets.windows(2).position(|pair| pair[0] > pair[1]) {
            let what = format!(
                "falls from {} to {} at position {}",
                offsets[at] as i64,
                offsets[at + 1] as i64,
                range.start + at as u64 + 1
            );
            return Err(self.origin.corrupt("indptr", what));
        }
        match offsets.last() {
            Some(&last) if last > self.nnz => {
                let what =
                    format!("points to entry {}, where the matrix has {}", last as i64, self.nnz);
                Err(self.origin.corrupt("indptr", what))
            }
            _ => Ok(offsets),
        }
    }

    /// Minor indices of a range of entries, each below `num_minor`, which must fit 32 bits.
    pub fn minors(
        &self,
        range: Range<u64>,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u32>,
    ) -> Result<(), ReadError> {
        let dtype = self.indices.dtype();
        let start = range.start;
        scratch.resize((range.end - range.start) as usize * dtype.size_bytes(), 0);
        self.indices.read_into(&Region::line(range), scratch)?;
        let bound = u32::try_from(self.num_minor).unwrap_or(u32::MAX);
        load_minors(dtype, scratch, bound, out).map_err(|bad| self.bad_minor(&bad, start))
    }

    /// The error of a minor index that is out of range, in entries from `start` on.
    pub fn bad_minor(&self, bad: &OutOfRange, start: u64) -> ReadError {
        let what = format!(
            "holds {} among the entries from {start} on, expected 0 to {}",
            bad.0,
            self.num_minor.saturating_sub(1)
        );
        self.origin.corrupt("indices", what)
    }

    /// Bytes of an entry's index.
    pub fn index_bytes(&self) -> usize {
        self.indices.dtype().size_bytes()
    }

    /// The dtype of the values.
    pub fn dtype(&self) -> DType {
        self.data.dtype()
    }
}

fn line_len(array: &SharedArray, name: &str, origin: &Origin) -> Result<u64, ReadError> {
    match *array.shape() {
        [len] => Ok(len),
        ref shape => {
            Err(origin.corrupt(name, format!("has the shape {shape:?}, expected one axis")))
        }
    }
}
