//! The values of datasets as lazy arrays and text.
//!
//! Owns the elements of a dataset as stored, whatever the layout (`storage`) and whichever file
//! (`external`), the global heap (`heap`), and what is made of them: numbers (`fixed`), text (`text`),
//! fields of records (`record`); and arrays that are made of parts (`grid`) of others (`mosaic`). Knows no
//! headers: where elements lie it is told by [`metadata`](super::metadata).
//!
//! Order of its files: `heap`, `external`, `storage` and `record`; `fixed` and `text`; `grid` and
//! `mosaic`.

mod external;
mod fixed;
mod grid;
mod heap;
mod mosaic;
pub mod record;
mod storage;
mod text;

pub use external::{External, Segment};
pub use fixed::FixedArray;
pub use grid::{Axis, Placing};
#[cfg(test)]
pub use heap::State;
#[cfg(any(test, fuzzing))]
pub use heap::objects;
pub use heap::{HeapReader, Meaning, RECORD_BYTES, is_endless};
pub use mosaic::{FixedMosaic, TextMosaic};
pub use storage::{Layout, Storage};
pub use text::{FixedText, LibraryText, VlenText};
