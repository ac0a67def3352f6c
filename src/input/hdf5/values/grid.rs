//! Regular selections: along each axis blocks of one length at equal distances; and how the selection
//! of one array is that of another.

use std::ops::Range;

use crate::base::{Dims, Region};

/// Indices along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    start: u64,
    /// From one block to the next.
    stride: u64,
    count: u64,
    /// Length of one.
    block: u64,
}

impl Axis {
    /// `count` blocks of `block` indices each, the first at `start`; `None` when there are none, or
    /// they overlap, or have no end.
    pub fn new(start: u64, stride: u64, count: u64, block: u64) -> Option<Self> {
        let len = count.checked_mul(block).filter(|&len| len > 0)?;
        if count == 1 || stride == block {
            start.checked_add(len)?;
            return Some(Self { start, stride: len, count: 1, block: len });
        }
        let last = (count - 1).checked_mul(stride)?.checked_add(start)?;
        last.checked_add(block)?;
        (stride > block).then_some(Self { start, stride, count, block })
    }

    /// Number of indices.
    pub const fn len(&self) -> u64 {
        self.count * self.block
    }

    /// One past the last.
    pub const fn end(&self) -> u64 {
        self.start + (self.count - 1) * self.stride + self.block
    }

    /// The index of a number.
    const fn at(&self, number: u64) -> u64 {
        self.start + number / self.block * self.stride + number % self.block
    }

    /// How many indices are smaller.
    fn before(&self, index: u64) -> u64 {
        let past = index.saturating_sub(self.start);
        (past / self.stride * self.block + (past % self.stride).min(self.block)).min(self.len())
    }

    /// The numbers of the indices in a range.
    fn within(&self, range: Range<u64>) -> Range<u64> {
        self.before(range.start)..self.before(range.end)
    }

    /// How many indices follow each other from a number on.
    const fn run(&self, number: u64) -> u64 {
        self.block - number % self.block
    }

    /// From the first index of some numbers to the last, as start and length.
    fn span(&self, numbers: &Range<u64>) -> (u64, u64) {
        let start = self.at(numbers.start);
        (start, self.at(numbers.end - 1) - start + 1)
    }
}

/// How the elements that are selected in a source are those selected in a target, both in row-major
/// order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placing {
    target: Vec<Axis>,
    source: Vec<Axis>,
    /// Axes that go together; along all others there is one index.
    pairs: Vec<(usize, usize)>,
}

/// Of each pair of axes, the numbers of the indices that are meant.
pub type Part = Vec<Range<u64>>;

impl Placing {
    /// # Errors
    /// The selections are of different shapes.
    pub fn new(target: Vec<Axis>, source: Vec<Axis>) -> Result<Self, String> {
        let long = |axes: &[Axis]| -> Vec<usize> {
            axes.iter().enumerate().filter(|(_, axis)| axis.len() > 1).map(|(at, _)| at).collect()
        };
        let (targets, sources) = (long(&target), long(&source));
        let lens = |axes: &[Axis], of: &[usize]| -> Vec<u64> {
            of.iter().map(|&axis| axes[axis].len()).collect()
        };
        let (wanted, given) = (lens(&target, &targets), lens(&source, &sources));
        if wanted != given {
            return Err(format!("a part of shape {wanted:?} is made of one of shape {given:?}"));
        }
        Ok(Self { target, source, pairs: targets.into_iter().zip(sources).collect() })
    }

    /// Whether both selections lie within arrays of these shapes.
    pub fn fits(&self, target: &[u64], source: &[u64]) -> bool {
        let fit = |axes: &[Axis], shape: &[u64]| {
            axes.len() == shape.len()
                && axes.iter().zip(shape).all(|(axis, &dim)| axis.end() <= dim)
        };
        fit(&self.target, target) && fit(&self.source, source)
    }

    /// What of it lies in a region of the target.
    pub fn within(&self, region: &Region) -> Option<Part> {
        let is_in = self.target.iter().enumerate().all(|(at, axis)| {
            let numbers = axis.within(region.range(at));
            numbers.start < numbers.end
        });
        is_in.then(|| {
            self.pairs.iter().map(|&(at, _)| self.target[at].within(region.range(at))).collect()
        })
    }

    /// The smallest region of the source that holds a part.
    pub fn hull(&self, part: &Part) -> Region {
        let mut start: Dims = self.source.iter().map(|axis| axis.start).collect();
        let mut len: Dims = self.source.iter().map(|_| 1).collect();
        for (&(_, axis), numbers) in self.pairs.iter().zip(part) {
            (start[axis], len[axis]) = self.source[axis].span(numbers);
        }
        Region::new(start, len)
    }

