//! Some rows of a matrix, in any order: what loaders of training data ask for.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::element::LazyMatrix;
use super::fill::read_values;
use super::{DenseMatrix, Matrix, MatrixError, SparseMatrix, Values};
use crate::anndata::SparseFormat;
use crate::array::SharedArray;
use crate::base::parallel::{is_sequential, sequentially};
use crate::base::{DType, Region};

/// Runs that one task reads at most, where nothing is known of what is decoded together.
const TASK_RUNS: usize = 16;
/// Bytes of one task, about.
const TASK_BYTES: u64 = 1 << 20;

/// Reads batches of rows of one element. Cheap to share; keeps 8 bytes a row of a sparse matrix.
#[derive(Debug)]
pub struct RowReader {
    element: String,
    matrix: LazyMatrix,
    indptr: OnceLock<Arc<[u64]>>,
}

/// Rows that follow one another both in the matrix and in the batch.
struct Run<'out> {
    /// What is read: elements of `data` and `indices`, or rows of a dense matrix.
    range: Range<u64>,
    /// Where it goes: bytes of values, and of indices (empty for a dense matrix).
    values: &'out mut [u8],
    indices: &'out mut [u8],
}

impl RowReader {
    /// A reader of an element (`X`, `layers/counts`). Reads nothing.
    ///
    /// # Errors
    /// There is no such element, or its rows cannot be read one by one.
    pub fn new(root: &crate::tree::Group, element: &str) -> Result<Self, MatrixError> {
        let matrix = LazyMatrix::of(root, element)?;
        let what = match &matrix {
            LazyMatrix::Sparse { format: SparseFormat::Csc, .. } => Some(
                "is compressed by columns, so that every row takes reading the whole\n  \
                 hint: merge with the sparse format csr",
            ),
            LazyMatrix::Dense(array) if array.shape().len() != 2 => {
                Some("has not two dimensions\n  hint: read the whole element")
            }
            _ => None,
        };
        if let Some(what) = what {
            return Err(MatrixError::Kind { element: element.to_owned(), what: what.to_owned() });
        }
        Ok(Self { element: element.to_owned(), matrix, indptr: OnceLock::new() })
    }

    /// Rows, columns.
    #[must_use]
    pub fn shape(&self) -> [u64; 2] {
        match &self.matrix {
            LazyMatrix::Sparse { shape, .. } => *shape,
            LazyMatrix::Dense(array) => match *array.shape() {
                [rows, columns] => [rows, columns],
                _ => [0, 0],
            },
        }
    }

    /// The rows of these numbers, in this order; a row may be asked for more than once. Read by the
    /// cores of the rayon pool that this is called in, what is decoded together by one of them.
    ///
    /// # Errors
    /// A row that is not there, or a source that failed.
    pub fn read(&self, rows: &[u64]) -> Result<Matrix, MatrixError> {
        let [len, _] = self.shape();
        if let Some(&index) = rows.iter().find(|&&row| row >= len) {
            let element = self.element.clone();
            return Err(MatrixError::OutOfRange { element, axis: "row", index, len });
        }
        match &self.matrix {
            LazyMatrix::Dense(array) => self.read_dense(array, rows).map(Matrix::Dense),
            LazyMatrix::Sparse { data, indices, .. } => {
                self.read_sparse(data, indices, rows).map(Matrix::Sparse)
            }
        }
    }

    fn read_dense(&self, array: &SharedArray, rows: &[u64]) -> Result<DenseMatrix, MatrixError> {
        let failed = MatrixError::read(&self.element);
        let [_, columns] = self.shape();
        let num = (rows.len() as u64)
            .checked_mul(columns)
            .ok_or_else(|| failed(crate::array::beyond_memory("so many rows")))?;
        let mut values = Values::zeroed(array.dtype(), num).map_err(&failed)?;
        let row_bytes = columns as usize * array.dtype().size_bytes();
        let mut rest = values.bytes_mut();
        let mut runs: Vec<Run<'_>> = Vec::new();
        for run in consecutive(rows) {
            let (part, tail) =
                std::mem::take(&mut rest).split_at_mut((run.end - run.start) as usize * row_bytes);
            rest = tail;
            runs.push(Run { range: run, values: part, indices: &mut [] });
        }
        let grain = array.grain().and_then(|grain| grain.first().copied());
        let together = |row: u64| grain.map(|grain| row - row % grain..row - row % grain + grain);
        in_tasks(runs, row_bytes as u64, together, |run| {
            let region = Region::rows(run.range, array.shape());
            array.read_into(&region, run.values).map_err(&failed)
        })?;
        let shape = vec![rows.len() as u64, columns];
        Ok(DenseMatrix { element: self.element.clone(), shape, values })
    }

