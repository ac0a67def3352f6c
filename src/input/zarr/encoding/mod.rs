//! How the elements of an array became bytes: what its metadata document says.
//!
//! Owns the types of elements (`element`), codecs (`codec`, those from bytes to bytes in `byte_codec`,
//! the form of text in `vlen`), and the header that holds them (`header`). Knows no files: it is given
//! encoded bytes.
//!
//! Order of its files: `buffer`, `element` and `vlen`, `byte_codec`, `codec`, `header`.

mod buffer;
mod byte_codec;
mod codec;
mod element;
mod header;
mod vlen;

pub use buffer::zeroed;
pub use codec::{Body, to_little_endian};
pub use element::{Element, Endian, Field, FixedText};
pub use header::{Checksum, Header, IndexAt, ShardIndex};
pub use vlen::{json_to_vlen, vlen_ranges};
