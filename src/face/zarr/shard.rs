//! Zarr v3 shards (`sharding_indexed`): chunks one after another, then their index.
//!
//! Inner chunks of a face are uncompressed and lie in row-major order of the shard's grid, so the
//! index and the file's length are arithmetic. Inner chunks wholly outside of the array are not
//! stored (sharding specification, "Empty chunks"). The index ends with its CRC-32C.

use std::ops::Range;

use crate::array::ArraySource;
use crate::base::{Dims, ReadError};
use crate::face::Block;

/// Marks a chunk that is not stored, in both numbers of its index entry.
const NOT_STORED: u64 = u64::MAX;

/// One shard of an array.
#[derive(Debug)]
pub struct Shard<'a> {
    array: &'a dyn ArraySource,
    start: Dims,
    inner: &'a [u64],
    /// Chunks along each axis, stored or not.
    grid: Dims,
    /// Chunks along each axis that lie in the array at least in part.
    stored: Dims,
}

impl<'a> Shard<'a> {
    /// The shard of extent `file` that begins at `start`, of chunks of extent `inner`.
    #[must_use]
    pub fn new(array: &'a dyn ArraySource, start: Dims, file: &[u64], inner: &'a [u64]) -> Self {
        let grid: Dims = file.iter().zip(inner).map(|(file, inner)| file / inner).collect();
        let stored = (0..grid.len())
            .map(|d| array.shape()[d].saturating_sub(start[d]).div_ceil(inner[d]).min(grid[d]))
            .collect();
        Self { array, start, inner, grid, stored }
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.data_bytes() + index_bytes(self.grid.iter().product())
    }

    fn chunk_bytes(&self) -> u64 {
        self.inner.iter().product::<u64>() * self.array.dtype().size_bytes() as u64
    }

    fn data_bytes(&self) -> u64 {
        self.stored.iter().product::<u64>() * self.chunk_bytes()
    }

    /// Fills `out` with the bytes from `at` on, all of which must lie inside the file.
    ///
    /// # Errors
    /// Those of the array.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let (chunk_bytes, data_bytes) = (self.chunk_bytes(), self.data_bytes());
        let mut at = at;
        let mut rest = out;
        while at < data_bytes && !rest.is_empty() {
            let inside = at % chunk_bytes;
            let len = (chunk_bytes - inside).min(rest.len() as u64) as usize;
            let (part, tail) = rest.split_at_mut(len);
            self.chunk(at / chunk_bytes).read_at(inside, part)?;
            at += len as u64;
            rest = tail;
        }
        if !rest.is_empty() {
            let from = (at - data_bytes) as usize;
            rest.copy_from_slice(&self.index()[from..from + rest.len()]);
        }
        Ok(())
    }

    /// The `n`-th stored chunk.
    fn chunk(&self, n: u64) -> Block<'a> {
        let mut rest = n;
        let mut start = self.start.clone();
        for d in (0..start.len()).rev() {
            start[d] += rest % self.stored[d] * self.inner[d];
            rest /= self.stored[d];
        }
        Block::new(self.array, start, self.inner.into())
    }

    fn index(&self) -> Vec<u8> {
        encode_index(&self.chunk_ranges())
    }

    /// Where each chunk of the grid lies in the file, in bytes; `None` for one that is not stored.
    #[must_use]
    pub fn chunk_ranges(&self) -> Vec<Option<Range<u64>>> {
        let num: u64 = self.grid.iter().product();
        let chunk_bytes = self.chunk_bytes();
        let mut ranges = Vec::with_capacity(num as usize);
        for n in 0..num {
            let (mut rest, mut place, mut stride, mut is_stored) = (n, 0, 1, true);
            for d in (0..self.grid.len()).rev() {
                let at = rest % self.grid[d];
                rest /= self.grid[d];
                is_stored &= at < self.stored[d];
                place += at * stride;
                stride *= self.stored[d];
            }
            ranges.push(is_stored.then(|| place * chunk_bytes..(place + 1) * chunk_bytes));
        }
        ranges
    }
}

/// Length in bytes of the index of so many chunks: two numbers each, and the checksum.
#[must_use]
pub fn index_bytes(num_chunks: u64) -> u64 {
    num_chunks * 16 + 4
}

/// What stands at the end of a shard: where each chunk lies in the file.
#[must_use]
pub fn encode_index(ranges: &[Option<Range<u64>>]) -> Vec<u8> {
    let mut index = Vec::with_capacity(index_bytes(ranges.len() as u64) as usize);
    for range in ranges {
        let (start, len) = range
            .as_ref()
            .map_or((NOT_STORED, NOT_STORED), |range| (range.start, range.end - range.start));
        index.extend_from_slice(&start.to_le_bytes());
        index.extend_from_slice(&len.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&index);
    index.extend_from_slice(&checksum.to_le_bytes());
    index
}
