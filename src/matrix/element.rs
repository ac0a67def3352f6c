//! Whole elements.

use std::sync::atomic::AtomicBool;

use ndarray::ArrayD;

use super::fill::{read_together, read_values};
use super::{Element, MatrixError, SparseMatrix, Values};
use crate::anndata::SparseFormat;
use crate::array::{SharedArray, len_bytes};
use crate::tree::{ArrayNode, Attr, Data, Group, Node};

/// An array of numbers in memory, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseMatrix {
    /// Path of the element.
    pub element: String,
    /// Extent, one a dimension.
    pub shape: Vec<u64>,
    /// The numbers.
    pub values: Values,
}

impl DenseMatrix {
    /// The same as `ndarray` has it, of any rank. Nothing is copied.
    ///
    /// # Errors
    /// The values are of another type.
    pub fn into_array<T: Element>(self) -> Result<ArrayD<T>, MatrixError> {
        let Self { element, shape, values } = self;
        let found = values.dtype();
        let Some(vector) = T::take(values) else {
            return Err(MatrixError::Type { element, found, asked: T::DTYPE });
        };
        let shape: Vec<usize> = shape.iter().map(|&len| len as usize).collect();
        ArrayD::from_shape_vec(shape, vector)
            .map_err(|error| MatrixError::Unfit { element, what: error.to_string() })
    }

    /// The same as a matrix.
    ///
    /// # Errors
    /// The values are of another type, or the array has not two dimensions.
    pub fn into_array2<T: Element>(self) -> Result<ndarray::Array2<T>, MatrixError> {
        let element = self.element.clone();
        self.into_array()?
            .into_dimensionality()
            .map_err(|error| MatrixError::Unfit { element, what: error.to_string() })
    }
}

/// An element of a tree as a matrix.
#[derive(Debug, Clone, PartialEq)]
pub enum Matrix {
    /// Encodings `csr_matrix` and `csc_matrix`.
    Sparse(SparseMatrix),
    /// Encoding `array`.
    Dense(DenseMatrix),
}

impl Matrix {
    /// Bytes of memory that the numbers of an element take.
    ///
    /// # Errors
    /// There is no such element, or it holds no numbers.
    pub fn len_bytes(root: &Group, element: &str) -> Result<u64, MatrixError> {
        Ok(match LazyMatrix::of(root, element)? {
            LazyMatrix::Dense(array) => len_bytes(&*array),
            LazyMatrix::Sparse { data, indices, indptr, .. } => {
                let parts = [data, indices, indptr];
                parts.iter().map(|array| len_bytes(&**array)).fold(0, u64::saturating_add)
            }
        })
    }

    /// Reads an element (`X`, `layers/counts`, `obsm/X_pca`) by the cores of the rayon pool that
    /// this is called in, or within [`crate::base::parallel::sequentially`] by this thread.
    ///
    /// # Errors
    /// There is no such element, it holds no numbers, a source failed, or `cancel` was set.
    pub fn read(root: &Group, element: &str, cancel: &AtomicBool) -> Result<Self, MatrixError> {
        match LazyMatrix::of(root, element)? {
            LazyMatrix::Dense(array) => Ok(Self::Dense(DenseMatrix {
                element: element.to_owned(),
                shape: array.shape().to_vec(),
                values: read_values(&*array, element, cancel)?,
            })),
            LazyMatrix::Sparse { format, shape, data, indices, indptr } => {
                let indptr = read_values(&*indptr, element, cancel)?;
                // Values first: what the indices need with them is handed over.
                let [data, indices] = read_together([&*data, &*indices], element, cancel)?;
                let element = element.to_owned();
                Ok(Self::Sparse(SparseMatrix { element, format, shape, indptr, indices, data }))
            }
        }
    }
}

/// An element of a tree that could be read as a matrix.
#[derive(Debug, Clone)]
pub(super) enum LazyMatrix {
    Dense(SharedArray),
    Sparse {
        format: SparseFormat,
        shape: [u64; 2],
        data: SharedArray,
        indices: SharedArray,
        indptr: SharedArray,
    },
}

impl LazyMatrix {
    pub(super) fn of(root: &Group, element: &str) -> Result<Self, MatrixError> {
        let node = root
            .get(element.trim_start_matches('/'))
            .ok_or_else(|| MatrixError::NoElement { element: element.to_owned() })?;
        match node {
            Node::Array(ArrayNode { data: Data::Fixed(array), .. }) => {
                Ok(Self::Dense(array.clone()))
            }
            Node::Group(group) => Self::sparse(group).ok_or_else(|| no_matrix(element)),
            Node::Array(_) => Err(no_matrix(element)),
        }
    }

    fn sparse(group: &Group) -> Option<Self> {
        let format = match group.attrs.get("encoding-type")? {
            Attr::Str(encoding) if encoding == "csr_matrix" => SparseFormat::Csr,
            Attr::Str(encoding) if encoding == "csc_matrix" => SparseFormat::Csc,
            _ => return None,
        };
        let shape = match group.attrs.get("shape")? {
            Attr::IntList(shape) => match shape.as_slice() {
                &[rows, columns] => [u64::try_from(rows).ok()?, u64::try_from(columns).ok()?],
                _ => return None,
            },
            _ => return None,
        };
        let part = |name| match group.children.get(name)? {
            Node::Array(ArrayNode { data: Data::Fixed(array), .. }) => Some(array.clone()),
            _ => None,
        };
        let (data, indices, indptr) = (part("data")?, part("indices")?, part("indptr")?);
        Some(Self::Sparse { format, shape, data, indices, indptr })
    }
}

fn no_matrix(element: &str) -> MatrixError {
    let what = "holds no numbers, so it is no matrix".to_owned();
    MatrixError::Kind { element: element.to_owned(), what }
}
