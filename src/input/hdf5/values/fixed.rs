//! Numeric and boolean datasets as lazy arrays.

use std::ops::Range;

use super::storage::Storage;
use crate::array::{ArraySource, StoredChunk};
use crate::base::{DType, ReadError, Region};
use crate::input::hdf5::elements::swap_in_place;

/// A dataset of numbers or booleans.
#[derive(Debug)]
pub struct FixedArray {
    storage: Storage,
    dtype: DType,
    swap_bytes: usize,
}

impl FixedArray {
    pub const fn new(storage: Storage, dtype: DType, swap_bytes: usize) -> Self {
        Self { storage, dtype, swap_bytes }
    }
}

impl ArraySource for FixedArray {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.storage.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.storage.read(region, out)?;
        swap_in_place(out, self.swap_bytes);
        Ok(())
    }

    fn grain(&self) -> Option<&[u64]> {
        self.storage.grain()
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        self.storage.decoded_with(element)
    }

    fn is_stored_as_is(&self) -> bool {
        self.swap_bytes <= 1 && self.storage.is_stored_as_is()
    }

    fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        if self.swap_bytes > 1 { Ok(None) } else { self.storage.stored_chunk(region) }
    }
}
