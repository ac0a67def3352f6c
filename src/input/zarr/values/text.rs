//! Text arrays: variable-length strings (`vlen-utf8`, `vlen-bytes`, `json2`) and numpy's fixed-width
//! `S` and `U`.

use std::ops::Range;
use std::sync::Arc;

use super::chunks::Chunks;
use super::elements::Elements;
use crate::array::{TextBuf, TextSource};
use crate::base::{Dims, ReadError, Region};
use crate::input::zarr::encoding::{Element, Endian, FixedText, vlen_ranges, zeroed};
use crate::io::Block;

/// Strings of variable length.
#[derive(Debug)]
pub struct VlenText {
    chunks: Chunks,
}

/// Strings of fixed width.
#[derive(Debug)]
pub struct PaddedText {
    elements: Elements,
    kind: FixedText,
}

/// The strings of one chunk.
struct Strings {
    bytes: Block,
    /// Where each begins and ends; empty when the chunk was never written.
    ranges: Vec<Range<usize>>,
}

impl VlenText {
    pub const fn new(chunks: Chunks) -> Self {
        Self { chunks }
    }

    fn strings(&self, index: &[u64], keep: Keep) -> Result<Strings, ReadError> {
        let chunks = &self.chunks;
        let bytes = match keep {
            Keep::InCache => chunks.text_block(index)?,
            Keep::Nowhere => Arc::new(chunks.text(index)?),
        };
        if bytes.is_empty() {
            return Ok(Strings { bytes, ranges: Vec::new() });
        }
        let ranges = vlen_ranges(&bytes);
        let expected = chunks.num_elements();
        match ranges {
            Some(ranges) if ranges.len() as u64 == expected => Ok(Strings { bytes, ranges }),
            Some(ranges) => Err(chunks.place.corrupt(format!(
                "chunk {index:?} holds {} strings, expected {expected}",
                ranges.len()
            ))),
            None => Err(chunks.place.corrupt(format!("chunk {index:?} of strings is truncated"))),
        }
    }

    fn push(&self, strings: &Strings, at: usize, out: &mut TextBuf) -> Result<(), ReadError> {
        let bytes = match strings.ranges.get(at) {
            Some(range) => &strings.bytes[range.clone()],
            None => &self.chunks.header.fill,
        };
        let text = std::str::from_utf8(bytes)
            .map_err(|_| self.chunks.place.corrupt("a string is not UTF-8"))?;
        out.push(text);
        Ok(())
    }
}

/// Whether a decoded chunk is likely to be asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    InCache,
    Nowhere,
}

impl TextSource for VlenText {
    fn shape(&self) -> &[u64] {
        &self.chunks.header.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let header = &self.chunks.header;
        let rank = header.shape.len();
        // Chunks of the row of chunks that is being read.
        let mut open: Vec<(Dims, Strings)> = Vec::new();
        let mut flat = range.start;
        while flat < range.end {
            let position = unravel(flat, &header.shape);
            let index: Dims =
                position.iter().zip(&header.chunk_shape).map(|(i, extent)| i / extent).collect();
            // As far as this chunk goes along the last axis.
            let run = position.last().zip(header.chunk_shape.last()).zip(header.shape.last());
            let run = run.map_or(1, |((&i, &extent), &end)| {
                ((i / extent + 1).saturating_mul(extent)).min(end) - i
            });
            let run = run.min(range.end - flat);
            if open.first().is_some_and(|(first, _)| first.first() != index.first()) {
                open.clear();
            }
            let slot = match open.iter().position(|(known, _)| *known == index) {
                Some(slot) => slot,
                None => {
                    let whole = rank == 1 && run == header.chunk_shape[0].min(header.shape[0]);
                    let keep = if whole { Keep::Nowhere } else { Keep::InCache };
                    open.push((index.clone(), self.strings(&index, keep)?));
                    open.len() - 1
                }
            };
            let strings = &open[slot].1;
            let mut inside: Dims =
                position.iter().zip(&header.chunk_shape).map(|(i, extent)| i % extent).collect();
            for _ in 0..run {
                let at = ravel(&inside, &header.chunk_shape, header.codecs.order());
                self.push(strings, at as usize, out)?;
                if let Some(last) = inside.last_mut() {
                    *last += 1;
                }
            }
            flat += run;
        }
        Ok(())
    }
}

