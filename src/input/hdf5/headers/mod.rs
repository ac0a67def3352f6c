//! Object headers as they stand in the file (format specification, IV.A), without the library.
//!
//! Owns the cache of pages in which metadata are read (`pages`), the messages of an object
//! (`objects`), the layout message that the table of chunks needs again later (`layout`), and the
//! answer [`Unknown`] (`known`). What the other messages mean is for
//! [`metadata`](super::metadata) to say.
//!
//! Order of its files: `known`, `pages`, `objects`, `layout`.

mod known;
mod layout;
mod objects;
mod pages;

pub use known::{Known, UNDEFINED, Unknown, expect};
pub use layout::{BTree, Layout, chunk_tree, layout};
pub use objects::{ATTRIBUTE_ORDER_TRACKED, Object, kind};
pub use pages::Pages;
