//! The contract of fixed-width arrays.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use super::memory_limit::zeroed;
use super::text::SharedText;
use crate::base::{DType, ReadError, Region};

/// A shared lazy array.
pub type SharedArray = Arc<dyn ArraySource>;

/// A lazy, immutable, fixed-width array.
///
/// What holds: `dtype` and `shape` never change and cost nothing; any region that fits `shape` can
/// be read, alone, from any thread, in any order, and equals the same slice of the whole.
pub trait ArraySource: Debug + Send + Sync {
    /// Type of one element.
    fn dtype(&self) -> DType;

    /// Extent, one a dimension; empty for a scalar.
    fn shape(&self) -> &[u64];

    /// Fills all of `out` with `region`: row-major, little-endian.
    ///
    /// `out` must be exactly `region.num_elements() * dtype().size_bytes()` long and `region` must
    /// fit `shape()`; anything else is a defect of the caller and may panic in debug builds.
    ///
    /// # Errors
    /// A source that failed, changed or contradicts itself. `out` is unspecified then.
    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError>;

    /// Shape of the unit that the source stores and decodes at once, when it has one. Readers that
    /// are free to choose align their reads to it. `None`: any region is as cheap as its bytes.
    fn grain(&self) -> Option<&[u64]> {
        None
    }

    /// Of an array of rank 1: the elements that are decoded together with `element`, itself among
    /// them, so that reading them as well costs little. `None` (the default) when nothing is
    /// decoded, or when it is not known.
    fn decoded_with(&self, _element: u64) -> Option<Range<u64>> {
        None
    }

    /// True when reading is no more than copying bytes that are stored as they are, so that keeping
    /// a second copy of them gains little. False by default.
    fn is_stored_as_is(&self) -> bool {
        false
    }

    /// The encoded bytes of `region`, when it is exactly one stored chunk and no element needs to
    /// change; `None` otherwise (the default).
    ///
    /// # Errors
    /// As [`Self::read_into`].
    fn stored_chunk(&self, _region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        Ok(None)
    }
}

/// The encoded bytes of exactly one stored chunk, so that a writer with the same encoding can copy
/// it without decoding.
#[derive(Debug, Clone)]
pub struct StoredChunk {
    /// Filters that were applied, first to last.
    pub filters: Vec<ChunkFilter>,
    /// The bytes as stored.
    pub bytes: Vec<u8>,
}

/// A filter of a stored chunk, as far as a writer may pass it through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkFilter {
    /// HDF5 filter 2, byte shuffle with this element size.
    Shuffle {
        /// Size of one element.
        element_bytes: usize,
    },
    /// HDF5 filter 1, zlib stream.
    Deflate,
}

/// An array of either kind.
#[derive(Debug, Clone)]
pub enum Array {
    /// Fixed-width elements.
    Fixed(SharedArray),
    /// Variable-length text.
    Text(SharedText),
}

impl Array {
    /// Extent, one a dimension; empty for a scalar.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        match self {
            Self::Fixed(array) => array.shape(),
            Self::Text(text) => text.shape(),
        }
    }
}

/// Bytes of all elements; `u64::MAX` when they are more than that, for a shape is what a file claims.
#[must_use]
pub fn len_bytes(array: &dyn ArraySource) -> u64 {
    let element_bytes = array.dtype().size_bytes() as u64;
    array.shape().iter().fold(element_bytes, |bytes, &len| bytes.saturating_mul(len))
}

/// Reads a region into a new buffer.
///
/// # Errors
/// As [`ArraySource::read_into`].
pub fn read_vec(array: &dyn ArraySource, region: &Region) -> Result<Vec<u8>, ReadError> {
    let mut out = zeroed(region.num_elements(), array.dtype().size_bytes())?;
    array.read_into(region, &mut out)?;
    Ok(out)
}

/// Reads all of an array into a new buffer.
///
/// # Errors
/// As [`ArraySource::read_into`].
pub fn read_all(array: &dyn ArraySource) -> Result<Vec<u8>, ReadError> {
    read_vec(array, &Region::whole(array.shape()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Filled;

    #[test]
    fn bytes_are_counted_as_far_as_they_can_be() {
        let bytes = |shape: &[u64]| len_bytes(&*Filled::shared(DType::F64, shape, &[0; 8]));
        assert_eq!(bytes(&[]), 8);
        assert_eq!(bytes(&[3, 5]), 120);
        assert_eq!(bytes(&[1 << 40, 1 << 40, 0]), 0);
        // Eight times this is 0 once more.
        assert_eq!(bytes(&[1 << 61]), u64::MAX);
        assert_eq!(bytes(&[1 << 40, 1 << 40]), u64::MAX);
    }
}
