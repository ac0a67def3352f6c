//! A major-aligned stack: parts one after another, as three lazy arrays.

use std::ops::Range;
use std::sync::Arc;

use crate::array::{ArraySource, SharedArray, StoredChunk};
use crate::base::parallel::try_each;
use crate::base::{DType, ReadError, Region};
use crate::concat::sparse::stored::IndexType;

use super::part::{Part, plain_chunk};

/// Reads of more than this spread over threads when they touch several parts.
const PARALLEL_BYTES: usize = 256 << 10;

/// The parts and where each begins.
#[derive(Debug)]
pub struct Stack {
    parts: Vec<Arc<dyn Part>>,
    /// First major slice of each part, and one past the last.
    majors: Vec<u64>,
    /// First entry of each part, and one past the last.
    entries: Vec<u64>,
    dtype: DType,
    index_type: IndexType,
    /// Lengths of `data`, `indices` and `indptr`, as shapes.
    nnz_shape: [u64; 1],
    indptr_shape: [u64; 1],
}

/// The three arrays of a compressed matrix.
pub struct Arrays {
    pub data: SharedArray,
    pub indices: SharedArray,
    pub indptr: SharedArray,
}

impl Stack {
    /// Stacks parts whose values have the dtype `dtype`; `max_len` is the longer axis of the result.
    /// `None` when the sums do not fit 64 bits.
    pub fn arrays(parts: Vec<Arc<dyn Part>>, dtype: DType, max_len: u64) -> Option<Arrays> {
        let majors = cumulated(parts.iter().map(|part| part.num_major()))?;
        let entries = cumulated(parts.iter().map(|part| part.nnz()))?;
        let nnz = entries.last().copied()?;
        let indptr_len = majors.last()?.checked_add(1)?;
        let stack = Arc::new(Self {
            parts,
            majors,
            entries,
            dtype,
            index_type: IndexType::holding(nnz.max(max_len)),
            nnz_shape: [nnz],
            indptr_shape: [indptr_len],
        });
        Some(Arrays {
            data: Arc::new(StackedValues(Arc::clone(&stack))),
            indices: Arc::new(StackedMinors(Arc::clone(&stack))),
            indptr: Arc::new(StackedOffsets(stack)),
        })
    }

    /// Calls `read` for every part that holds some of `range`, with the range in the part.
    fn for_parts(
        &self,
        range: Range<u64>,
        unit: usize,
        mut out: &mut [u8],
        read: impl Fn(&dyn Part, Range<u64>, &mut [u8]) -> Result<(), ReadError> + Sync,
    ) -> Result<(), ReadError> {
        let parallel = out.len() > PARALLEL_BYTES;
        let mut jobs = Vec::new();
        for (part, local) in touched(&self.entries, range) {
            let (head, rest) = out.split_at_mut((local.end - local.start) as usize * unit);
            out = rest;
            jobs.push((part, local, head));
        }
        let run = |(part, local, out): (usize, Range<u64>, &mut [u8])| {
            read(self.parts[part].as_ref(), local, out)
        };
        if parallel { try_each(jobs, run) } else { jobs.into_iter().try_for_each(run) }
    }

    /// What `decoded` says of the part that holds `entry`, as entries of the stack.
    fn decoded_with(
        &self,
        entry: u64,
        decoded: impl Fn(&dyn Part, u64) -> Option<Range<u64>>,
    ) -> Option<Range<u64>> {
        let (part, local) = touched(&self.entries, entry..entry.checked_add(1)?).next()?;
        let (first, end) = (self.entries[part], self.entries[part + 1]);
        // The arrays of a part may be longer than its entries.
        decoded(self.parts[part].as_ref(), local.start)
            .map(|range| range.start + first..range.end.saturating_add(first).min(end))
    }

    /// The one part that holds all of `range`.
    fn single_part(&self, range: Range<u64>) -> Option<(&dyn Part, Range<u64>)> {
        let mut touched = touched(&self.entries, range);
        match (touched.next(), touched.next()) {
            (Some((part, local)), None) => Some((self.parts[part].as_ref(), local)),
            _ => None,
        }
    }
}

