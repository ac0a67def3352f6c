//! An array that stores chunks as a file would, so that compositions are tried with every hint that
//! a source can give: grain, what is decoded together, encoded bytes of a chunk.

use std::ops::Range;

use crate::array::memory::copy_region;
use crate::array::{ArraySource, StoredChunk};
use crate::base::{DType, Dims, ReadError, Region};

#[derive(Debug)]
pub(super) struct Stored {
    pub(super) dtype: DType,
    pub(super) shape: Dims,
    pub(super) chunk: Dims,
    pub(super) whole: Vec<u8>,
}

impl ArraySource for Stored {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        assert!(region.fits(&self.shape), "{region:?} is beyond {:?}", self.shape);
        assert_eq!(out.len() as u64, region.num_elements() * self.dtype.size_bytes() as u64);
        copy_region(&self.whole, &self.shape, region, self.dtype.size_bytes(), out);
        Ok(())
    }

    fn grain(&self) -> Option<&[u64]> {
        Some(&self.chunk)
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        let start = element / self.chunk[0] * self.chunk[0];
        Some(start..(start + self.chunk[0]).min(self.shape[0]))
    }

    fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        let whole_chunk = region.len() == &self.chunk[..]
            && region.start().iter().zip(&self.chunk).all(|(start, chunk)| start % chunk == 0);
        if !whole_chunk || !region.fits(&self.shape) {
            return Ok(None);
        }
        let mut bytes = vec![0; region.num_elements() as usize * self.dtype.size_bytes()];
        self.read_into(region, &mut bytes)?;
        Ok(Some(StoredChunk { filters: Vec::new(), bytes }))
    }
}