    fn read_sparse(
        &self,
        data: &SharedArray,
        indices: &SharedArray,
        rows: &[u64],
    ) -> Result<SparseMatrix, MatrixError> {
        let failed = MatrixError::read(&self.element);
        let offsets = self.offsets()?;
        let entries = |row: u64| offsets[row as usize]..offsets[row as usize + 1];
        let mut starts = Vec::with_capacity(rows.len() + 1);
        let mut nnz = 0u64;
        starts.push(0i64);
        for &row in rows {
            let entries = entries(row);
            nnz += entries.end - entries.start;
            starts.push(nnz.cast_signed());
        }
        let (value_bytes, index_bytes) = (data.dtype().size_bytes(), indices.dtype().size_bytes());
        let mut values = Values::zeroed(data.dtype(), nnz).map_err(&failed)?;
        let mut minors = Values::zeroed(indices.dtype(), nnz).map_err(&failed)?;
        let (mut values_rest, mut minors_rest) = (values.bytes_mut(), minors.bytes_mut());
        let mut runs: Vec<Run<'_>> = Vec::new();
        for run in consecutive(rows) {
            let range = entries(run.start).start..entries(run.end - 1).end;
            let len = (range.end - range.start) as usize;
            if len == 0 {
                continue;
            }
            let (values, tail) = std::mem::take(&mut values_rest).split_at_mut(len * value_bytes);
            values_rest = tail;
            let (indices, tail) = std::mem::take(&mut minors_rest).split_at_mut(len * index_bytes);
            minors_rest = tail;
            runs.push(Run { range, values, indices });
        }
        let entry_bytes = (value_bytes + index_bytes) as u64;
        in_tasks(
            runs,
            entry_bytes,
            |entry| data.decoded_with(entry),
            |run| {
                let region = Region::line(run.range);
                data.read_into(&region, run.values).map_err(&failed)?;
                indices.read_into(&region, run.indices).map_err(&failed)
            },
        )?;
        let indptr = match indices.dtype() {
            DType::I64 => Values::I64(starts),
            _ => narrowed(starts),
        };
        Ok(SparseMatrix {
            element: self.element.clone(),
            format: SparseFormat::Csr,
            shape: [rows.len() as u64, self.shape()[1]],
            indptr,
            indices: minors,
            data: values,
        })
    }

    /// Where the entries of each row begin, read once.
    fn offsets(&self) -> Result<Arc<[u64]>, MatrixError> {
        if let Some(offsets) = self.indptr.get() {
            return Ok(offsets.clone());
        }
        let LazyMatrix::Sparse { indptr, data, .. } = &self.matrix else {
            return Ok(Arc::from([0]));
        };
        let values = read_values(&**indptr, &self.element, &AtomicBool::new(false))?;
        let offsets = values.positions().filter(|offsets| {
            offsets.is_sorted() && offsets.last().is_some_and(|&end| end <= data.shape()[0])
        });
        let Some(offsets) = offsets else {
            let what = "its indptr does not rise, or points beyond the entries".to_owned();
            return Err(MatrixError::Unfit { element: self.element.clone(), what });
        };
        let offsets: Arc<[u64]> = offsets.into();
        Ok(self.indptr.get_or_init(|| offsets).clone())
    }
}

/// The runs of numbers that follow one another.
fn consecutive(rows: &[u64]) -> impl Iterator<Item = Range<u64>> {
    rows.chunk_by(|a, b| a + 1 == *b).filter_map(|run| Some(*run.first()?..*run.last()? + 1))
}

