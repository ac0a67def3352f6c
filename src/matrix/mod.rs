//! Elements of a tree as matrices in memory: `ndarray::Array2`, `sprs::CsMat`, and the plain
//! vectors that both (and numpy) are made of.
//!
//! Owns how a whole element, or some of its rows, is read by all cores into memory that is claimed
//! once. Knows no file format, and not where the arrays of the tree come from.

mod element;
mod error;
mod fill;
mod rows;
mod sparse;
#[cfg(test)]
mod tests;
mod values;

pub use element::{DenseMatrix, Matrix};
pub use error::MatrixError;
pub use fill::read_values;
pub use rows::RowReader;
pub use sparse::SparseMatrix;
pub use values::{Element, Values};
