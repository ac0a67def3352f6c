//! A store on disk: its metadata documents, its files, and what makes it the same store.
//!
//! Owns the tree of documents (`documents`, with values of attributes in `attrs`), the chunk files of an
//! array and the watch over them (`place`), and the identity of a whole store (`digest`). Knows nothing
//! of what the documents of an array mean.
//!
//! Order of its files: `attrs` and `place`; `documents` and `digest`.

mod attrs;
mod digest;
mod documents;
mod place;

pub use digest::identity;
pub use documents::{Format, Kind, NodeDocument, read};
pub use place::{ChunkFile, Moment, Place};