/// Works on runs on all cores: those whose first elements are decoded together one after another.
fn in_tasks<'out>(
    mut runs: Vec<Run<'out>>,
    unit_bytes: u64,
    decoded_with: impl Fn(u64) -> Option<Range<u64>>,
    work: impl Fn(Run<'out>) -> Result<(), MatrixError> + Sync,
) -> Result<(), MatrixError> {
    runs.sort_by_key(|run| run.range.start);
    let mut tasks: Vec<Vec<Run<'out>>> = Vec::new();
    let mut decoded: Option<Range<u64>> = None;
    let mut task_bytes = 0;
    for run in runs {
        let bytes = (run.range.end - run.range.start) * unit_bytes;
        let joins = match (&decoded, tasks.last()) {
            (_, None) => false,
            (Some(decoded), Some(_)) => decoded.contains(&run.range.start),
            (None, Some(task)) => task.len() < TASK_RUNS && task_bytes < TASK_BYTES,
        };
        if !joins {
            tasks.push(Vec::new());
            task_bytes = 0;
        }
        // The last element tells what the next run may share.
        decoded = decoded_with(run.range.end.saturating_sub(1));
        task_bytes += bytes;
        if let Some(task) = tasks.last_mut() {
            task.push(run);
        }
    }
    let read = |task: Vec<Run<'out>>| sequentially(|| task.into_iter().try_for_each(&work));
    match tasks.len() {
        0 => Ok(()),
        // A run that is alone may spread over all cores by itself.
        1 if tasks[0].len() == 1 => tasks.remove(0).into_iter().try_for_each(&work),
        _ if is_sequential() => tasks.into_iter().try_for_each(read),
        _ => tasks.into_par_iter().with_max_len(1).try_for_each(read),
    }
}

impl Matrix {
    /// These columns, in this order.
    ///
    /// # Errors
    /// A column that is not there, or is asked for twice; an array that is no matrix by rows.
    pub fn columns(self, columns: &[u64]) -> Result<Self, MatrixError> {
        const ABSENT: u32 = u32::MAX;
        let (element, num) = match &self {
            Self::Sparse(matrix) => (matrix.element.clone(), matrix.shape[1]),
            Self::Dense(matrix) => {
                (matrix.element.clone(), matrix.shape.get(1).copied().unwrap_or(0))
            }
        };
        let mut place = vec![ABSENT; num as usize];
        for (at, &column) in columns.iter().enumerate() {
            let Some(place) = place.get_mut(column as usize) else {
                let (axis, index, len) = ("column", column, num);
                return Err(MatrixError::OutOfRange { element, axis, index, len });
            };
            if *place != ABSENT {
                let what = format!("the column {column} is asked for twice");
                return Err(MatrixError::Unfit { element, what });
            }
            *place = at as u32;
        }
        match self {
            Self::Dense(matrix) => {
                let picked: Vec<usize> = (0..matrix.shape[0])
                    .flat_map(|row| columns.iter().map(move |column| (row * num + column) as usize))
                    .collect();
                let shape = vec![matrix.shape[0], columns.len() as u64];
                Ok(Self::Dense(DenseMatrix {
                    element,
                    shape,
                    values: matrix.values.picked(&picked),
                }))
            }
            Self::Sparse(matrix) => {
                let unfit = |what: &str| MatrixError::Unfit {
                    element: element.clone(),
                    what: what.to_owned(),
                };
                if matrix.format != SparseFormat::Csr {
                    return Err(unfit("columns of a matrix by columns are not chosen here"));
                }
                let minors =
                    matrix.indices.positions().ok_or_else(|| unfit("has an index below 0"))?;
                let offsets =
                    matrix.indptr.positions().ok_or_else(|| unfit("has an offset below 0"))?;
                let (mut kept, mut new_minors) = (Vec::new(), Vec::new());
                let mut starts = vec![0];
                let mut row_entries: Vec<(u32, usize)> = Vec::new();
                for row in offsets.windows(2) {
                    row_entries.clear();
                    for entry in row[0] as usize..row[1] as usize {
                        match place.get(minors[entry] as usize) {
                            Some(&ABSENT) => {}
                            Some(&at) => row_entries.push((at, entry)),
                            None => return Err(unfit("has an index beyond its columns")),
                        }
                    }
                    row_entries.sort_by_key(|(at, _)| *at);
                    new_minors.extend(row_entries.iter().map(|(at, _)| at.cast_signed()));
                    kept.extend(row_entries.iter().map(|(_, entry)| entry));
                    starts.push(kept.len() as i64);
                }
                Ok(Self::Sparse(SparseMatrix {
                    format: SparseFormat::Csr,
                    shape: [matrix.shape[0], columns.len() as u64],
                    indptr: narrowed(starts),
                    indices: Values::I32(new_minors),
                    data: matrix.data.picked(&kept),
                    element,
                }))
            }
        }
    }
}

/// As `int32` where all fit.
fn narrowed(offsets: Vec<i64>) -> Values {
    let narrow: Option<Vec<i32>> =
        offsets.iter().map(|&offset| i32::try_from(offset).ok()).collect();
    narrow.map_or(Values::I64(offsets), Values::I32)
}
