//! A minor-aligned stack: every major slice holds the parts' slices one after another (CSC along
//! obs, CSR along var). Whole major slices move when the other axis is joined, so nothing is
//! counted; the merged `indptr` is the sum of the parts'.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::array::{ArraySource, SharedArray};
use crate::base::parallel::{is_sequential, try_each};
use crate::base::{DType, ReadError, Region};
use crate::concat::kept::{Offsets, OffsetsWriter};
use crate::concat::sparse::stored::{Compressed, IndexType, copy_shifted};
use crate::io::{BlockKey, spill_failed};

use super::cache::{BlockCache, RowBlock, new_owner};
use super::minor_part::{MinorPart, Slice};
use super::stack::Arrays;

/// Entries of a cached block, and of the least that a task of a long read gathers.
const BLOCK_ENTRIES: u64 = 256 << 10;
/// Major slices looked at in one go.
const BAND: u64 = 64 << 10;

/// The parts of a stack.
#[derive(Debug)]
pub struct Interleaved {
    parts: Vec<MinorPart>,
    num_major: u64,
    nnz: u64,
    dtype: DType,
    index_type: IndexType,
    /// The bytes of the value of introduced slices, when they are explicit.
    fill: Option<Vec<u8>>,
    spill_dir: PathBuf,
    merged: Mutex<Option<Arc<Offsets>>>,
    cache: Arc<BlockCache>,
    /// Owners of the cached blocks of values and of minor indices.
    owners: [u64; 2],
    nnz_shape: [u64; 1],
    indptr_shape: [u64; 1],
}

/// What is common to all parts of a stack.
pub struct Common {
    pub num_major: u64,
    pub dtype: DType,
    /// The longer axis of the result.
    pub max_len: u64,
    pub fill: Option<Vec<u8>>,
    pub spill_dir: PathBuf,
    pub cache: Arc<BlockCache>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Values,
    Minors,
}

impl Interleaved {
    /// The three arrays of the stack. Reads `indptr` of the parts only where slices are dropped.
    pub fn arrays(parts: Vec<MinorPart>, common: Common) -> Result<Arrays, ReadError> {
        let Common { num_major, dtype, max_len, fill, spill_dir, cache } = common;
        let owners = [new_owner(), new_owner()];
        let mut stack = Self {
            parts,
            num_major,
            nnz: 0,
            dtype,
            index_type: IndexType::Narrow,
            fill,
            spill_dir,
            merged: Mutex::default(),
            cache,
            owners,
            nnz_shape: [0],
            indptr_shape: [num_major.saturating_add(1)],
        };
        stack.nnz = match stack.nnz_without_reading() {
            Some(nnz) => nnz,
            None => stack.merged()?.last(),
        };
        stack.nnz_shape = [stack.nnz];
        stack.index_type = IndexType::holding(stack.nnz.max(max_len));
        let stack = Arc::new(stack);
        Ok(Arrays {
            data: Arc::new(InterleavedEntries { stack: Arc::clone(&stack), want: Want::Values }),
            indices: Arc::new(InterleavedEntries { stack: Arc::clone(&stack), want: Want::Minors }),
            indptr: Arc::new(InterleavedOffsets(stack)),
        })
    }

    /// The number of entries, unless it takes a look at what is dropped.
    fn nnz_without_reading(&self) -> Option<u64> {
        self.parts.iter().try_fold(0_u64, |sum, part| {
            let stored = match &part.source {
                Some(_) if part.majors.num_dropped() > 0 => return None,
                Some((matrix, _)) => matrix.nnz,
                None => 0,
            };
            let filled = match &self.fill {
                Some(_) => part.num_introduced(self.num_major).checked_mul(part.extent)?,
                None => 0,
            };
            sum.checked_add(stored)?.checked_add(filled)
        })
    }

