//! Regions of arrays of fixed-width elements, put together from chunks.
//!
//! Whole chunks are decoded straight into the caller's buffer, in parallel; chunks of which only a
//! part is wanted come through the block cache; and of chunks that are stored as they are, only the
//! wanted bytes are read.

use std::ops::Range;

use rayon::prelude::*;

use super::chunks::Chunks;
use crate::array::ArraySource;
use crate::base::parallel::{is_sequential, try_each};
use crate::base::{DType, Dims, ReadError, Region};
use crate::input::zarr::encoding::{Element, to_little_endian, zeroed};

/// Reads below this size are not worth a second thread.
const MIN_PARALLEL_BYTES: usize = 128 << 10;

/// Of a packed chunk, a part in several runs is read in one go, with what lies between the runs,
/// up to this size.
const MAX_SPAN_BYTES: usize = 4 << 20;

/// An array of fixed-width elements of any kind, read as bytes.
#[derive(Debug)]
pub struct Elements {
    pub chunks: Chunks,
    element_bytes: usize,
}

/// A numeric array.
#[derive(Debug)]
pub struct Numbers {
    elements: Elements,
    dtype: DType,
    /// The chunk, cut to the array.
    grain: Dims,
}

impl Numbers {
    /// `None` when the elements are not numbers.
    pub fn new(chunks: Chunks) -> Option<Self> {
        let Element::Number { dtype, .. } = chunks.header.element else { return None };
        let header = &chunks.header;
        let grain = header.chunk_shape.iter().zip(&header.shape);
        let grain = grain.map(|(&chunk, &extent)| chunk.min(extent.max(1))).collect();
        Some(Self { elements: Elements::new(chunks), dtype, grain })
    }
}

impl ArraySource for Numbers {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.elements.chunks.header.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.elements.read_into(region, out)
    }

    fn grain(&self) -> Option<&[u64]> {
        // Nobody can align to what does not fit into memory.
        (!self.grain.is_empty() && !self.elements.chunks.is_huge()).then_some(&self.grain)
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        let header = &self.elements.chunks.header;
        match (self.grain.as_slice(), header.shape.as_slice()) {
            (&[len], &[extent]) if !self.elements.chunks.is_laid_out() => {
                let start = element / len * len;
                Some(start..start.saturating_add(len).min(extent))
            }
            _ => None,
        }
    }
}

/// A box of bytes: where a part of it starts, and how large the whole is.
struct Window<'a> {
    shape: &'a [u64],
    start: &'a [u64],
}

impl Elements {
    pub fn new(chunks: Chunks) -> Self {
        let element_bytes = chunks.header.element.size_bytes().unwrap_or(0);
        Self { chunks, element_bytes }
    }