fn cumulated(numbers: impl Iterator<Item = u64>) -> Option<Vec<u64>> {
    let mut sums = vec![0_u64];
    let mut sum = 0_u64;
    for number in numbers {
        sum = sum.checked_add(number)?;
        sums.push(sum);
    }
    Some(sums)
}

/// The intervals between `starts` that meet `range`: which, and the meeting in its own numbering.
fn touched(starts: &[u64], range: Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> + '_ {
    let first = starts.partition_point(|&start| start <= range.start).saturating_sub(1);
    (first..starts.len().saturating_sub(1))
        .take_while({
            let end = range.end;
            move |&part| starts[part] < end
        })
        .filter_map(move |part| {
            let start = range.start.max(starts[part]);
            let end = range.end.min(starts[part + 1]);
            (start < end).then(|| (part, start - starts[part]..end - starts[part]))
        })
}

/// True when the plain array of every part that has entries is stored as it is.
fn all_as_is<'a>(
    parts: &'a [Arc<dyn Part>],
    plain: impl Fn(&'a dyn Part) -> Option<&'a SharedArray>,
) -> bool {
    parts
        .iter()
        .filter(|part| part.nnz() > 0)
        .all(|part| plain(part.as_ref()).is_some_and(|array| array.is_stored_as_is()))
}

/// `data` of a stack.
#[derive(Debug)]
struct StackedValues(Arc<Stack>);

impl ArraySource for StackedValues {
    fn dtype(&self) -> DType {
        self.0.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.0.nnz_shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let unit = self.0.dtype.size_bytes();
        self.0
            .for_parts(region.range(0), unit, out, |part, range, out| part.read_values(range, out))
    }

    fn grain(&self) -> Option<&[u64]> {
        self.0.parts.iter().find_map(|part| part.plain_values()?.grain())
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        self.0.decoded_with(element, |part, entry| part.values_decoded_with(entry))
    }

    fn is_stored_as_is(&self) -> bool {
        all_as_is(&self.0.parts, |part| part.plain_values())
    }

    fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        match self.0.single_part(region.range(0)) {
            Some((part, range)) => plain_chunk(part.plain_values(), range),
            None => Ok(None),
        }
    }
}

/// `indices` of a stack.
#[derive(Debug)]
struct StackedMinors(Arc<Stack>);

impl ArraySource for StackedMinors {
    fn dtype(&self) -> DType {
        self.0.index_type.dtype()
    }

    fn shape(&self) -> &[u64] {
        &self.0.nnz_shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let to = self.0.index_type;
        self.0.for_parts(region.range(0), to.size_bytes(), out, |part, range, out| {
            part.read_minors(range, to, out)
        })
    }

    fn grain(&self) -> Option<&[u64]> {
        let to = self.0.index_type;
        self.0.parts.iter().find_map(|part| part.plain_minors(to)?.grain())
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        self.0.decoded_with(element, |part, entry| part.minors_decoded_with(entry))
    }

    fn is_stored_as_is(&self) -> bool {
        let to = self.0.index_type;
        all_as_is(&self.0.parts, |part| part.plain_minors(to))
    }

    fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        match self.0.single_part(region.range(0)) {
            Some((part, range)) => plain_chunk(part.plain_minors(self.0.index_type), range),
            None => Ok(None),
        }
    }
}

/// `indptr` of a stack.
#[derive(Debug)]
struct StackedOffsets(Arc<Stack>);

impl ArraySource for StackedOffsets {
    fn dtype(&self) -> DType {
        self.0.index_type.dtype()
    }

    fn shape(&self) -> &[u64] {
        &self.0.indptr_shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let Stack { parts, majors, entries, index_type, .. } = self.0.as_ref();
        let unit = index_type.size_bytes();
        let mut rest = out;
        for (part, local) in touched(majors, region.range(0)) {
            let (head, tail) = rest.split_at_mut((local.end - local.start) as usize * unit);
            let offsets = parts[part].offsets(local)?;
            index_type.write(offsets.iter().map(|offset| entries[part] + offset), head);
            rest = tail;
        }
        // What no part begins is the end of the last one.
        index_type.write(std::iter::repeat(self.0.nnz_shape[0]), rest);
        Ok(())
    }
}
