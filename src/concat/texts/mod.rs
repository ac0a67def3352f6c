//! Text of which some is missing, before it becomes categorical: what its columns consist of, and
//! the distinct values of each input's share.
//!
//! Owns the census of a share, the only time that its values are read, and the form in which that is
//! kept. Knows nothing of the order of categories, nor of what else a column may be.

mod census;
mod planned;

pub(super) use census::{STRING_BYTES, TextCensus};
pub use planned::PlannedText;
pub(super) use planned::{TextPart, TextPlans, TextShare};
