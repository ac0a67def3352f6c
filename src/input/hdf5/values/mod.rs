//! The values of datasets as lazy arrays and text.
//!
//! Owns the elements of a dataset as stored, whatever the layout (`storage`), the global heap (`heap`),
//! and what is made of them: numbers (`fixed`), text (`text`), fields of records (`record`). Knows no
//! headers: where elements lie it is told by [`metadata`](super::metadata).
//!
//! Order of its files: `heap`, `storage` and `record`; `fixed` and `text`.

mod fixed;
mod heap;
pub mod record;
mod storage;
mod text;

pub use fixed::FixedArray;
pub use heap::{HeapReader, Meaning, RECORD_BYTES, is_endless};
#[cfg(test)]
pub use heap::{State, objects};
pub use storage::{Layout, Storage};
pub use text::{FixedText, LibraryText, VlenText};
