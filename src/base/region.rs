//! Rectangular parts of arrays.

use smallvec::SmallVec;
use std::ops::Range;

/// One number a dimension; no allocation up to rank 4.
pub type Dims = SmallVec<[u64; 4]>;

/// A rectangle: `start[d] .. start[d] + len[d]` in every dimension `d`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    start: Dims,
    len: Dims,
}

impl Region {
    /// The rectangle that begins at `start` and measures `len`. Both must have the same rank.
    #[must_use]
    pub fn new(start: impl Into<Dims>, len: impl Into<Dims>) -> Self {
        let (start, len) = (start.into(), len.into());
        debug_assert_eq!(start.len(), len.len());
        Self { start, len }
    }

    /// All of an array of this shape.
    #[must_use]
    pub fn whole(shape: &[u64]) -> Self {
        Self { start: shape.iter().map(|_| 0).collect(), len: shape.iter().copied().collect() }
    }

    /// `range` of the first axis and all of the others. A rank-0 shape has only itself.
    #[must_use]
    pub fn rows(range: Range<u64>, shape: &[u64]) -> Self {
        let mut region = Self::whole(shape);
        if !shape.is_empty() {
            region.start[0] = range.start;
            region.len[0] = range.end - range.start;
        }
        region
    }

    /// A part of a one-dimensional array.
    #[must_use]
    pub fn line(range: Range<u64>) -> Self {
        Self {
            start: smallvec::smallvec![range.start],
            len: smallvec::smallvec![range.end - range.start],
        }
    }

    /// First index, one a dimension.
    #[must_use]
    pub fn start(&self) -> &[u64] {
        &self.start
    }

    /// Extent, one a dimension.
    #[must_use]
    pub fn len(&self) -> &[u64] {
        &self.len
    }

    /// Number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.start.len()
    }

    /// `start .. end` along one axis.
    #[must_use]
    pub fn range(&self, axis: usize) -> Range<u64> {
        self.start[axis]..self.start[axis] + self.len[axis]
    }

    /// The same rectangle with another range along one axis.
    #[must_use]
    pub fn with_range(&self, axis: usize, range: Range<u64>) -> Self {
        let mut region = self.clone();
        region.start[axis] = range.start;
        region.len[axis] = range.end - range.start;
        region
    }

    /// Number of elements.
    #[must_use]
    pub fn num_elements(&self) -> u64 {
        self.len.iter().product()
    }

    /// True when it holds no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len.contains(&0)
    }

    /// True when it lies inside an array of this shape.
    #[must_use]
    pub fn fits(&self, shape: &[u64]) -> bool {
        self.rank() == shape.len()
            && (0..shape.len())
                .all(|d| self.start[d].checked_add(self.len[d]).is_some_and(|end| end <= shape[d]))
    }
}
