//! Arrays one after another along an axis.

use std::sync::Arc;

use super::scratch::with_scratch;
use super::{ArraySource, SharedArray, StoredChunk};
use crate::base::parallel::try_each;
use crate::base::{DType, Dims, ReadError, Region};

/// Reads of more than this spread over threads when they touch several parts.
const PARALLEL_BYTES: usize = 256 << 10;

/// `numpy.concatenate` of arrays of one dtype whose other extents agree.
#[derive(Debug)]
pub struct Stacked {
    dtype: DType,
    shape: Dims,
    axis: usize,
    /// Where each part begins on the axis, and one past the last.
    starts: Vec<u64>,
    parts: Vec<SharedArray>,
}

impl Stacked {
    /// Stacks `parts`, of which there must be at least one, along `axis`. Empty parts are left out.
    #[must_use]
    pub fn shared(mut parts: Vec<SharedArray>, axis: usize) -> SharedArray {
        if parts.iter().any(|part| part.shape()[axis] > 0) {
            parts.retain(|part| part.shape()[axis] > 0);
        } else {
            parts.truncate(1);
        }
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let mut starts = vec![0];
        for part in &parts {
            debug_assert_eq!(part.dtype(), parts[0].dtype());
            starts.push(starts[starts.len() - 1] + part.shape()[axis]);
        }
        let mut shape: Dims = parts[0].shape().into();
        shape[axis] = starts[starts.len() - 1];
        Arc::new(Self { dtype: parts[0].dtype(), shape, axis, starts, parts })
    }

    /// The parts that a region touches: part, and the region in its own coordinates.
    fn touched<'a>(
        &'a self,
        region: &'a Region,
    ) -> impl Iterator<Item = (&'a SharedArray, Region)> + 'a {
        let range = region.range(self.axis);
        let first = self.starts.partition_point(|&start| start <= range.start).saturating_sub(1);
        (first..self.parts.len())
            .take_while({
                let end = range.end;
                move |&part| self.starts[part] < end
            })
            .map(move |part| {
                let start = range.start.max(self.starts[part]) - self.starts[part];
                let end = range.end.min(self.starts[part + 1]) - self.starts[part];
                (&self.parts[part], region.with_range(self.axis, start..end))
            })
    }

    fn read_outermost(&self, region: &Region, mut out: &mut [u8]) -> Result<(), ReadError> {
        let parallel = out.len() > PARALLEL_BYTES;
        let mut jobs = Vec::new();
        for (part, part_region) in self.touched(region) {
            let len_bytes = part_region.num_elements() as usize * self.dtype.size_bytes();
            let (head, rest) = out.split_at_mut(len_bytes);
            out = rest;
            jobs.push((part, part_region, head));
        }
        if parallel && jobs.len() > 1 {
            try_each(jobs, |(part, region, out): (&SharedArray, Region, &mut [u8])| {
                part.read_into(&region, out)
            })
        } else {
            jobs.into_iter().try_for_each(|(part, region, out)| part.read_into(&region, out))
        }
    }

    fn read_inner(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let inner_bytes = region.len()[self.axis + 1..].iter().product::<u64>() as usize
            * self.dtype.size_bytes();
        let row_bytes = region.len()[self.axis] as usize * inner_bytes;
        let mut at = 0;
        for (part, part_region) in self.touched(region) {
            let run_bytes = part_region.len()[self.axis] as usize * inner_bytes;
            let len_bytes = part_region.num_elements() as usize * self.dtype.size_bytes();
            with_scratch(len_bytes, |buffer| {
                part.read_into(&part_region, buffer)?;
                for (row, run) in
                    out.chunks_exact_mut(row_bytes).zip(buffer.chunks_exact(run_bytes))
                {
                    row[at..at + run_bytes].copy_from_slice(run);
                }
                Ok(())
            })?;
            at += run_bytes;
        }
        Ok(())
    }
}

impl ArraySource for Stacked {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        if region.is_empty() {
            return Ok(());
        }
        // When every axis before this one is a single index, the parts' bytes follow one another.
        if region.len()[..self.axis].iter().all(|&extent| extent == 1) {
            self.read_outermost(region, out)
        } else {
            self.read_inner(region, out)
        }
    }

    fn grain(&self) -> Option<&[u64]> {
        self.parts[0].grain()
    }

    fn is_stored_as_is(&self) -> bool {
        self.axis == 0 && self.parts.iter().all(|part| part.is_stored_as_is())
    }

    fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        let mut touched = self.touched(region);
        match (touched.next(), touched.next()) {
            (Some((part, part_region)), None) => part.stored_chunk(&part_region),
            _ => Ok(None),
        }
    }
}