    /// Fills all of `out` with `region`, row-major; numbers little-endian, other elements as stored.
    pub fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        debug_assert!(region.fits(&self.chunks.header.shape));
        debug_assert_eq!(out.len() as u64, region.num_elements() * self.element_bytes as u64);
        if out.is_empty() {
            return Ok(());
        }
        if region.rank() == 0 {
            return self.chunks.decode_into(&[], out);
        }
        let mut bands = self.bands(region, out);
        if let [(band, out)] = bands.as_mut_slice() {
            return self.read_band(band, out);
        }
        if region.num_elements() as usize * self.element_bytes < MIN_PARALLEL_BYTES {
            return bands.into_iter().try_for_each(|(band, out)| self.read_band(&band, out));
        }
        try_each(bands, |(band, out)| self.read_band(&band, out))
    }

    /// Cuts a region where the chunks along the first axis meet: each part is one piece of `out`.
    fn bands<'a>(&self, region: &Region, mut out: &'a mut [u8]) -> Vec<(Region, &'a mut [u8])> {
        let extent = self.chunks.header.chunk_shape[0];
        let row_bytes = out.len() / region.len()[0] as usize;
        let range = region.range(0);
        let mut bands = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let end = ((start / extent + 1).saturating_mul(extent)).min(range.end);
            let (band, rest) =
                std::mem::take(&mut out).split_at_mut((end - start) as usize * row_bytes);
            bands.push((region.with_range(0, start..end), band));
            out = rest;
            start = end;
        }
        bands
    }

    /// Reads a region that lies within one row of chunks.
    fn read_band(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let pieces = self.pieces(region);
        if let [(index, piece)] = pieces.as_slice() {
            return self.read_piece(index, piece, out);
        }
        // Pieces interleave in `out`, so they are decoded apart, a few at a time, and then woven in.
        let at_once = if is_sequential() || out.len() < MIN_PARALLEL_BYTES {
            1
        } else {
            rayon::current_num_threads()
        };
        for group in pieces.chunks(at_once.max(1)) {
            let read = |(index, piece): &(Dims, Region)| {
                let len = piece.num_elements() as usize * self.element_bytes;
                let mut bytes = zeroed(len).map_err(|why| self.chunks.place.corrupt(why))?;
                self.read_piece(index, piece, &mut bytes).map(|()| bytes)
            };
            let parts: Vec<Vec<u8>> = if group.len() == 1 {
                group.iter().map(read).collect::<Result<_, _>>()?
            } else {
                group.par_iter().map(read).collect::<Result<_, _>>()?
            };
            for ((_, piece), bytes) in group.iter().zip(&parts) {
                let start: Dims =
                    piece.start().iter().zip(region.start()).map(|(a, b)| a - b).collect();
                let zeros = Dims::from_elem(0, start.len());
                let from = Window { shape: piece.len(), start: &zeros };
                let to = Window { shape: region.len(), start: &start };
                copy_box(bytes, &from, out, &to, piece.len(), self.element_bytes);
            }
        }
        Ok(())
    }

    /// The chunks that a region touches, and the part that it wants of each.
    fn pieces(&self, region: &Region) -> Vec<(Dims, Region)> {
        let chunk_shape = &self.chunks.header.chunk_shape;
        let rank = region.rank();
        let first: Dims = (0..rank).map(|d| region.start()[d] / chunk_shape[d]).collect();
        let last: Dims = (0..rank).map(|d| (region.range(d).end - 1) / chunk_shape[d]).collect();
        let mut pieces = Vec::new();
        let mut index = first.clone();
        loop {
            let mut start = Dims::new();
            let mut len = Dims::new();
            for d in 0..rank {
                let chunk_start = index[d] * chunk_shape[d];
                let range = region.range(d);
                let from = range.start.max(chunk_start);
                start.push(from);
                len.push(range.end.min(chunk_start.saturating_add(chunk_shape[d])) - from);
            }
            pieces.push((index.clone(), Region::new(start, len)));
            let Some(axis) = (0..rank).rev().find(|&d| index[d] < last[d]) else { return pieces };
            index[axis] += 1;
            index[axis + 1..].copy_from_slice(&first[axis + 1..]);
        }
    }

    /// Reads a part of one chunk.
    fn read_piece(&self, index: &[u64], piece: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let header = &self.chunks.header;
        let chunk_shape = &header.chunk_shape;
        if piece.len() == chunk_shape.as_slice() && !self.chunks.is_huge() {
            return self.chunks.decode_into(index, out);
        }
        let start: Dims =
            (0..piece.rank()).map(|d| piece.start()[d] - index[d] * chunk_shape[d]).collect();
        if self.chunks.is_laid_out() {
            return self.read_packed(index, &start, piece.len(), out);
        }
        // All of a chunk that reaches over the array's edge: nobody will want the rest of it.
        let is_all = (0..piece.rank()).all(|d| {
            start[d] == 0
                && piece.range(d).end == header.shape[d].min(piece.start()[d] + chunk_shape[d])
        });
        let decoded;
        let block;
        let bytes: &[u8] = if is_all {
            decoded = self.chunks.decode(index)?;
            &decoded
        } else {
            block = self.chunks.block(index)?;
            &block
        };
        let zeros = Dims::from_elem(0, start.len());
        let from = Window { shape: chunk_shape, start: &start };
        let to = Window { shape: piece.len(), start: &zeros };
        copy_box(bytes, &from, out, &to, piece.len(), self.element_bytes);
        Ok(())
    }

    /// Reads a part of a chunk whose stored bytes are its elements, or that was decoded to disk.
    fn read_packed(
        &self,
        index: &[u64],
        start: &[u64],
        len: &[u64],
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let Some(stored) = self.chunks.laid_out(index)? else {
            self.chunks.fill(out);
            return Ok(());
        };
        let shape = &self.chunks.header.chunk_shape;
        let whole = self.chunks.num_elements().saturating_mul(self.element_bytes as u64);
        if stored.len_bytes() != whole {
            let found = stored.len_bytes();
            let what = format!("a chunk holds {found} bytes, expected {whole}");
            return Err(self.chunks.place.corrupt(what));
        }
        let offset_of = |index: &[u64]| {
            index.iter().zip(shape).fold(0, |at, (i, extent)| at * extent + i)
                * self.element_bytes as u64
        };
        let last: Dims = start.iter().zip(len).map(|(start, len)| start + len - 1).collect();
        let first = offset_of(start);
        let span = (offset_of(&last) - first) as usize + self.element_bytes;
        if span == out.len() {
            stored.read_exact_at(first, out)?;
        } else if span <= MAX_SPAN_BYTES {
            let mut bytes = zeroed(span).map_err(|why| self.chunks.place.corrupt(why))?;
            stored.read_exact_at(first, &mut bytes)?;
            let zeros = Dims::from_elem(0, start.len());
            let from = Window { shape, start: &zeros };
            let to = Window { shape: len, start: &zeros };
            copy_box(&bytes, &from, out, &to, len, self.element_bytes);
        } else {
            // Too far apart: halves of the longest of the outer axes.
            let axis = (0..len.len()).find(|&d| len[d] > 1).unwrap_or(0);
            return self.read_packed_rows(index, start, len, axis, out);
        }
        to_little_endian(&self.chunks.header.element, out);
        Ok(())
    }

    /// [`Self::read_packed`] in steps along the outermost axis that has several positions.
    fn read_packed_rows(
        &self,
        index: &[u64],
        start: &[u64],
        len: &[u64],
        axis: usize,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let step_bytes = out.len() / len[axis] as usize;
        let (mut start, mut one): (Dims, Dims) = (start.into(), len.into());
        let stride: u64 = self.chunks.header.chunk_shape[axis + 1..].iter().product();
        let stride_bytes = stride as usize * self.element_bytes;
        let step = (MAX_SPAN_BYTES / stride_bytes.max(1)).max(1) as u64;
        let end = start[axis] + len[axis];
        let mut out = out;
        while start[axis] < end {
            one[axis] = step.min(end - start[axis]);
            let (part, rest) =
                std::mem::take(&mut out).split_at_mut(one[axis] as usize * step_bytes);
            self.read_packed(index, &start, &one, part)?;
            out = rest;
            start[axis] += one[axis];
        }
        Ok(())
    }
}

