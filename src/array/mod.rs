//! Lazy arrays: two traits, and the combinators that build arrays from arrays.
//!
//! Every combinator lives in its own file and obeys one contract (`contract`): *any region read
//! alone equals the same slice of the whole*. Nothing here knows a file format.

mod batches;
mod blanked;
mod blocks;
pub mod cast;
mod codes;
#[cfg(test)]
mod contract;
mod filled;
mod gathered;
mod lookup;
mod mapped;
mod memory;
mod memory_limit;
mod python_str;
mod reshaped;
mod scratch;
mod slice;
mod source;
mod stacked;
mod text;
mod text_columns;
mod text_ops;

pub use blanked::Blanked;
pub(crate) use blocks::{Block, Blocks};
pub use cast::{Cast, cast_bytes};
pub use codes::CheckedCodes;
pub use filled::Filled;
pub use gathered::Gathered;
pub use lookup::Lookup;
pub use mapped::{IsMissing, Recoded, Shifted};
pub(crate) use memory::copy_region;
pub use memory::{MemoryArray, MemoryText};
pub use memory_limit::{beyond_memory, zeroed};
pub use python_str::push_python_str;
pub use reshaped::{ReshapedText, UnitAxis};
pub use slice::Slice;
pub use source::{
    Array, ArraySource, ChunkFilter, SharedArray, StoredChunk, len_bytes, read_all, read_vec,
};
pub use stacked::Stacked;
pub use text::{SharedText, TextBuf, TextSource, read_all_text};
pub use text_columns::TextColumns;
pub use text_ops::{
    FilledText, FormattedText, GatheredText, LookupText, StackedText, SuffixedText,
};
