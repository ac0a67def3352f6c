//! Lazy arrays: two traits, and the combinators that build arrays from arrays.
//!
//! Every combinator lives in its own file and obeys one contract (`tests/contract.rs`): *any region
//! read alone equals the same slice of the whole*. Nothing here knows a file format.

mod memory;
mod source;
mod text;

pub use memory::{MemoryArray, MemoryText};
pub use source::{Array, ArraySource, ChunkFilter, SharedArray, StoredChunk, read_all, read_vec};
pub use text::{SharedText, TextBuf, TextSource, read_all_text};
