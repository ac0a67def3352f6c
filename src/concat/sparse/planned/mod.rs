//! Sparse matrices of the result before anything is read.
//!
//! Owns parts, treatments, formats, shapes and dtypes. Decides all that headers can decide. Knows
//! nothing of how entries are read.

mod matrix;
mod plan;
mod report;

pub use matrix::{
    Axis, FormatChoice, Origin, PartSource, PlannedSparse, SparsePart, StackOptions, Treatment,
};
pub(super) use matrix::{Layout, PlannedPart};
pub use plan::{plan_pairwise, plan_stack};
pub use report::{PartReport, SparseReport};