    /// The merged `indptr`, made on first use.
    fn merged(&self) -> Result<Arc<Offsets>, ReadError> {
        if let Some(merged) = self.merged.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Ok(Arc::clone(merged));
        }
        // Not under the lock: reading may bring this very thread back here.
        let spill = |error: io::Error| spill_failed(&self.spill_dir, error);
        let mut writer = OffsetsWriter::new(self.num_major + 1, &self.spill_dir).map_err(spill)?;
        writer.push(0).map_err(spill)?;
        let mut sum = 0_u64;
        let mut start = 0;
        while start < self.num_major {
            let end = (start + BAND).min(self.num_major);
            for len in self.band_lens(start..end)? {
                sum = sum.saturating_add(len);
                writer.push(sum).map_err(spill)?;
            }
            start = end;
        }
        let merged = Arc::new(writer.finish().map_err(spill)?);
        *self.merged.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&merged));
        Ok(merged)
    }

    /// Entries of every major slice of a band, over all parts.
    fn band_lens(&self, band: Range<u64>) -> Result<Vec<u64>, ReadError> {
        let zero = || vec![0_u64; (band.end - band.start) as usize];
        let add = |mut lens: Vec<u64>, part: &MinorPart| {
            let slices = part.slices(band.clone(), self.fill.is_some())?;
            for (len, slice) in lens.iter_mut().zip(slices) {
                *len = len.saturating_add(slice.len());
            }
            Ok(lens)
        };
        if is_sequential() {
            return self.parts.iter().try_fold(zero(), add);
        }
        self.parts.par_iter().try_fold(zero, add).try_reduce(zero, |mut lens, others| {
            for (len, other) in lens.iter_mut().zip(others) {
                *len = len.saturating_add(other);
            }
            Ok(lens)
        })
    }

    fn unit(&self, want: Want) -> usize {
        match want {
            Want::Values => self.dtype.size_bytes(),
            Want::Minors => self.index_type.size_bytes(),
        }
    }

    fn read(&self, range: Range<u64>, want: Want, mut out: &mut [u8]) -> Result<(), ReadError> {
        if range.is_empty() {
            return Ok(());
        }
        let merged = self.merged()?;
        let unit = self.unit(want);
        let tasks = if is_sequential() { 1 } else { rayon::current_num_threads() as u64 * 2 };
        let task_blocks = ((range.end - range.start) / BLOCK_ENTRIES / tasks).clamp(1, 4);
        let mut jobs = Vec::new();
        let mut start = range.start;
        while start < range.end {
            let block = start / BLOCK_ENTRIES;
            let task_end = (block + task_blocks) * BLOCK_ENTRIES;
            let whole = start.is_multiple_of(BLOCK_ENTRIES) && task_end <= range.end;
            let end = if whole { task_end } else { ((block + 1) * BLOCK_ENTRIES).min(range.end) };
            let (head, rest) = out.split_at_mut((end - start) as usize * unit);
            out = rest;
            jobs.push((start..end, whole, head));
            start = end;
        }
        let run = |(range, whole, out): (Range<u64>, bool, &mut [u8])| {
            if whole {
                self.gather(&merged, range, want, out)
            } else {
                self.read_cached(&merged, range, want, out)
            }
        };
        try_each(jobs, run)
    }

    /// A range within one block, which is kept for the next reader.
    fn read_cached(
        &self,
        merged: &Offsets,
        range: Range<u64>,
        want: Want,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let unit = self.unit(want);
        let index = range.start / BLOCK_ENTRIES;
        let base = index * BLOCK_ENTRIES;
        let owner = self.owners[usize::from(want == Want::Minors)];
        let block = self.cache.get_or_load_in_pool(BlockKey { owner, index }, || {
            let end = (base + BLOCK_ENTRIES).min(self.nnz);
            let mut bytes = vec![0; (end - base) as usize * unit];
            self.gather(merged, base..end, want, &mut bytes)?;
            Ok(RowBlock { minors: Vec::new(), bytes })
        })?;
        let local = (range.start - base) as usize * unit..(range.end - base) as usize * unit;
        out.copy_from_slice(&block.bytes[local]);
        Ok(())
    }

    /// Gathers a range of entries from the parts, each of whose runs is read once.
    fn gather(
        &self,
        merged: &Offsets,
        range: Range<u64>,
        want: Want,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let mut major = merged.upper_bound(range.start) - 1;
        while major < self.num_major && merged.get(major) < range.end {
            let end = merged.upper_bound(range.end - 1).min(self.num_major).min(major + BAND);
            // Where the next part's entries go, in entries of the result.
            let mut cursors: Vec<u64> = (major..end).map(|major| merged.get(major)).collect();
            for part in &self.parts {
                let slices = part.slices(major..end, self.fill.is_some())?;
                self.gather_part(part, &slices, &cursors, &range, want, out)?;
                for (cursor, slice) in cursors.iter_mut().zip(&slices) {
                    *cursor += slice.len();
                }
            }
            major = end;
        }
        Ok(())
    }

    /// Puts one part's share of some major slices in place; runs that follow one another in the
    /// source are read together.
    fn gather_part(
        &self,
        part: &MinorPart,
        slices: &[Slice],
        cursors: &[u64],
        range: &Range<u64>,
        want: Want,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let unit = self.unit(want);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut run = 0..0;
        for (slice, &cursor) in slices.iter().zip(cursors) {
            // The share of the slice that lies within the range.
            let skip = range.start.saturating_sub(cursor).min(slice.len());
            let take = range.end.saturating_sub(cursor).min(slice.len()).saturating_sub(skip);
            if take == 0 {
                continue;
            }
            let at = (cursor + skip - range.start) as usize * unit;
            match *slice {
                Slice::Filled { .. } => {
                    let target = &mut out[at..at + take as usize * unit];
                    self.fill_slice(part.shift + skip, want, target);
                }
                Slice::Stored { start, .. } => {
                    let first = start + skip;
                    if run.end != first || run.is_empty() {
                        self.read_run(part, run.clone(), &pieces, want, out)?;
                        pieces.clear();
                        run = first..first;
                    }
                    run.end = first + take;
                    pieces.push(Piece { at, len_bytes: take as usize * unit });
                }
            }
        }
        self.read_run(part, run, &pieces, want, out)
    }

    /// Explicit values for minor indices from `minor` on.
    fn fill_slice(&self, minor: u64, want: Want, out: &mut [u8]) {
        match (want, &self.fill) {
            (Want::Minors, _) => self.index_type.write(minor.., out),
            (Want::Values, Some(fill)) => {
                for target in out.chunks_exact_mut(fill.len().max(1)) {
                    target.copy_from_slice(fill);
                }
            }
            (Want::Values, None) => {}
        }
    }

    /// Reads entries of a part and deals them out.
    fn read_run(
        &self,
        part: &MinorPart,
        run: Range<u64>,
        pieces: &[Piece],
        want: Want,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let Some((matrix, values)) = &part.source else { return Ok(()) };
        if run.is_empty() {
            return Ok(());
        }
        if let &[Piece { at, len_bytes }] = pieces {
            return self.read_entries(
                part,
                matrix,
                values,
                run,
                want,
                &mut out[at..at + len_bytes],
            );
        }
        let mut buffer = vec![0; (run.end - run.start) as usize * self.unit(want)];
        self.read_entries(part, matrix, values, run, want, &mut buffer)?;
        let mut rest = buffer.as_slice();
        for &Piece { at, len_bytes } in pieces {
            let (head, tail) = rest.split_at(len_bytes);
            out[at..at + len_bytes].copy_from_slice(head);
            rest = tail;
        }
        Ok(())
    }

    fn read_entries(
        &self,
        part: &MinorPart,
        matrix: &Compressed,
        values: &SharedArray,
        run: Range<u64>,
        want: Want,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let start = run.start;
        let region = Region::line(run);
        if want == Want::Values {
            return values.read_into(&region, out);
        }
        let mut bytes = vec![0; region.num_elements() as usize * matrix.index_bytes()];
        matrix.indices.read_into(&region, &mut bytes)?;
        let dtype = matrix.indices.dtype();
        copy_shifted(dtype, &bytes, matrix.num_minor, part.shift, self.index_type, out)
            .map_err(|bad| matrix.bad_minor(&bad, start))
    }
}

