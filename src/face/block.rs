//! Rectangular blocks of arrays as ranges of bytes.
//!
//! A block is what an uncompressed chunk file holds: a rectangle in row-major order, little-endian,
//! of fixed extent. Where it sticks out of its array it holds zeros. Any range of its bytes is read
//! alone, straight into the caller's buffer. Nothing here knows zarr.

use std::ops::Range;

use crate::array::{ArraySource, read_vec};
use crate::base::{Dims, ReadError, Region};

/// A rectangle of an array, which may stick out at the end of any axis.
#[derive(Debug)]
pub struct Block<'a> {
    array: &'a dyn ArraySource,
    start: Dims,
    shape: Dims,
}

impl<'a> Block<'a> {
    /// The block of extent `shape` that begins at `start`; both of the array's rank.
    #[must_use]
    pub fn new(array: &'a dyn ArraySource, start: Dims, shape: Dims) -> Self {
        debug_assert_eq!(start.len(), array.shape().len());
        debug_assert_eq!(shape.len(), array.shape().len());
        Self { array, start, shape }
    }

    /// Length in bytes.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.shape.iter().product::<u64>() * self.array.dtype().size_bytes() as u64
    }

    /// Fills `out` with the bytes from `at` on, all of which must lie inside the block.
    ///
    /// # Errors
    /// Those of the array.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> Result<(), ReadError> {
        debug_assert!(at + out.len() as u64 <= self.len_bytes());
        let element_bytes = self.array.dtype().size_bytes() as u64;
        let end = at + out.len() as u64;
        let (mut first, last) = (at.div_ceil(element_bytes), end / element_bytes);
        let mut rest = out;
        // Elements cut by either end of the range go through a buffer of their own.
        let cut = at % element_bytes;
        if cut != 0 {
            let element = self.read_element(at / element_bytes)?;
            let len = ((element_bytes - cut) as usize).min(rest.len());
            let (head, tail) = rest.split_at_mut(len);
            head.copy_from_slice(&element[cut as usize..cut as usize + len]);
            rest = tail;
            if rest.is_empty() {
                return Ok(());
            }
        }
        if last > first {
            let len = ((last - first) * element_bytes) as usize;
            let (whole, tail) = rest.split_at_mut(len);
            self.read_elements(first..last, whole)?;
            rest = tail;
            first = last;
        }
        if !rest.is_empty() {
            let element = self.read_element(first)?;
            rest.copy_from_slice(&element[..rest.len()]);
        }
        Ok(())
    }

    /// The bytes of one element; the first `size_bytes` are its own.
    fn read_element(&self, index: u64) -> Result<[u8; 16], ReadError> {
        let mut bytes = [0; 16];
        self.read_elements(index..index + 1, &mut bytes[..self.array.dtype().size_bytes()])?;
        Ok(bytes)
    }

    fn read_elements(&self, range: Range<u64>, out: &mut [u8]) -> Result<(), ReadError> {
        let element_bytes = self.array.dtype().size_bytes();
        let mut rest = out;
        rectangles(&self.shape, range, &mut |start, len| {
            let len_bytes = len.iter().product::<u64>() as usize * element_bytes;
            let (part, tail) = std::mem::take(&mut rest).split_at_mut(len_bytes);
            rest = tail;
            self.read_rectangle(start, len, part)
        })
    }

    /// Reads one rectangle of the block, given in the block's own coordinates.
    fn read_rectangle(&self, start: &[u64], len: &[u64], out: &mut [u8]) -> Result<(), ReadError> {
        let extent = self.array.shape();
        let start: Dims = start.iter().zip(&self.start).map(|(at, base)| at + base).collect();
        let kept: Dims =
            (0..len.len()).map(|d| len[d].min(extent[d].saturating_sub(start[d]))).collect();
        if kept[..] == *len {
            return self.array.read_into(&Region::new(start, kept), out);
        }
        if kept.contains(&0) {
            out.fill(0);
            return Ok(());
        }
        let element_bytes = self.array.dtype().size_bytes();
        let region = Region::new(start, kept.clone());
        let kept_bytes = region.num_elements() as usize * element_bytes;
        // What is kept comes first and in one piece when only the first axis that varies is cut.
        let cut = (0..len.len()).find(|&d| kept[d] != len[d]).unwrap_or(0);
        if len[..cut].iter().all(|&n| n == 1) && kept[cut + 1..] == len[cut + 1..] {
            let (head, padding) = out.split_at_mut(kept_bytes);
            self.array.read_into(&region, head)?;
            padding.fill(0);
            return Ok(());
        }
        let bytes = read_vec(self.array, &region)?;
        out.fill(0);
        scatter(&bytes, &kept, out, len, element_bytes);
        Ok(())
    }
}

