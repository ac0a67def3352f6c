//! What each input brings to a concatenation.

use crate::anndata::Awkward;

/// One part of a stack.
#[derive(Debug, Clone, Copy)]
pub enum AwkwardPart<'a> {
    /// The array of one input.
    Present(&'a Awkward),
    /// An input of this many rows that has no such array: missing values
    /// (`gen_outer_reindexers` pads with `None`).
    Missing(u64),
}
