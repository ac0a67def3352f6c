//! A part whose rows are rewritten while they are read: thinned, reordered or filled.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::array::SharedArray;
use crate::base::parallel::{is_sequential, try_each};
use crate::base::{ReadError, Region};
use crate::concat::kept::Offsets;
use crate::concat::sparse::stored::{ColumnMap, Compressed, IndexType};
use crate::io::BlockKey;

use super::cache::{BlockCache, RowBlock, new_owner};
use super::handover;
use super::part::Part;
use super::rewrite::{Rows, Workspace, rewrite};

/// Source entries of a block, about: small enough for a random row, large enough for a read.
const BLOCK_ENTRIES: u64 = 16 << 10;
/// Rows of `indptr` read at a time.
const INDPTR_ROWS: u64 = 64 << 10;
/// Blocks that one task of a long read rewrites at once.
const TASK_BLOCKS: usize = 8;
/// Buffers larger than this are not kept between blocks.
const MAX_KEPT_BYTES: usize = 16 << 20;

/// See the module.
#[derive(Debug)]
pub struct Remapped {
    matrix: Compressed,
    values: SharedArray,
    map: Arc<ColumnMap>,
    /// The bytes of the value of introduced columns, when they are explicit.
    fill: Option<Vec<u8>>,
    /// Kept entries before each row; `None` when none is lost.
    kept: Option<Offsets>,
    nnz: u64,
    cache: Arc<BlockCache>,
    owner: u64,
    blocks: Mutex<Option<Arc<[BlockStart]>>>,
}

/// Where a block of rows begins; the last one marks the end of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BlockStart {
    row: u64,
    /// Entries of the source before it.
    source: u64,
    /// Entries of the result before it.
    result: u64,
}

impl BlockStart {
    /// True when a block from here should end at `next`.
    fn is_full_at(&self, next: &Self) -> bool {
        // Offsets that fall are damage, and are told when the rows are read.
        let entries = next.source.saturating_sub(self.source);
        [entries, next.result.saturating_sub(self.result), next.row - self.row]
            .into_iter()
            .any(|len| len >= BLOCK_ENTRIES)
    }
}

/// What a reader wants of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Minors(IndexType),
    Values,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    minors: Vec<u32>,
    values: Vec<u8>,
    workspace: Workspace,
    block: RowBlock,
}

impl Scratch {
    /// Keeps the memory for this thread's next block, unless a huge row swelled it.
    fn put_back(self) {
        if self.bytes.capacity() + self.values.capacity() <= MAX_KEPT_BYTES {
            SCRATCH.set(self);
        }
    }
}

impl Remapped {
    /// `values` are the matrix's in the dtype of the result; `kept` is the census of a lossy `map`.
    /// Fails when the entries cannot be counted.
    pub fn new(
        matrix: Compressed,
        values: SharedArray,
        map: Arc<ColumnMap>,
        fill: Option<Vec<u8>>,
        kept: Option<Offsets>,
        cache: Arc<BlockCache>,
    ) -> Result<Self, ReadError> {
        let fill = fill.filter(|_| !map.introduced.is_empty());
        let own = kept.as_ref().map_or(matrix.nnz, Offsets::last);
        let width = if fill.is_some() { map.introduced.len() as u64 } else { 0 };
        let nnz = width
            .checked_mul(matrix.num_major)
            .and_then(|filled| filled.checked_add(own))
            .ok_or_else(|| matrix.origin.corrupt("", "has too many entries once it is filled"))?;
        let owner = new_owner();
        Ok(Self { matrix, values, map, fill, kept, nnz, cache, owner, blocks: Mutex::default() })
    }

    /// Entries that every row gets besides its own.
    fn width(&self) -> u64 {
        if self.fill.is_some() { self.map.introduced.len() as u64 } else { 0 }
    }

    /// Entries of the result before a row with this many entries of the source before it.
    fn result_offset(&self, row: u64, source: u64) -> u64 {
        self.kept.as_ref().map_or(source, |kept| kept.get(row)) + row * self.width()
    }