/// Copies a dense rectangle of extent `kept` to the beginning corner of one of extent `len`.
fn scatter(bytes: &[u8], kept: &[u64], out: &mut [u8], len: &[u64], element_bytes: usize) {
    let last = kept.len() - 1;
    let run_bytes = kept[last] as usize * element_bytes;
    let mut index: Dims = kept.iter().map(|_| 0).collect();
    for run in bytes.chunks_exact(run_bytes) {
        let at = index.iter().zip(len).fold(0, |at, (i, n)| at * n + i) as usize * element_bytes;
        out[at..at + run_bytes].copy_from_slice(run);
        for axis in (0..last).rev() {
            index[axis] += 1;
            if index[axis] < kept[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

type Visit<'v> = &'v mut dyn FnMut(&[u64], &[u64]) -> Result<(), ReadError>;

/// Cuts a range of the flat, row-major positions of a block of this `shape` into rectangles, and
/// gives each one's start and extent, in order. There are at most `2 * rank - 1`.
fn rectangles(shape: &[u64], range: Range<u64>, visit: Visit<'_>) -> Result<(), ReadError> {
    if range.is_empty() {
        return Ok(());
    }
    let mut start: Dims = shape.iter().map(|_| 0).collect();
    cut(shape, 0, &mut start, range, visit)
}

/// The same within the sub-block that `start[..axis]` picks; `range` counts from its beginning.
fn cut(
    shape: &[u64],
    axis: usize,
    start: &mut Dims,
    range: Range<u64>,
    visit: Visit<'_>,
) -> Result<(), ReadError> {
    if axis == shape.len() {
        return visit(start, &start.iter().map(|_| 1).collect::<Dims>());
    }
    let stride: u64 = shape[axis + 1..].iter().product();
    let (first, last) = (range.start / stride, (range.end - 1) / stride);
    let (head, tail) = (range.start % stride, (range.end - 1) % stride + 1);
    if first == last && (head != 0 || tail != stride) {
        start[axis] = first;
        return cut(shape, axis + 1, start, head..tail, visit);
    }
    let mut from = first;
    if head != 0 {
        start[axis] = first;
        cut(shape, axis + 1, start, head..stride, visit)?;
        from += 1;
    }
    let to = if tail == stride { last + 1 } else { last };
    if from < to {
        start[axis] = from;
        start[axis + 1..].fill(0);
        let mut len: Dims = shape.into();
        len[..axis].fill(1);
        len[axis] = to - from;
        visit(start, &len)?;
    }
    if tail != stride {
        start[axis] = last;
        cut(shape, axis + 1, start, 0..tail, visit)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::array::MemoryArray;
    use crate::base::DType;

    /// The whole block, element by element.
    fn expected(shape: &[u64], start: &[u64], block: &[u64]) -> Vec<u8> {
        let num: u64 = block.iter().product();
        let mut bytes = Vec::new();
        for flat in 0..num {
            let mut rest = flat;
            let mut index: Dims = block.iter().map(|_| 0).collect();
            for d in (0..block.len()).rev() {
                index[d] = rest % block[d] + start[d];
                rest /= block[d];
            }
            let inside = index.iter().zip(shape).all(|(i, n)| i < n);
            let at = index.iter().zip(shape).fold(0, |at, (i, n)| at * n + i);
            bytes.extend(if inside { at as u32 + 1 } else { 0 }.to_le_bytes());
        }
        bytes
    }

    fn array(shape: &[u64]) -> MemoryArray {
        let num: u64 = shape.iter().product();
        let bytes: Vec<u8> = (0..num).flat_map(|i| (i as u32 + 1).to_le_bytes()).collect();
        MemoryArray::new(DType::U32, shape, bytes)
    }

    proptest! {
        #[test]
        fn any_range_equals_the_same_slice_of_the_whole(
            dims in prop::collection::vec((1u64..7, 0u64..6, 1u64..5), 0..4),
            cuts in (0u64..2000, 0u64..2000),
        ) {
            let shape: Vec<u64> = dims.iter().map(|d| d.0).collect();
            let start: Vec<u64> = dims.iter().map(|d| d.1).collect();
            let block: Vec<u64> = dims.iter().map(|d| d.2).collect();
            let array = array(&shape);
            let whole = expected(&shape, &start, &block);
            let block = Block::new(&array, start.into(), block.into());
            prop_assert_eq!(block.len_bytes(), whole.len() as u64);
            let n = whole.len() as u64 + 1;
            let (a, b) = (cuts.0 % n, cuts.1 % n);
            let (a, b) = (a.min(b), a.max(b));
            let mut out = vec![0xAA; (b - a) as usize];
            block.read_at(a, &mut out).unwrap();
            prop_assert_eq!(&out[..], &whole[a as usize..b as usize]);
        }
    }

    #[test]
    fn a_rectangle_is_read_whole() {
        let mut seen = Vec::new();
        rectangles(&[4, 5, 6], 30..90, &mut |start, len| {
            seen.push((start.to_vec(), len.to_vec()));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen, [(vec![1, 0, 0], vec![2, 5, 6])]);
    }
}
