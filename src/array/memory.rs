//! Arrays that are already in memory.

use std::ops::Range;
use std::sync::Arc;

use super::{ArraySource, SharedArray, SharedText, TextBuf, TextSource};
use crate::base::{DType, Dims, ReadError, Region};

/// A fixed-width array in memory.
#[derive(Debug, Clone)]
pub struct MemoryArray {
    dtype: DType,
    shape: Dims,
    bytes: Arc<[u8]>,
}

impl MemoryArray {
    /// An array over row-major little-endian `bytes`, whose length must match.
    #[must_use]
    pub fn new(dtype: DType, shape: &[u64], bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        debug_assert_eq!(
            bytes.len() as u64,
            shape.iter().product::<u64>() * dtype.size_bytes() as u64
        );
        Self { dtype, shape: shape.into(), bytes }
    }

    /// The same, shared.
    #[must_use]
    pub fn shared(dtype: DType, shape: &[u64], bytes: impl Into<Arc<[u8]>>) -> SharedArray {
        Arc::new(Self::new(dtype, shape, bytes))
    }
}

impl ArraySource for MemoryArray {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        copy_region(&self.bytes, &self.shape, region, self.dtype.size_bytes(), out);
        Ok(())
    }
}

/// Copies `region` of a row-major array with this `shape` out of `bytes` into `out`.
pub(crate) fn copy_region(
    bytes: &[u8],
    shape: &[u64],
    region: &Region,
    element_bytes: usize,
    out: &mut [u8],
) {
    if region.is_empty() {
        return;
    }
    // Axes from `split` on are taken whole, so each run spans them all.
    let mut split = shape.len();
    while split > 0 && region.len()[split - 1] == shape[split - 1] {
        split -= 1;
    }
    let run_axis = split.saturating_sub(1);
    let run_elements: u64 = region.len()[run_axis.min(shape.len())..].iter().product();
    let run_bytes = run_elements as usize * element_bytes;
    let mut index: Dims = region.start().into();
    for chunk in out.chunks_exact_mut(run_bytes) {
        let at = index.iter().zip(shape).fold(0, |at, (i, extent)| at * extent + i) as usize
            * element_bytes;
        chunk.copy_from_slice(&bytes[at..at + run_bytes]);
        for axis in (0..run_axis).rev() {
            index[axis] += 1;
            if index[axis] < region.range(axis).end {
                break;
            }
            index[axis] = region.start()[axis];
        }
    }
}

/// Strings in memory.
#[derive(Debug, Clone)]
pub struct MemoryText {
    shape: Dims,
    text: Arc<TextBuf>,
}

impl MemoryText {
    /// An array over strings in row-major order, whose number must match.
    #[must_use]
    pub fn new(shape: &[u64], text: impl Into<Arc<TextBuf>>) -> Self {
        let text = text.into();
        debug_assert_eq!(text.len() as u64, shape.iter().product::<u64>());
        Self { shape: shape.into(), text }
    }

    /// The same, one-dimensional and shared.
    #[must_use]
    pub fn line(text: impl Into<Arc<TextBuf>>) -> SharedText {
        let text = text.into();
        Arc::new(Self::new(&[text.len() as u64], text))
    }
}

impl TextSource for MemoryText {
    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        for index in range {
            out.push(self.text.get(index as usize));
        }
        Ok(())
    }
}
