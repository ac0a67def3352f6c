//! Numbers of the engine as numpy arrays. Nothing is copied: numpy takes the vectors over.

use anncat::anndata::SparseFormat;
use anncat::matrix::{Matrix, Values};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

macro_rules! into_numpy {
    ($py:expr, $values:expr, $($name:ident)*) => {
        match $values {
            // A vector of the same layout: collected in place.
            Values::Bool(vector) => {
                let vector: Vec<bool> = vector.into_iter().map(|byte| byte != 0).collect();
                PyArray1::from_vec($py, vector).into_any()
            }
            $(Values::$name(vector) => PyArray1::from_vec($py, vector).into_any(),)*
        }
    };
}

/// A one-dimensional array.
pub fn numpy<'py>(py: Python<'py>, values: Values) -> Bound<'py, PyAny> {
    into_numpy!(py, values, I8 I16 I32 I64 U8 U16 U32 U64 F16 F32 F64 C64 C128)
}

/// `("csr_matrix", shape, data, indices, indptr)`, or `("array", shape, values)` with the values in
/// one dimension.
pub fn matrix<'py>(py: Python<'py>, matrix: Matrix) -> PyResult<Bound<'py, PyTuple>> {
    match matrix {
        Matrix::Sparse(matrix) => {
            let encoding = match matrix.format {
                SparseFormat::Csr => "csr_matrix",
                SparseFormat::Csc => "csc_matrix",
            };
            (
                encoding,
                (matrix.shape[0], matrix.shape[1]),
                numpy(py, matrix.data),
                numpy(py, matrix.indices),
                numpy(py, matrix.indptr),
            )
                .into_pyobject(py)
        }
        Matrix::Dense(matrix) => {
            let shape = PyTuple::new(py, matrix.shape)?;
            ("array", shape, numpy(py, matrix.values)).into_pyobject(py)
        }
    }
}

/// Positions that Python gives as an array of `uint64`.
pub fn positions(array: &Bound<'_, PyArray1<u64>>) -> PyResult<Vec<u64>> {
    Ok(array.try_readonly()?.as_array().to_vec())
}
