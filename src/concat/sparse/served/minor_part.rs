//! One part of a minor-aligned stack: which of its entries belong to which merged major slice.

use std::ops::Range;

use crate::array::SharedArray;
use crate::base::{Indexer, ReadError};
use crate::concat::sparse::stored::Compressed;

/// Positions of `indptr` that are read along to make one read of two.
const GAP: u64 = 1 << 10;

/// See the module.
#[derive(Debug)]
pub struct MinorPart {
    /// First minor index.
    pub shift: u64,
    /// Extent along the minor axis.
    pub extent: u64,
    /// From merged major slices to the source's.
    pub majors: Indexer,
    /// The source, if it has entries, and its values in the dtype of the result.
    pub source: Option<(Compressed, SharedArray)>,
}

/// The entries of a part that belong to one major slice.
#[derive(Debug, Clone, Copy)]
pub enum Slice {
    /// Entries of the source.
    Stored { start: u64, len: u64 },
    /// One explicit value for each minor index.
    Filled { len: u64 },
}

impl Slice {
    /// Number of entries.
    pub const fn len(self) -> u64 {
        match self {
            Self::Stored { len, .. } | Self::Filled { len } => len,
        }
    }
}

impl MinorPart {
    /// Number of merged major slices that this part does not have.
    pub fn num_introduced(&self, num_major: u64) -> u64 {
        if self.source.is_none() {
            return num_major;
        }
        (0..num_major).filter(|&major| self.majors.get(major).is_none()).count() as u64
    }

    /// The entries of this part in a band of merged major slices.
    pub fn slices(&self, band: Range<u64>, filled: bool) -> Result<Vec<Slice>, ReadError> {
        let missing = Slice::Filled { len: if filled { self.extent } else { 0 } };
        let len = (band.end - band.start) as usize;
        let Some((matrix, _)) = &self.source else { return Ok(vec![missing; len]) };
        if self.majors.is_identity() {
            let offsets = matrix.offsets(band.start..band.end + 1)?;
            let pairs = offsets.windows(2);
            return Ok(pairs
                .map(|pair| Slice::Stored { start: pair[0], len: pair[1] - pair[0] })
                .collect());
        }
        let mut slices = vec![missing; len];
        let mut wanted: Vec<(u64, usize)> = band
            .enumerate()
            .filter_map(|(at, major)| Some((self.majors.get(major)?, at)))
            .collect();
        wanted.sort_unstable();
        let mut rest = wanted.as_slice();
        while let Some(&(first, _)) = rest.first() {
            let near = |pair: &[(u64, usize)]| pair[1].0 - pair[0].0 <= GAP;
            let count = 1 + rest.windows(2).take_while(|pair| near(pair)).count();
            let (run, tail) = rest.split_at(count);
            let last = run[count - 1].0;
            let offsets = matrix.offsets(first..last + 2)?;
            for &(major, at) in run {
                let local = (major - first) as usize;
                let start = offsets[local];
                slices[at] = Slice::Stored { start, len: offsets[local + 1] - start };
            }
            rest = tail;
        }
        Ok(slices)
    }
}
