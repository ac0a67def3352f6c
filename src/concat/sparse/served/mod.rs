//! The arrays of a resolved matrix: `data`, `indices` and `indptr`, any region on demand.
//!
//! Owns how parts follow one another or interleave, rows rewritten while they are read, and the
//! cache of these. Decides nothing: what each part needs is planned, and counted before. Knows no
//! census.

mod cache;
mod handover;
mod interleave;
mod minor_part;
mod part;
mod remapped;
mod rewrite;
mod stack;

pub use cache::BlockCache;
pub(super) use interleave::{Common, Interleaved};
pub(super) use minor_part::MinorPart;
pub(super) use part::{Direct, Part, Uniform, UniformValues};
pub(super) use remapped::Remapped;
pub(super) use stack::{Arrays, Stack};
