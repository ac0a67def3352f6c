//! A rectangle of an array as an array.

use std::sync::Arc;

use super::{ArraySource, SharedArray, StoredChunk};
use crate::base::{DType, Dims, ReadError, Region};

/// `source[region]`.
#[derive(Debug)]
pub struct Slice {
    source: SharedArray,
    window: Region,
}

impl Slice {
    /// The part of `source` inside `window`, which must fit.
    #[must_use]
    pub fn shared(source: SharedArray, window: Region) -> SharedArray {
        debug_assert!(window.fits(source.shape()));
        if window == Region::whole(source.shape()) {
            return source;
        }
        Arc::new(Self { source, window })
    }

    fn outer(&self, region: &Region) -> Region {
        let start: Dims = region
            .start()
            .iter()
            .zip(self.window.start())
            .map(|(inner, base)| inner + base)
            .collect();
        Region::new(start, Dims::from(region.len()))
    }
}

impl ArraySource for Slice {
    fn dtype(&self) -> DType {
        self.source.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.window.len()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.source.read_into(&self.outer(region), out)
    }

    fn grain(&self) -> Option<&[u64]> {
        self.source.grain()
    }

    fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        self.source.stored_chunk(&self.outer(region))
    }
}
