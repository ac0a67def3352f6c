//! The values of arrays: lazy numbers and text, and records in memory.
//!
//! Owns one chunk (`chunks`), regions put together from chunks (`elements`), and text and records over
//! them. Knows no metadata documents: it is given headers.
//!
//! Order of its files: `chunks`, `elements`, `text`, `record`.

mod chunks;
mod elements;
mod record;
mod text;

pub use chunks::Chunks;
pub use elements::Numbers;
pub use record::read as read_records;
pub use text::{PaddedText, VlenText};
