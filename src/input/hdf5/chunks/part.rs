//! What a region takes of each chunk that it meets: arithmetic, by which nothing is read.

use super::table::{Grid, Table};
use super::tree::Chunk;
use crate::base::{Dims, Region};
use crate::input::hdf5::elements::Runs;

/// What of one chunk a region takes.
pub struct Part {
    pub index: u64,
    /// `None` when it was never written.
    pub chunk: Option<Chunk>,
    /// Within the chunk.
    pub inner: Region,
    /// Where it begins within the region.
    target: Dims,
    /// Offsets in the chunk and lengths in bytes, when it is one run in both chunk and output.
    pub run: Option<(u64, u64)>,
}

impl Part {
    /// Those of all chunks that a region meets, in row-major order.
    pub fn all(
        grid: &Grid,
        table: &Table,
        region: &Region,
        element_bytes: usize,
    ) -> impl Iterator<Item = Self> {
        let rank = region.rank();
        let chunk = &grid.chunk;
        let first: Dims = (0..rank).map(|d| region.start()[d] / chunk[d]).collect();
        let last: Dims = (0..rank).map(|d| (region.range(d).end - 1) / chunk[d]).collect();
        let count: u64 = (0..rank).map(|d| last[d] - first[d] + 1).product();
        let mut at = first.clone();
        (0..count).map(move |_| {
            let (mut start, mut len, mut target) = (Dims::new(), Dims::new(), Dims::new());
            for d in 0..rank {
                let origin = at[d] * chunk[d];
                let from = region.start()[d].max(origin);
                let to = region.range(d).end.min(origin + chunk[d]);
                start.push(from - origin);
                len.push(to - from);
                target.push(from - region.start()[d]);
            }
            let index = grid.number(&at);
            let inner = Region::new(start, len);
            let run = run(grid, region, &inner, element_bytes);
            let part = Self { index, chunk: table.get(index), inner, target, run };
            for d in (0..rank).rev() {
                at[d] += 1;
                if at[d] <= last[d] {
                    break;
                }
                at[d] = first[d];
            }
            part
        })
    }

    /// Its place in the region.
    pub fn target(&self) -> Region {
        Region::new(self.target.clone(), self.inner.len())
    }

    /// Length of the run.
    pub fn run_bytes(&self) -> u64 {
        self.run.map_or(0, |(_, len)| len)
    }
}

/// Offset in the chunk and length of a part, when it is one run both there and in the output.
fn run(grid: &Grid, region: &Region, inner: &Region, element_bytes: usize) -> Option<(u64, u64)> {
    let in_chunk = Runs::new(&grid.chunk, inner, element_bytes);
    let target = Region::new(inner.start(), inner.len());
    let in_output = Runs::new(region.len(), &target, element_bytes);
    (in_chunk.count == 1 && in_output.count == 1).then(|| (in_chunk.start(0), in_chunk.run_bytes))
}
