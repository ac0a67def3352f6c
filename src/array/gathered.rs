//! An array with one axis reordered, thinned, or widened with a fill value.

use std::sync::Arc;

use super::batches::batches;
use super::scratch::with_scratch;
use super::{ArraySource, SharedArray};
use crate::base::indexer::MISSING;
use crate::base::{DType, Dims, Indexer, ReadError, Region};

/// `pandas.api.extensions.take(source, indexer, axis, allow_fill=True, fill_value)`.
#[derive(Debug)]
pub struct Gathered {
    source: SharedArray,
    shape: Dims,
    axis: usize,
    positions: Arc<[u32]>,
    fill: Vec<u8>,
}

impl Gathered {
    /// Gathers `axis` of `source` by `indexer`, whose source length must be the axis's extent;
    /// `fill` holds the bytes of one element for positions that are missing.
    #[must_use]
    pub fn shared(source: SharedArray, axis: usize, indexer: &Indexer, fill: &[u8]) -> SharedArray {
        debug_assert_eq!(indexer.source_len(), source.shape()[axis]);
        debug_assert_eq!(fill.len(), source.dtype().size_bytes());
        let Some(positions) = indexer.positions() else { return source };
        let mut shape: Dims = source.shape().into();
        shape[axis] = positions.len() as u64;
        Arc::new(Self {
            shape,
            axis,
            positions: Arc::clone(positions),
            fill: fill.to_vec(),
            source,
        })
    }

    /// The source region that covers the positions of a target range; `None` when all are missing.
    fn cover(&self, positions: &[u32], region: &Region) -> Option<Region> {
        let present = positions.iter().copied().filter(|&p| p != MISSING);
        let (low, high) = present.fold((u32::MAX, None), |(low, high), p| {
            (low.min(p), Some(high.map_or(p, |h: u32| h.max(p))))
        });
        let high = high?;
        Some(region.with_range(self.axis, u64::from(low)..u64::from(high) + 1))
    }

    /// Axis 0: runs of consecutive positions are read where they belong.
    fn read_rows(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let positions = self.wanted(region);
        let row_bytes = region.len()[1..].iter().product::<u64>() as usize * self.fill.len();
        let mut row = 0;
        while row < positions.len() {
            let first = positions[row];
            let mut end = row + 1;
            while end < positions.len() && continues(positions[end - 1], positions[end]) {
                end += 1;
            }
            let target = &mut out[row * row_bytes..end * row_bytes];
            if first == MISSING {
                fill_with(target, &self.fill);
            } else {
                let first = u64::from(first);
                let run = region.with_range(0, first..first + (end - row) as u64);
                self.source.read_into(&run, target)?;
            }
            row = end;
        }
        Ok(())
    }

    fn wanted(&self, region: &Region) -> &[u32] {
        let range = region.range(self.axis);
        &self.positions[range.start as usize..range.end as usize]
    }

    fn read_batch(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let positions = self.wanted(region);
        let Some(cover) = self.cover(positions, region) else {
            fill_with(out, &self.fill);
            return Ok(());
        };
        let len_bytes = cover.num_elements() as usize * self.fill.len();
        let low = cover.start()[self.axis] as u32;
        let span = cover.len()[self.axis] as usize;
        let inner = region.len()[self.axis + 1..].iter().product::<u64>() as usize;
        with_scratch(len_bytes, |buffer| {
            self.source.read_into(&cover, buffer)?;
            match inner * self.fill.len() {
                1 => gather::<1>(buffer, span, positions, low, &self.fill, out),
                2 => gather::<2>(buffer, span, positions, low, &self.fill, out),
                4 => gather::<4>(buffer, span, positions, low, &self.fill, out),
                8 => gather::<8>(buffer, span, positions, low, &self.fill, out),
                16 => gather::<16>(buffer, span, positions, low, &self.fill, out),
                unit => gather_units(buffer, span, positions, low, &self.fill, unit, out),
            }
            Ok(())
        })
    }
}

const fn continues(before: u32, position: u32) -> bool {
    if before == MISSING { position == MISSING } else { position == before + 1 }
}

/// Repeats the bytes of one element over `out`.
pub(super) fn fill_with(out: &mut [u8], element: &[u8]) {
    if element.iter().all(|&byte| byte == element[0]) {
        out.fill(element[0]);
    } else {
        for target in out.chunks_exact_mut(element.len()) {
            target.copy_from_slice(element);
        }
    }
}

/// Gathers units of `N` bytes; rows of `span` units in, rows of `positions.len()` units out.
fn gather<const N: usize>(
    source: &[u8],
    span: usize,
    positions: &[u32],
    low: u32,
    fill: &[u8],
    out: &mut [u8],
) {
    let (source, _) = source.as_chunks::<N>();
    let (out, _) = out.as_chunks_mut::<N>();
    let mut blank = [0; N];
    fill_with(&mut blank, fill);
    for (row, target) in source.chunks_exact(span).zip(out.chunks_exact_mut(positions.len())) {
        for (unit, &position) in target.iter_mut().zip(positions) {
            // MISSING - low may alias a position only past the end of the row: `get` rejects it.
            *unit = row.get(position.wrapping_sub(low) as usize).copied().unwrap_or(blank);
        }
    }
}

fn gather_units(
    source: &[u8],
    span: usize,
    positions: &[u32],
    low: u32,
    fill: &[u8],
    unit_bytes: usize,
    out: &mut [u8],
) {
    let rows = source.chunks_exact(span * unit_bytes);
    for (row, target) in rows.zip(out.chunks_exact_mut(positions.len() * unit_bytes)) {
        for (unit, &position) in target.chunks_exact_mut(unit_bytes).zip(positions) {
            if position == MISSING {
                fill_with(unit, fill);
            } else {
                let at = (position - low) as usize * unit_bytes;
                unit.copy_from_slice(&row[at..at + unit_bytes]);
            }
        }
    }
}

impl ArraySource for Gathered {
    fn dtype(&self) -> DType {
        self.source.dtype()
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        if region.is_empty() {
            return Ok(());
        }
        if self.axis == 0 {
            return self.read_rows(region, out);
        }
        // The source may be wider than the region, so batches are measured by its extent.
        let widest = self.source.shape()[self.axis].div_ceil(region.len()[self.axis]).max(1);
        let mut at = 0;
        for batch in batches(region, self.fill.len() * widest as usize) {
            let len_bytes = batch.num_elements() as usize * self.fill.len();
            self.read_batch(&batch, &mut out[at..at + len_bytes])?;
            at += len_bytes;
        }
        Ok(())
    }

    fn grain(&self) -> Option<&[u64]> {
        self.source.grain()
    }
}
