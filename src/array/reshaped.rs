//! An axis of length one, added or dropped: numpy's `reshape` as far as AnnData files need it.

use std::ops::Range;
use std::sync::Arc;

use super::{ArraySource, SharedArray, SharedText, TextBuf, TextSource};
use crate::base::{DType, Dims, ReadError, Region};

/// A source with one axis of length one more, or one less.
#[derive(Debug)]
pub struct UnitAxis {
    source: SharedArray,
    shape: Dims,
    grain: Option<Dims>,
    change: Change,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Inserted { axis: usize },
    Dropped { axis: usize },
}

impl UnitAxis {
    /// `source` with another axis before `axis`, which may be the rank.
    #[must_use]
    pub fn insert(source: SharedArray, axis: usize) -> SharedArray {
        let shape = inserted(source.shape(), axis);
        let grain = source.grain().map(|grain| inserted(grain, axis));
        Arc::new(Self { source, shape, grain, change: Change::Inserted { axis } })
    }

    /// `source` without `axis`, whose extent must be one.
    #[must_use]
    pub fn drop(source: SharedArray, axis: usize) -> SharedArray {
        debug_assert_eq!(source.shape()[axis], 1);
        let shape = dropped(source.shape(), axis);
        let grain = source.grain().map(|grain| dropped(grain, axis));
        Arc::new(Self { source, shape, grain, change: Change::Dropped { axis } })
    }

    fn source_region(&self, region: &Region) -> Region {
        let (mut start, mut len) = (Dims::from(region.start()), Dims::from(region.len()));
        match self.change {
            Change::Inserted { axis } => {
                start.remove(axis);
                len.remove(axis);
            }
            Change::Dropped { axis } => {
                start.insert(axis, 0);
                len.insert(axis, 1);
            }
        }
        Region::new(start, len)
    }
}

impl ArraySource for UnitAxis {
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
        self.source.read_into(&self.source_region(region), out)
    }

    fn grain(&self) -> Option<&[u64]> {
        self.grain.as_deref()
    }

    fn stored_chunk(&self, region: &Region) -> Result<Option<super::StoredChunk>, ReadError> {
        if region.is_empty() {
            return Ok(None);
        }
        self.source.stored_chunk(&self.source_region(region))
    }
}

/// Text under another shape of as many elements.
#[derive(Debug)]
pub struct ReshapedText {
    source: SharedText,
    shape: Dims,
}

impl ReshapedText {
    /// `source` under `shape`, which must hold as many elements.
    #[must_use]
    pub fn shared(source: SharedText, shape: &[u64]) -> SharedText {
        debug_assert_eq!(source.num_elements(), shape.iter().product::<u64>());
        Arc::new(Self { source, shape: shape.into() })
    }
}

impl TextSource for ReshapedText {
    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        self.source.read_range(range, out)
    }
}

fn inserted(shape: &[u64], axis: usize) -> Dims {
    let mut shape = Dims::from(shape);
    shape.insert(axis, 1);
    shape
}

fn dropped(shape: &[u64], axis: usize) -> Dims {
    let mut shape = Dims::from(shape);
    shape.remove(axis);
    shape
}

#[cfg(test)]
mod tests {
    use super::super::{MemoryArray, read_vec};
    use super::*;

    #[test]
    fn a_unit_axis_changes_no_bytes() {
        let line = MemoryArray::shared(DType::U8, &[4], vec![1, 2, 3, 4]);
        let column = UnitAxis::insert(line, 1);
        assert_eq!(column.shape(), [4, 1]);
        let part = Region::new(Dims::from_slice(&[1, 0]), Dims::from_slice(&[2, 1]));
        assert_eq!(read_vec(column.as_ref(), &part).unwrap(), [2, 3]);
        let back = UnitAxis::drop(column, 1);
        assert_eq!(back.shape(), [4]);
        assert_eq!(read_vec(back.as_ref(), &Region::line(2..4)).unwrap(), [3, 4]);
    }
}