    /// The division into blocks, made on first use by reading `indptr` once.
    fn blocks(&self) -> Result<Arc<[BlockStart]>, ReadError> {
        if let Some(blocks) = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Ok(Arc::clone(blocks));
        }
        // Not under the lock: reading may bring this very thread back here.
        let num_rows = self.matrix.num_major;
        let mut blocks: Vec<BlockStart> = Vec::new();
        let mut row = 0;
        while row <= num_rows {
            let end = (row + INDPTR_ROWS).min(num_rows + 1);
            for (row, source) in (row..end).zip(self.matrix.offsets(row..end)?) {
                let next = BlockStart { row, source, result: self.result_offset(row, source) };
                let full = blocks.last().is_none_or(|last| last.is_full_at(&next));
                if full || row == num_rows {
                    blocks.push(next);
                }
            }
            row = end;
        }
        if blocks.windows(2).any(|pair| pair[0].result > pair[1].result) {
            return Err(self.stale_census());
        }
        let blocks: Arc<[BlockStart]> = blocks.into();
        *self.blocks.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&blocks));
        Ok(blocks)
    }

    fn stale_census(&self) -> ReadError {
        let what = "holds other entries than were counted when it was joined";
        self.matrix.origin.corrupt("indices", what)
    }

    /// Rewrites the rows between two block starts into `scratch.block`.
    fn rewrite_rows(
        &self,
        from: BlockStart,
        to: BlockStart,
        with_values: bool,
        scratch: &mut Scratch,
    ) -> Result<(), ReadError> {
        let offsets = self.matrix.offsets(from.row..to.row + 1)?;
        if offsets.first() != Some(&from.source) || offsets.last() != Some(&to.source) {
            return Err(self.stale_census());
        }
        let Scratch { bytes, minors, values, workspace, block } = scratch;
        self.matrix.minors(from.source..to.source, bytes, minors)?;
        let value_bytes = if with_values { self.values.dtype().size_bytes() } else { 0 };
        values.resize(minors.len() * value_bytes, 0);
        if with_values {
            self.values.read_into(&Region::line(from.source..to.source), values)?;
        }
        let rows = Rows { offsets: &offsets, minors, values, value_bytes };
        rewrite(&self.map, rows, self.fill.as_deref(), workspace, block);
        if block.minors.len() as u64 == to.result - from.result {
            return Ok(());
        }
        Err(self.stale_census())
    }

    /// One block through the cache, where both halves of it are kept.
    fn cached(&self, blocks: &[BlockStart], index: usize) -> Result<Arc<RowBlock>, ReadError> {
        let key = BlockKey { owner: self.owner, index: index as u64 };
        self.cache.get_or_load_in_pool(key, || {
            // Taken out, not borrowed: reading may call back on this thread.
            let mut scratch = SCRATCH.take();
            let rewritten = self.rewrite_rows(blocks[index], blocks[index + 1], true, &mut scratch);
            let block = rewritten.map(|()| scratch.block.clone());
            scratch.put_back();
            block
        })
    }

    fn read(&self, range: Range<u64>, want: Want, mut out: &mut [u8]) -> Result<(), ReadError> {
        if range.is_empty() {
            return Ok(());
        }
        let blocks = self.blocks()?;
        let unit = self.unit(want);
        let mut first = blocks.partition_point(|block| block.result <= range.start) - 1;
        let mut jobs = Vec::new();
        while first + 1 < blocks.len() && blocks[first].result < range.end {
            let whole = |index: usize| {
                blocks[index].result >= range.start && blocks[index + 1].result <= range.end
            };
            let mut end = first + 1;
            while end + 1 < blocks.len() && end - first < TASK_BLOCKS && whole(first) && whole(end)
            {
                end += 1;
            }
            let start_entry = blocks[first].result.max(range.start);
            let end_entry = blocks[end].result.min(range.end);
            let (head, rest) = out.split_at_mut((end_entry - start_entry) as usize * unit);
            out = rest;
            jobs.push((first..end, start_entry..end_entry, head));
            first = end;
        }
        let (many, sequential) = (jobs.len() > 2, is_sequential());
        let run = |(span, entries, out): (Range<usize>, Range<u64>, &mut [u8])| {
            let is_whole = entries == (blocks[span.start].result..blocks[span.end].result);
            let is_bulk = if sequential { is_whole } else { many && span.len() == TASK_BLOCKS };
            if is_bulk {
                self.read_bulk(blocks[span.start], blocks[span.end], want, out)
            } else {
                self.read_cached(&blocks, span, entries, want, out)
            }
        };
        if many { try_each(jobs, run) } else { jobs.into_iter().try_for_each(run) }
    }

    /// Whole blocks of a long read, straight to where they belong; nobody will ask again soon.
    fn read_bulk(
        &self,
        from: BlockStart,
        to: BlockStart,
        want: Want,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let sequential = is_sequential();
        let span = (self.owner, from.row, to.row);
        if let Want::Minors(index_type) = want
            && sequential
            && handover::take(span, |minors| write_minors(minors, index_type, out)).is_some()
        {
            return Ok(());
        }
        let mut scratch = SCRATCH.take();
        let rewritten = self.rewrite_rows(from, to, want == Want::Values, &mut scratch);
        if rewritten.is_ok() {
            deliver(&scratch.block, 0..scratch.block.minors.len(), want, out);
            if sequential && want == Want::Values {
                // The same thread is about to read the indices of these rows.
                let minors = std::mem::take(&mut scratch.block.minors);
                scratch.block.minors = handover::keep(span, minors);
            }
        }
        scratch.put_back();
        rewritten
    }

    fn read_cached(
        &self,
        blocks: &[BlockStart],
        span: Range<usize>,
        entries: Range<u64>,
        want: Want,
        mut out: &mut [u8],
    ) -> Result<(), ReadError> {
        let unit = self.unit(want);
        for index in span {
            let block = self.cached(blocks, index)?;
            let base = blocks[index].result;
            let start = entries.start.max(base) - base;
            let end = entries.end.min(blocks[index + 1].result) - base;
            let (head, rest) = out.split_at_mut((end - start) as usize * unit);
            deliver(&block, start as usize..end as usize, want, head);
            out = rest;
        }
        Ok(())
    }

    fn unit(&self, want: Want) -> usize {
        match want {
            Want::Minors(to) => to.size_bytes(),
            Want::Values => self.values.dtype().size_bytes(),
        }
    }
}

