//! What a user may ask of a store.

use super::geometry::Geometry;

/// Version of the zarr format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ZarrFormat {
    /// Version 2.
    V2,
    /// Version 3.
    #[default]
    V3,
}

/// How a store is presented.
#[derive(Debug, Clone, Copy, Default)]
pub struct ZarrOptions {
    /// Format version.
    pub format: ZarrFormat,
    /// Chunk sizes. Shards exist in version 3 only.
    pub geometry: Geometry,
}
