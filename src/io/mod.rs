//! Bytes of sources at given offsets: the seam through which every format reads, its implementation for
//! local files, a byte-budgeted cache of blocks, and the identity by which a changed source is noticed.
//!
//! Knows files and bytes; no file format.
//!
//! Order of its modules: `sync`; `blocks`, `clock`, `files` and `identity`; `spill`, `standing`; `source` (the traits);
//! `context`; `local`. Tests have two more sources in `testing`: one that counts, and one that fails.

mod blocks;
mod clock;
mod context;
mod files;
mod identity;
mod local;
mod source;
mod spill;
mod standing;
mod sync;
#[cfg(test)]
pub(crate) mod testing;

pub use blocks::{Block, BlockCache, BlockKey, Weighed};
pub use clock::{Clock, Moment};
pub use context::{Context, External, Limits, Storage};
pub use identity::{Identity, ctime_ns, mtime_ns};
pub use source::{
    Directory, FOLLOW_HINT, Found, Listing, Outside, Source, read_metadata_vec_at, read_vec_at,
};
pub use spill::{Spilled, Stream, check_whole_chunk, spill_failed, temp_dir};
pub use standing::start_of;
