//! Chunked datasets: where their chunks lie in the file, and how they are decoded.
//!
//! Owns the index of chunks (`tree`, our walk of it; `table`, the loaded one), the pipeline of filters
//! (`filters`), and regions put together from chunks (`part`, `chunked`). Knows nothing of what
//! elements mean, and leaves to [`library`](super::library) the indexes and filters that it does not
//! know.
//!
//! Order of its files: `filters` and `tree`, `table` and `huge`, `part`, `chunked`.

mod chunked;
mod filters;
mod huge;
mod part;
mod table;
mod tree;

pub use chunked::{Chunked, Description};
pub use filters::{MOST_PARAMETERS, Pipeline};
#[cfg(any(test, fuzzing))]
pub use table::Grid;
#[cfg(test)]
pub use table::Table;
#[cfg(test)]
pub use tree::Chunk;
