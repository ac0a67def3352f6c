//! A store: its metadata documents and its files.
//!
//! Owns the tree of documents (`documents`, with values of attributes in `attrs`) and where the chunk
//! files of an array are (`place`). Knows nothing of what the documents of an array mean; files, and
//! whether they are still the same, are for [`crate::io::Directory`].
//!
//! Order of its files: `attrs` and `place`; `documents`.

mod attrs;
mod documents;
mod place;

pub use documents::{Format, Kind, NodeDocument, read};
pub use place::{Place, below};