    /// Two halves of a part, along the axis along which its hull has most gaps; `None` where there is
    /// no gap. Neither is empty.
    pub fn halves(&self, part: &Part) -> Option<(Part, Part)> {
        // A gap lies between two indices, so there are two.
        let (widest, _) = (0..part.len())
            .map(|at| {
                let (_, span) = self.source[self.pairs[at].1].span(&part[at]);
                (at, span as f64 / (part[at].end - part[at].start) as f64)
            })
            .filter(|&(_, gaps)| gaps > 1.0)
            .max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        let middle = part[widest].start.midpoint(part[widest].end);
        let (mut first, mut second) = (part.clone(), part.clone());
        (first[widest].end, second[widest].start) = (middle, middle);
        Some((first, second))
    }

    /// Calls `each` for every run of elements of a part that follow each other in a region of the
    /// target and in one of the source: with where it begins in either, counted from there, and its
    /// length.
    pub fn runs(
        &self,
        part: &Part,
        target: &Region,
        source: &Region,
        mut each: impl FnMut(u64, u64, u64),
    ) {
        let (to_strides, from_strides) = (strides(target.len()), strides(source.len()));
        let base =
            |axes: &[Axis], strides: &[u64], region: &Region, long: &dyn Fn(usize) -> bool| {
                let along = |(at, axis): (usize, &Axis)| match long(at) {
                    true => 0,
                    false => (axis.start - region.start()[at]) * strides[at],
                };
                axes.iter().enumerate().map(along).sum::<u64>()
            };
        let to = base(&self.target, &to_strides, target, &|at| {
            self.pairs.iter().any(|&(axis, _)| axis == at)
        });
        let from = base(&self.source, &from_strides, source, &|at| {
            self.pairs.iter().any(|&(_, axis)| axis == at)
        });
        let place = |at: usize, number: u64| {
            let (target_axis, source_axis) = self.pairs[at];
            let to = self.target[target_axis].at(number) - target.start()[target_axis];
            let from = self.source[source_axis].at(number) - source.start()[source_axis];
            (to * to_strides[target_axis], from * from_strides[source_axis])
        };
        let Some(last) = part.len().checked_sub(1) else { return each(to, from, 1) };
        let (target_axis, source_axis) = self.pairs[last];
        let is_dense = to_strides[target_axis] == 1 && from_strides[source_axis] == 1;
        let run = |number: u64| match is_dense {
            true => self.target[target_axis].run(number).min(self.source[source_axis].run(number)),
            false => 1,
        };
        let mut numbers: Dims = part.iter().map(|range| range.start).collect();
        loop {
            let (mut to, mut from) = (to, from);
            for at in 0..last {
                let (more_to, more_from) = place(at, numbers[at]);
                (to, from) = (to + more_to, from + more_from);
            }
            let mut number = part[last].start;
            while number < part[last].end {
                let (more_to, more_from) = place(last, number);
                let len = run(number).min(part[last].end - number);
                each(to + more_to, from + more_from, len);
                number += len;
            }
            // The next row.
            let mut at = last;
            loop {
                let Some(above) = at.checked_sub(1) else { return };
                at = above;
                numbers[at] += 1;
                if numbers[at] < part[at].end {
                    break;
                }
                numbers[at] = part[at].start;
            }
        }
    }
}

/// Number of elements of a part.
pub fn num_elements(part: &Part) -> u64 {
    part.iter().map(|numbers| numbers.end - numbers.start).product()
}

fn strides(shape: &[u64]) -> Dims {
    let mut strides: Dims = shape.iter().map(|_| 1).collect();
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_have_numbers() {
        let axis = Axis::new(3, 5, 3, 2).unwrap();
        let indices = [3, 4, 8, 9, 13, 14];
        assert_eq!((0..6).map(|number| axis.at(number)).collect::<Vec<_>>(), indices);
        assert_eq!((axis.len(), axis.end()), (6, 15));
        for index in 0..20 {
            let smaller = indices.iter().filter(|&&one| one < index).count() as u64;
            assert_eq!(axis.before(index), smaller, "{index}");
        }
    }

    #[test]
    fn what_follows_without_a_gap_is_one_block() {
        assert_eq!(Axis::new(3, 2, 4, 2), Axis::new(3, 1, 1, 8));
        assert_eq!(Axis::new(3, 0, 1, 2), Axis::new(3, 7, 1, 2));
    }

    #[test]
    fn what_is_no_selection_is_none() {
        assert_eq!(Axis::new(0, 1, 0, 1), None);
        assert_eq!(Axis::new(0, 1, 1, 0), None);
        assert_eq!(Axis::new(0, 1, 2, 2), None, "they overlap");
        assert_eq!(Axis::new(0, u64::MAX, 3, 1), None);
        assert_eq!(Axis::new(u64::MAX, 1, 1, 1), None);
        assert_eq!(Axis::new(0, 1, u64::MAX, 2), None);
    }
}
