//! Everything that is asked of libhdf5: the only room that opens its door.
//!
//! Owns the library's lock and identifiers (`door`), its description of types (`types`), values in its
//! memory layout (`values`), what is read through it in this process (`direct`), the processes that do
//! the same elsewhere (`isolated`), and the choice between both (`read`): what the other rooms do not
//! know they leave to [`Library`]. Knows nothing of chunks, heaps and headers in the file.
//!
//! Order of its files: `pinned` (which file is meant, and complaints), `door`, `types` and `values`,
//! `isolated`, `direct`, `read`.

pub mod direct;
mod door;
pub mod isolated;
mod pinned;
mod read;
mod types;
mod values;

#[cfg(test)]
pub use door::open_dataset;
pub use door::{
    Elsewhere, Id, check, locked, native_type, open_file, within_file, within_file_noting,
};
pub use pinned::{Complaint, Pinned};
pub use read::Library;
pub use types::type_of;
pub use values::{Values, extent, text_of, volume};
