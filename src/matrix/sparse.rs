//! A compressed sparse matrix in memory.

use sprs::{CsMatI, SpIndex};

use super::{Element, MatrixError, Values};
use crate::anndata::SparseFormat;

/// A compressed sparse matrix in memory, its entries as they are stored: the minor indices of a
/// slice may be unsorted where those of an input are.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseMatrix {
    /// Path of the element.
    pub element: String,
    /// Which axis is compressed.
    pub format: SparseFormat,
    /// Rows, columns.
    pub shape: [u64; 2],
    /// Where each major slice begins, and the end of the last.
    pub indptr: Values,
    /// Minor index of each entry.
    pub indices: Values,
    /// Value of each entry.
    pub data: Values,
}

impl SparseMatrix {
    /// The same as `sprs` has matrices: minor indices sorted. Nothing is copied when `I` is the
    /// integer type of the indices (`i32`, mostly).
    ///
    /// # Errors
    /// The values are of another type, an index does not fit `I`, or one place has two entries.
    pub fn into_csmat<T: Element, I: Index>(self) -> Result<CsMatI<T, I>, MatrixError> {
        let Self { element, format, shape, indptr, indices, data } = self;
        let found = data.dtype();
        let data = T::take(data).ok_or_else(|| MatrixError::Type {
            element: element.clone(),
            found,
            asked: T::DTYPE,
        })?;
        let unfit = |what: String| MatrixError::Unfit { element: element.clone(), what };
        let narrow = || {
            unfit(format!(
                "its indices do not fit {}\n  hint: take i64 or usize",
                std::any::type_name::<I>()
            ))
        };
        let indptr = I::of(indptr).ok_or_else(narrow)?;
        let indices = I::of(indices).ok_or_else(narrow)?;
        let extent = |len: u64| usize::try_from(len).map_err(|_| unfit("is too large".to_owned()));
        let shape = (extent(shape[0])?, extent(shape[1])?);
        let matrix = match format {
            SparseFormat::Csr => CsMatI::new_from_unsorted(shape, indptr, indices, data),
            SparseFormat::Csc => CsMatI::new_from_unsorted_csc(shape, indptr, indices, data),
        };
        matrix.map_err(|(.., error)| {
            unfit(format!("{error}\n  hint: take its indptr, indices and data as they are"))
        })
    }
}

/// A type of indices that `sprs` takes.
pub trait Index: SpIndex {
    /// The numbers as this type, when all of them fit.
    fn of(values: Values) -> Option<Vec<Self>>;
}

macro_rules! index {
    ($($type:ty: $own:ident),*) => {
        $(impl Index for $type {
            fn of(values: Values) -> Option<Vec<Self>> {
                match values {
                    Values::$own(vector) => Some(vector),
                    other => converted(&other),
                }
            }
        })*
    };
}
index!(i32: I32, i64: I64, u32: U32, u64: U64);

impl Index for usize {
    fn of(values: Values) -> Option<Vec<Self>> {
        converted(&values)
    }
}

fn converted<I: SpIndex>(values: &Values) -> Option<Vec<I>> {
    let positions = values.positions()?;
    positions.iter().map(|&position| I::try_from_usize(usize::try_from(position).ok()?)).collect()
}