/// Bytes of a run that belong together in the result.
#[derive(Debug, Clone, Copy)]
struct Piece {
    at: usize,
    len_bytes: usize,
}

/// `data` or `indices` of an interleaved stack.
#[derive(Debug)]
struct InterleavedEntries {
    stack: Arc<Interleaved>,
    want: Want,
}

impl ArraySource for InterleavedEntries {
    fn dtype(&self) -> DType {
        match self.want {
            Want::Values => self.stack.dtype,
            Want::Minors => self.stack.index_type.dtype(),
        }
    }

    fn shape(&self) -> &[u64] {
        &self.stack.nnz_shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.stack.read(region.range(0), self.want, out)
    }

    fn grain(&self) -> Option<&[u64]> {
        Some(&[BLOCK_ENTRIES])
    }
}

/// `indptr` of an interleaved stack.
#[derive(Debug)]
struct InterleavedOffsets(Arc<Interleaved>);

impl ArraySource for InterleavedOffsets {
    fn dtype(&self) -> DType {
        self.0.index_type.dtype()
    }

    fn shape(&self) -> &[u64] {
        &self.0.indptr_shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let merged = self.0.merged()?;
        self.0.index_type.write(region.range(0).map(|major| merged.get(major)), out);
        Ok(())
    }
}