/// The position of element number `flat` of a row-major array.
fn unravel(mut flat: u64, shape: &[u64]) -> Dims {
    let mut position = Dims::from_elem(0, shape.len());
    for axis in (0..shape.len()).rev() {
        position[axis] = flat % shape[axis];
        flat /= shape[axis];
    }
    position
}

/// The number of an element in a chunk whose axes are stored in `order`.
fn ravel(position: &[u64], shape: &[u64], order: Option<&[usize]>) -> u64 {
    match order {
        None => position.iter().zip(shape).fold(0, |at, (i, extent)| at * extent + i),
        Some(order) => order.iter().fold(0, |at, &axis| at * shape[axis] + position[axis]),
    }
}

impl PaddedText {
    /// `None` when the elements are not padded text.
    pub fn new(chunks: Chunks) -> Option<Self> {
        let Element::FixedText(kind) = chunks.header.element else { return None };
        Some(Self { elements: Elements::new(chunks), kind })
    }
}

impl TextSource for PaddedText {
    fn shape(&self) -> &[u64] {
        &self.elements.chunks.header.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let width = self.kind.size_bytes();
        let place = &self.elements.chunks.place;
        let shape = self.shape();
        if range.is_empty() {
            return Ok(());
        }
        // Whole rows, of which the ends are then left out.
        let row_len: u64 = shape.iter().skip(1).product();
        let rows = range.start / row_len.max(1)..range.end.div_ceil(row_len.max(1));
        let region = Region::rows(rows.clone(), shape);
        let mut bytes =
            zeroed(region.num_elements() as usize * width).map_err(|why| place.corrupt(why))?;
        self.elements.read_into(&region, &mut bytes)?;
        let skipped = if shape.is_empty() { 0 } else { range.start - rows.start * row_len };
        for number in skipped..skipped + (range.end - range.start) {
            let at = number as usize * width;
            push_padded(self.kind, &bytes[at..at + width], out)
                .map_err(|why| place.corrupt(why))?;
        }
        Ok(())
    }
}

/// Appends one padded string without its padding.
pub fn push_padded(kind: FixedText, bytes: &[u8], out: &mut TextBuf) -> Result<(), String> {
    match kind {
        FixedText::Bytes { .. } => {
            let len = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            let text = std::str::from_utf8(&bytes[..len]);
            out.push(text.map_err(|_| "a string is not UTF-8".to_owned())?);
        }
        FixedText::Utf32 { endian, .. } => {
            let units: Vec<u32> = bytes
                .chunks_exact(4)
                .filter_map(|unit| unit.first_chunk())
                .map(|unit| match endian {
                    Endian::Little => u32::from_le_bytes(*unit),
                    Endian::Big => u32::from_be_bytes(*unit),
                })
                .collect();
            let len = units.iter().rposition(|&unit| unit != 0).map_or(0, |last| last + 1);
            let text: Option<String> =
                units[..len].iter().map(|&unit| char::from_u32(unit)).collect();
            out.push(&text.ok_or("a string holds what is no code point")?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_goes_and_inner_nul_stays() {
        let mut out = TextBuf::new();
        push_padded(FixedText::Bytes { size_bytes: 5 }, b"a\0b\0\0", &mut out).unwrap();
        let utf32 = FixedText::Utf32 { size_bytes: 8, endian: Endian::Big };
        push_padded(utf32, &[0, 0, 0, 0xe9, 0, 0, 0, 0], &mut out).unwrap();
        assert_eq!(out.iter().collect::<Vec<_>>(), ["a\0b", "é"]);
        assert!(push_padded(utf32, &[0xff; 8], &mut out).is_err());
    }

    #[test]
    fn numbers_and_positions() {
        assert_eq!(unravel(17, &[4, 6]).as_slice(), [2, 5]);
        assert_eq!(ravel(&[2, 5], &[4, 6], None), 17);
        assert_eq!(ravel(&[2, 5], &[4, 6], Some(&[1, 0])), 22);
        assert_eq!((unravel(0, &[]).len(), ravel(&[], &[], None)), (0, 0));
    }
}
