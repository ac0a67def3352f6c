//! Arithmetic of elements in memory: the runs that a region consists of, fill values, byte order,
//! text. Knows neither files nor the library.

use crate::array::TextBuf;
use crate::base::{Dims, ReadError, Region};

/// Reads with holes between their pieces fetch the holes too while a piece and a hole are below this.
const SMALL_STRIDE_BYTES: u64 = 64 << 10;
/// Most bytes that such a read fetches at once.
const SPAN_BYTES: u64 = 1 << 20;

/// The contiguous runs of bytes that a region of a row-major array consists of, all equally long.
pub struct Runs<'a> {
    pub run_bytes: u64,
    pub count: u64,
    shape: &'a [u64],
    region: &'a Region,
    /// Axes before this one are walked, the others lie within a run.
    axis: usize,
    element_bytes: u64,
}

impl<'a> Runs<'a> {
    pub fn new(shape: &'a [u64], region: &'a Region, element_bytes: usize) -> Self {
        let mut axis = shape.len();
        while axis > 0 && region.len()[axis - 1] == shape[axis - 1] {
            axis -= 1;
        }
        let axis = axis.saturating_sub(1);
        let run_elements: u64 = region.len()[axis.min(shape.len())..].iter().product();
        let count = region.len()[..axis].iter().product();
        let element_bytes = element_bytes as u64;
        Self { run_bytes: run_elements * element_bytes, count, shape, region, axis, element_bytes }
    }

    /// Offset from the array's first byte of the byte that is `at` bytes into the region.
    pub fn at(&self, at: u64) -> u64 {
        self.start(at / self.run_bytes) + at % self.run_bytes
    }

    /// Offset of a run from the array's first byte.
    pub fn start(&self, run: u64) -> u64 {
        let (mut rest, mut at, mut stride) = (run, 0, 1);
        for axis in (0..self.shape.len()).rev() {
            let mut index = self.region.start()[axis];
            if axis < self.axis {
                let len = self.region.len()[axis];
                index += rest % len;
                rest /= len;
            }
            at += index * stride;
            stride *= self.shape[axis];
        }
        at * self.element_bytes
    }

    /// Reads the region in pieces of so many bytes, of which a run is one or more, by what reads at an
    /// offset from the array's first byte. `place` tells where in `out` the piece goes that is so many
    /// bytes into the region.
    pub fn read(
        &self,
        piece_bytes: u64,
        out: &mut [u8],
        place: impl Fn(u64) -> u64,
        read: impl Fn(u64, &mut [u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let count = self.run_bytes / piece_bytes * self.count;
        let start = |piece: u64| self.at(piece * piece_bytes);
        let target = |piece: u64| {
            let at = place(piece * piece_bytes);
            at as usize..(at + piece_bytes) as usize
        };
        if count == 1 || piece_bytes >= SMALL_STRIDE_BYTES {
            return (0..count).try_for_each(|piece| read(start(piece), &mut out[target(piece)]));
        }
        let mut span = Vec::new();
        let mut piece = 0;
        while piece < count {
            let first = start(piece);
            let mut next = piece + 1;
            let mut end = first + piece_bytes;
            while next < count {
                let start = start(next);
                if start - end > SMALL_STRIDE_BYTES || start + piece_bytes - first > SPAN_BYTES {
                    break;
                }
                end = start + piece_bytes;
                next += 1;
            }
            span.resize((end - first) as usize, 0);
            read(first, &mut span)?;
            for piece in piece..next {
                let from = (start(piece) - first) as usize;
                out[target(piece)].copy_from_slice(&span[from..from + piece_bytes as usize]);
            }
            piece = next;
        }
        Ok(())
    }
}

/// Repeats `value` over `out`; zeros when it is empty.
pub fn fill(out: &mut [u8], value: &[u8]) {
    if value.iter().all(|&b| b == 0) {
        out.fill(0);
    } else {
        for element in out.chunks_exact_mut(value.len()) {
            element.copy_from_slice(value);
        }
    }
}

/// The regions that a range of row-major positions consists of, in order.
pub fn regions(shape: &[u64], range: std::ops::Range<u64>) -> Vec<Region> {
    if range.is_empty() {
        return Vec::new();
    }
    match shape.len() {
        0 => return vec![Region::whole(shape)],
        1 => return vec![Region::line(range)],
        _ => {}
    }
    let row: u64 = shape[1..].iter().product();
    let mut out = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let index = at / row;
        let within = at % row;
        if within == 0 && range.end - at >= row {
            let rows = index..range.end / row;
            at = rows.end * row;
            out.push(Region::rows(rows, shape));
            continue;
        }
        let end = (range.end - index * row).min(row);
        for inner in regions(&shape[1..], within..end) {
            let below = |first: u64, rest: &[u64]| -> Dims {
                std::iter::once(first).chain(rest.iter().copied()).collect()
            };
            out.push(Region::new(below(index, inner.start()), below(1, inner.len())));
        }
        at = index * row + end;
    }
    out
}

/// Reverses each group of `group` bytes; nothing for 1.
pub fn swap_in_place(bytes: &mut [u8], group: usize) {
    match group {
        0 | 1 => {}
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|value| value.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|value| value.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|value| value.reverse()),
        _ => bytes.chunks_exact_mut(group).for_each(<[u8]>::reverse),
    }
}

/// Appends UTF-8 text.
pub fn push_text(out: &mut TextBuf, text: &[u8]) -> Result<(), String> {
    out.push(std::str::from_utf8(text).map_err(|_| {
        format!("the text \"{}\" is not UTF-8", String::from_utf8_lossy(text).escape_debug())
    })?);
    Ok(())
}
