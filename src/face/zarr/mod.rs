//! The zarr face: a [`Group`](crate::tree::Group) as a zarr v2 or v3 store with consolidated metadata.
//!
//! Chunks of numbers are uncompressed and of fixed size, so their lengths are arithmetic and any
//! range of one is computed alone. Chunks of text are made when they are looked up. What the arrays
//! are and where they come from is unknown here.

mod build;
mod geometry;
mod layout;
mod meta;
mod names;
mod node;
mod options;
mod record;
mod shard;
mod store;
#[cfg(test)]
mod tests;
mod text;

pub use geometry::Geometry;
pub use options::{ZarrFormat, ZarrOptions};
pub use shard::encode_index;
pub use store::ZarrFace;
