//! Cuts a row-major array into blocks that are contiguous in it and bounded in size.

use crate::base::{Dims, Region};

/// A run of elements that is contiguous in row-major order, and the region that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Position of the first element in row-major order.
    pub first_element: u64,
    /// The same as a region.
    pub region: Region,
}

/// The blocks of an array, first to last.
#[derive(Debug, Clone)]
pub struct Blocks {
    shape: Dims,
    /// The axis that is cut; later axes are taken whole, earlier ones one index at a time.
    axis: usize,
    /// Extent of a block along `axis`.
    step: u64,
    /// Elements below one index of `axis`.
    inner: u64,
    next_element: u64,
    num_elements: u64,
}

impl Blocks {
    /// Blocks of at most `max_elements` (at least one), whose edges fall on multiples of the
    /// source's `grain` where that fits the bound.
    pub fn new(shape: &[u64], grain: Option<&[u64]>, max_elements: u64) -> Self {
        let max_elements = max_elements.max(1);
        let num_elements = shape.iter().product();
        let (mut axis, mut inner) = (shape.len().saturating_sub(1), 1);
        while axis > 0 && inner * shape[axis] <= max_elements {
            inner *= shape[axis];
            axis -= 1;
        }
        let mut step = (max_elements / inner.max(1)).max(1);
        if let Some(&grain) = grain.and_then(|grain| grain.get(axis))
            && grain > 0
            && step > grain
        {
            step -= step % grain;
        }
        Self { shape: shape.into(), axis, step, inner, next_element: 0, num_elements }
    }
}

impl Iterator for Blocks {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        if self.next_element >= self.num_elements {
            return None;
        }
        let first_element = self.next_element;
        let mut region = Region::whole(&self.shape);
        if self.shape.is_empty() {
            self.next_element = 1;
            return Some(Block { first_element, region });
        }
        let mut rest = first_element / self.inner;
        for axis in (0..=self.axis).rev() {
            let index = rest % self.shape[axis];
            rest /= self.shape[axis];
            let len = if axis == self.axis { self.step.min(self.shape[axis] - index) } else { 1 };
            region = region.with_range(axis, index..index + len);
        }
        self.next_element += region.num_elements();
        Some(Block { first_element, region })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shape: &[u64], grain: Option<&[u64]>, max_elements: u64) -> usize {
        let mut next = 0;
        let mut count = 0;
        for block in Blocks::new(shape, grain, max_elements) {
            assert_eq!(block.first_element, next, "{shape:?}");
            assert!(block.region.fits(shape));
            assert!(block.region.num_elements() <= max_elements.max(1));
            // Contiguous: its first element is where row-major order says.
            let at = block.region.start().iter().zip(shape).fold(0, |at, (i, n)| at * n + i);
            assert_eq!(at, next);
            next += block.region.num_elements();
            count += 1;
        }
        assert_eq!(next, shape.iter().product::<u64>());
        count
    }

    #[test]
    fn blocks_cover_every_element_once() {
        for shape in [&[][..], &[0], &[7], &[5, 3], &[5, 0], &[4, 1, 6], &[2, 3, 4, 5], &[1, 1]] {
            for max in [0, 1, 2, 5, 7, 12, 30, 1000] {
                check(shape, None, max);
                let grain: Vec<u64> = shape.iter().map(|_| 2).collect();
                check(shape, Some(&grain), max);
            }
        }
        assert_eq!(check(&[100], None, 10), 10);
    }

    #[test]
    fn edges_fall_on_the_grain() {
        let starts: Vec<u64> =
            Blocks::new(&[10], Some(&[3]), 7).map(|block| block.first_element).collect();
        assert_eq!(starts, [0, 6]);
    }
}
