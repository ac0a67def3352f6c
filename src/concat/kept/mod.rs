//! Tables of numbers that took long to find: private files while they are in use, and a directory
//! that keeps them from one run to the next.
//!
//! Owns where they lie, how they are named by all that they depend on, and the checks that nobody else
//! has a hand in them. Decides what is removed when there is too much. Knows nothing of what they
//! count.

mod store;
mod table;

pub(super) use store::{CensusKey, CensusStore};
pub(super) use table::{Offsets, OffsetsWriter};