fn write_minors(minors: &[u32], to: IndexType, out: &mut [u8]) {
    to.write(minors.iter().map(|&minor| u64::from(minor)), out);
}

/// Copies entries of a block to where they are wanted.
fn deliver(block: &RowBlock, entries: Range<usize>, want: Want, out: &mut [u8]) {
    match want {
        Want::Minors(to) => write_minors(&block.minors[entries], to, out),
        Want::Values => {
            let unit = block.bytes.len() / block.minors.len().max(1);
            out.copy_from_slice(&block.bytes[entries.start * unit..entries.end * unit]);
        }
    }
}

impl Part for Remapped {
    fn num_major(&self) -> u64 {
        self.matrix.num_major
    }

    fn nnz(&self) -> u64 {
        self.nnz
    }

    fn offsets(&self, range: Range<u64>) -> Result<Vec<u64>, ReadError> {
        if self.kept.is_some() {
            return Ok(range.map(|row| self.result_offset(row, 0)).collect());
        }
        let mut offsets = self.matrix.offsets(range.clone())?;
        for (row, offset) in range.zip(&mut offsets) {
            *offset = self.result_offset(row, *offset);
        }
        Ok(offsets)
    }

    fn read_minors(
        &self,
        range: Range<u64>,
        to: IndexType,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        self.read(range, Want::Minors(to), out)
    }

    fn read_values(&self, range: Range<u64>, out: &mut [u8]) -> Result<(), ReadError> {
        if self.map.rising && self.kept.is_none() && self.fill.is_none() {
            return self.values.read_into(&Region::line(range), out);
        }
        self.read(range, Want::Values, out)
    }
}
