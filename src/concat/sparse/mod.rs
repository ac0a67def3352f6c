//! Sparse matrices of a concatenation: planned without reading, then resolved to lazy arrays.
//!
//! [`plan_stack`] and [`plan_pairwise`] decide format, shape and dtype and what each part needs;
//! [`resolve()`] does the work that only the data can decide (a census of what a join drops, the
//! conversion of parts in another encoding) and returns a [`crate::anndata::Sparse`] whose `data`,
//! `indices` and `indptr` compute any region on demand.
//!
//! Words used throughout: the *stack axis* is the one being concatenated, the *other axis* the one
//! being joined. The *major* axis of a matrix is the one that `indptr` divides (rows of CSR), the
//! *minor* axis the one that `indices` point into. A stack is *major-aligned* when its stack axis is
//! the major one (CSR along obs, CSC along var): parts follow one another. Otherwise it is
//! *minor-aligned*: each major slice interleaves the parts.
//!
//! Nothing here knows a file format, names of observations or variables, or other elements.

mod merge;
mod planned;
mod prepared;
mod served;
mod stored;
#[cfg(test)]
mod tests;

pub use merge::{equal, plan_reindexed, reindexed, to_dense};
pub use planned::{
    Axis, FormatChoice, Origin, PartReport, PartSource, PlannedSparse, SparsePart, SparseReport,
    StackOptions, Treatment, plan_pairwise, plan_stack,
};
pub use prepared::{CensusEnv, resolve};
pub use served::BlockCache;