/// Copies a box of extent `len` from one row-major array into another.
fn copy_box(
    source: &[u8],
    from: &Window<'_>,
    target: &mut [u8],
    to: &Window<'_>,
    len: &[u64],
    element_bytes: usize,
) {
    let rank = len.len();
    // Axes that both arrays hold whole join the run of the axis before them.
    let mut run_axis = rank.saturating_sub(1);
    while run_axis > 0
        && len[run_axis] == from.shape[run_axis]
        && len[run_axis] == to.shape[run_axis]
    {
        run_axis -= 1;
    }
    let run_bytes = len[run_axis.min(rank)..].iter().product::<u64>() as usize * element_bytes;
    let num_runs: u64 = len[..run_axis].iter().product();
    let offset = |window: &Window<'_>, index: &[u64]| {
        let at = (0..rank).fold(0, |at, d| at * window.shape[d] + window.start[d] + index[d]);
        at as usize * element_bytes
    };
    let mut index = Dims::from_elem(0, rank);
    for _ in 0..num_runs {
        let (at, to_at) = (offset(from, &index), offset(to, &index));
        target[to_at..to_at + run_bytes].copy_from_slice(&source[at..at + run_bytes]);
        for axis in (0..run_axis).rev() {
            index[axis] += 1;
            if index[axis] < len[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}
