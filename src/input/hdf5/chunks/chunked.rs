//! Chunked datasets: regions from stored chunks, decoded in parallel.
//!
//! Chunks that a region takes whole and that lie together in the output are read or decoded straight
//! into it. Others go through the block cache, so that neighbouring reads don't decode them again. Of
//! chunks that are stored as they are only what is wanted is read.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::filters::{MAX_KEPT_BYTES, Pipeline};
use super::huge::{HugeChunk, check_whole};
use super::part::Part;
use super::table::{Grid, Table};
use super::tree::Chunk;
use crate::array::StoredChunk;
use crate::base::parallel::{is_sequential, try_each};
use crate::base::{Dims, ReadError, Region};
use crate::input::hdf5::elements::{Runs, fill};
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::library::Library;
use crate::io::{Block, BlockKey, read_vec_at};

/// A chunked dataset.
pub struct Chunked {
    file: Arc<HdfFile>,
    /// Address of the object header.
    header: u64,
    grid: Grid,
    shape: Dims,
    element_bytes: usize,
    /// `None`: the library decodes.
    pipeline: Option<Pipeline>,
    /// One element that was never written; empty for zeros.
    fill: Vec<u8>,
    library: Library,
    /// Owner of the blocks in the cache: the chunks by number, and the table.
    owner: u64,
    /// Row-major number of the element where the last read ended.
    last_end: AtomicU64,
}

/// As [`HdfFile`]'s: what the header says, not how far it was read.
impl std::fmt::Debug for Chunked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chunked")
            .field("header", &self.header)
            .field("grid", &self.grid)
            .field("shape", &self.shape)
            .field("element_bytes", &self.element_bytes)
            .field("pipeline", &self.pipeline)
            .field("fill", &self.fill)
            .field("library", &self.library)
            .finish_non_exhaustive()
    }
}

/// Number of the table among a dataset's blocks.
const TABLE: u64 = u64::MAX;
/// HDF5's own limit.
const LARGEST_CHUNK_BYTES: u64 = u32::MAX as u64;
/// So many chunks of a region are listed at once: they may be as small as an element.
const MOST_PARTS: usize = 1 << 16;
/// Chunks that a sequential reader finds decoded when it comes to them.
const READ_AHEAD: u64 = 2;

thread_local! {
    static STORED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where the elements of a chunk are.
enum Decoded {
    Block(Block),
    Huge(HugeChunk),
    /// As they are, from this offset of the file.
    Stored(u64),
}

pub struct Description {
    pub file: Arc<HdfFile>,
    pub header: u64,
    pub shape: Dims,
    pub chunk: Dims,
    pub element_bytes: usize,
    pub pipeline: Option<Pipeline>,
    pub fill: Vec<u8>,
    pub library: Library,
}

impl Chunked {
    /// Checks that the geometry is possible.
    pub fn new(described: Description) -> Result<Self, String> {
        let Description { file, header, shape, chunk, element_bytes, pipeline, fill, library } =
            described;
        let impossible = || format!("chunks of {chunk:?} are impossible for {shape:?}");
        let grid = Grid::new(&shape, &chunk).ok_or_else(impossible)?;
        chunk
            .iter()
            .try_fold(element_bytes as u64, |product, &dim| product.checked_mul(dim))
            .filter(|&bytes| bytes <= LARGEST_CHUNK_BYTES)
            .ok_or_else(impossible)?;
        let owner = file.context.fresh_id();
        let last_end = AtomicU64::new(u64::MAX);
        Ok(Self {
            file,
            header,
            grid,
            shape,
            element_bytes,
            pipeline,
            fill,
            library,
            owner,
            last_end,
        })
    }

    /// Extent of a chunk.
    pub fn chunk_shape(&self) -> &[u64] {
        &self.grid.chunk
    }

    /// True when only the library can read it; for references to the heap also when elements that
    /// were never written are not null.
    pub fn needs_library(&self) -> bool {
        self.pipeline.is_none() || !self.fill.is_empty()
    }

    /// True when chunks are stored as they are.
    pub fn is_unfiltered(&self) -> bool {
        self.pipeline.as_ref().is_some_and(Pipeline::is_empty)
    }

    /// Bytes of one decoded chunk.
    fn chunk_bytes(&self) -> usize {
        self.grid.chunk.iter().product::<u64>() as usize * self.element_bytes
    }

    /// True when a decoded chunk is too large for memory.
    pub fn is_huge(&self) -> bool {
        !self.is_unfiltered() && self.chunk_bytes() as u64 > self.file.context.largest_block_bytes()
    }

    fn table(&self) -> Result<Table, ReadError> {
        let key = BlockKey { owner: self.owner, index: TABLE };
        let load = || Table::load(&self.file, self.header, &self.grid, &self.library);
        Ok(Table::new(self.file.context.blocks().get_or_load(key, load)?))
    }

    /// The stored bytes of the chunk that `region` is, when it is a whole one and its filters are
    /// known to others.
    pub fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        let Some(pipeline) = &self.pipeline else { return Ok(None) };
        if region.len() != self.grid.chunk.as_slice() || self.is_huge() {
            return Ok(None);
        }
        let Some(number) = self.grid.number_at(region.start()) else { return Ok(None) };
        let Some(chunk) = self.table()?.get(number) else { return Ok(None) };
        let Some(filters) = pipeline.passable(chunk.mask) else { return Ok(None) };
        // Whoever reads its elements instead is told, or does not need it whole.
        if u64::from(chunk.len_bytes) > self.file.context.budget_bytes() {
            return Ok(None);
        }
        let bytes = read_vec_at(&*self.file.source, chunk.offset, chunk.len_bytes as usize)?;
        Ok(Some(StoredChunk { filters, bytes }))
    }

    /// Fills `out` with a region that is not empty.
    pub fn read(self: &Arc<Self>, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let table = self.table()?;
        let mut parts = Part::all(&self.grid, &table, region, self.element_bytes);
        loop {
            let some: Vec<Part> = parts.by_ref().take(MOST_PARTS).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.read_parts(&some, region, &table, out)?;
        }
    }

    /// Reads parts that follow each other.
    fn read_parts(
        self: &Arc<Self>,
        parts: &[Part],
        region: &Region,
        table: &Table,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        if parts.iter().any(|part| part.run.is_none()) {
            return self.read_tiles(parts, region, out);
        }
        // One run each, and in the order of the output: from the first on it splits into one slice a
        // part.
        let region_bytes = out.len();
        let first = parts
            .first()
            .map_or(0, |part| Runs::new(region.len(), &part.target(), self.element_bytes).start(0));
        let mut rest = &mut out[first as usize..];
        if self.is_unfiltered() {
            return self.read_plain(parts, rest);
        }
        let mut jobs = Vec::with_capacity(parts.len());
        for part in parts {
            let (target, after) = std::mem::take(&mut rest).split_at_mut(part.run_bytes() as usize);
            jobs.push((part, target));
            rest = after;
        }
        // A read of less than a chunk that meets a boundary is one of many small ones: its caller
        // has others under way, and waking threads costs more than the second chunk.
        if jobs.len() == 1 || region_bytes < self.chunk_bytes() {
            jobs.into_iter().try_for_each(|(part, out)| self.read_run(part, out))?;
        } else {
            try_each(jobs, |(part, out): (&Part, &mut [u8])| self.read_run(part, out))?;
        }
        self.read_ahead(region, parts, table);
        Ok(())
    }

    /// Chunks that are stored as they are: each stretch of the file that is one in the output too is
    /// read at once.
    fn read_plain(&self, parts: &[Part], out: &mut [u8]) -> Result<(), ReadError> {
        let mut rest = out;
        let mut parts = parts.iter().peekable();
        while let Some(part) = parts.next() {
            let offset = self.plain_offset(part)?;
            let mut len = part.run_bytes();
            if let Some(offset) = offset {
                while let Some(next) = parts.peek() {
                    let end = offset.checked_add(len);
                    if end.is_none() || self.plain_offset(next)? != end {
                        break;
                    }
                    len += next.run_bytes();
                    parts.next();
                }
            }
            let (stretch, after) = std::mem::take(&mut rest).split_at_mut(len as usize);
            rest = after;
            match offset {
                Some(offset) => self.file.source.read_exact_at(offset, stretch)?,
                None => fill(stretch, &self.fill),
            }
        }
        Ok(())
    }

    /// Where in the file the run of an unfiltered part lies; `None` when it was never written.
    fn plain_offset(&self, part: &Part) -> Result<Option<u64>, ReadError> {
        let (start, _) = part.run.unwrap_or_default();
        Ok(self.plain_chunk(part)?.map(|offset| offset.saturating_add(start)))
    }

    /// Where in the file the unfiltered chunk of a part lies; `None` when it was never written.
    fn plain_chunk(&self, part: &Part) -> Result<Option<u64>, ReadError> {
        let Some(chunk) = part.chunk else { return Ok(None) };
        if chunk.len_bytes as usize != self.chunk_bytes() {
            return Err(self.damaged(format!(
                "chunk {} has {} bytes, {} expected",
                part.index,
                chunk.len_bytes,
                self.chunk_bytes()
            )));
        }
        Ok(Some(chunk.offset))
    }

    fn read_run(&self, part: &Part, out: &mut [u8]) -> Result<(), ReadError> {
        let (start, len) = part.run.unwrap_or_default();
        let blocks = self.file.context.blocks();
        let Some(chunk) = part.chunk else {
            fill(out, &self.fill);
            return Ok(());
        };
        if self.is_huge() {
            return self.huge(part.index, chunk)?.read_exact_at(start, out);
        }
        if len as usize == self.chunk_bytes() {
            return match blocks.get(self.key(part.index)) {
                Some(block) => {
                    out.copy_from_slice(&block);
                    Ok(())
                }
                None => self.decode(part.index, chunk, out),
            };
        }
        let block = self.block(part.index, chunk)?;
        out.copy_from_slice(&block[start as usize..(start + len) as usize]);
        Ok(())
    }

    /// Chunks that are scattered over the output: decoded some at a time, then copied row by row.
    fn read_tiles(&self, parts: &[Part], region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        if self.is_unfiltered() {
            return parts.iter().try_for_each(|part| {
                let stored = self.plain_chunk(part)?.map(Decoded::Stored);
                self.place(part, stored.as_ref(), region, out)
            });
        }
        let at_once =
            self.file.context.limits().cache_bytes.min(64 << 20) / self.chunk_bytes().max(1);
        for parts in parts.chunks(at_once.clamp(1, 64)) {
            let load =
                |part: &Part| part.chunk.map(|chunk| self.decoded(part.index, chunk)).transpose();
            let blocks: Vec<Option<Decoded>> = match parts {
                _ if is_sequential() => self.load_in_turn(parts, load)?,
                [part] => vec![load(part)?],
                _ => parts.par_iter().map(load).collect::<Result<_, _>>()?,
            };
            for (part, block) in parts.iter().zip(&blocks) {
                self.place(part, block.as_ref(), region, out)?;
            }
        }
        Ok(())
    }

    /// Copies what a region takes of one chunk to where it belongs.
    fn place(
        &self,
        part: &Part,
        chunk: Option<&Decoded>,
        region: &Region,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let target = part.target();
        let (from, to) = (
            Runs::new(&self.grid.chunk, &part.inner, self.element_bytes),
            Runs::new(region.len(), &target, self.element_bytes),
        );
        // Both are runs of the innermost axes that they have in common.
        let len = from.run_bytes.min(to.run_bytes);
        let place = |at| to.at(at);
        let block = match chunk {
            Some(Decoded::Stored(offset)) => {
                return from.read(len, out, place, |at, out| {
                    self.file.source.read_exact_at(offset.saturating_add(at), out)
                });
            }
            Some(Decoded::Huge(huge)) => {
                return from.read(len, out, place, |at, out| huge.read_exact_at(at, out));
            }
            Some(Decoded::Block(block)) => Some(block),
            None => None,
        };
        let len_bytes = part.inner.num_elements() * self.element_bytes as u64;
        for at in (0..len_bytes).step_by(len as usize) {
            let out = &mut out[place(at) as usize..][..len as usize];
            match block {
                Some(block) => out.copy_from_slice(&block[from.at(at) as usize..][..len as usize]),
                None => fill(out, &self.fill),
            }
        }
        Ok(())
    }

    /// Loads the blocks of parts on this thread. Those that another thread is just loading come last:
    /// two that read the same chunks share the work, and do not wait for each other at every one.
    fn load_in_turn(
        &self,
        parts: &[Part],
        load: impl Fn(&Part) -> Result<Option<Decoded>, ReadError>,
    ) -> Result<Vec<Option<Decoded>>, ReadError> {
        let mut blocks: Vec<Option<Decoded>> = parts.iter().map(|_| None).collect();
        let mut late = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            if self.file.context.blocks().is_loading(self.key(part.index)) {
                late.push(at);
            } else {
                blocks[at] = load(part)?;
            }
        }
        for at in late {
            blocks[at] = load(&parts[at])?;
        }
        Ok(blocks)
    }

    const fn key(&self, index: u64) -> BlockKey {
        BlockKey { owner: self.owner, index }
    }

    /// A decoded chunk, from the cache or from disk.
    fn decoded(&self, index: u64, chunk: Chunk) -> Result<Decoded, ReadError> {
        if self.is_huge() {
            self.huge(index, chunk).map(Decoded::Huge)
        } else {
            self.block(index, chunk).map(Decoded::Block)
        }
    }

    fn huge(&self, index: u64, chunk: Chunk) -> Result<HugeChunk, ReadError> {
        let (key, len_bytes) = (self.key(index), self.chunk_bytes() as u64);
        HugeChunk::load(&self.file, key, chunk, len_bytes, self.pipeline.as_ref(), |out| {
            self.decode(index, chunk, out)
        })
    }

    /// A decoded chunk from the cache.
    fn block(&self, index: u64, chunk: Chunk) -> Result<Block, ReadError> {
        self.file.context.blocks().get_or_load(self.key(index), || {
            let mut decoded = vec![0; self.chunk_bytes()];
            self.decode(index, chunk, &mut decoded)?;
            Ok(decoded)
        })
    }

    /// Decodes a whole chunk into `out`.
    fn decode(&self, index: u64, chunk: Chunk, out: &mut [u8]) -> Result<(), ReadError> {
        let Some(pipeline) = &self.pipeline else {
            return self.decode_by_library(index, out);
        };
        let len = chunk.len_bytes as usize;
        let source = &self.file.source;
        if len as u64 > source.len() {
            return Err(self.damaged(format!("chunk {index} is larger than the file")));
        }
        check_whole(&self.file, len as u64)?;
        STORED.with_borrow_mut(|stored| {
            stored.resize(len, 0);
            let decoded = source.read_exact_at(chunk.offset, stored).and_then(|()| {
                pipeline
                    .decode(stored, chunk.mask, out)
                    .map_err(|what| self.damaged(format!("chunk {index}: {what}")))
            });
            if stored.capacity() > MAX_KEPT_BYTES {
                *stored = Vec::new();
            }
            decoded
        })
    }

    /// As [`Self::decode`]; what of the chunk lies outside of the extent stays as it is.
    fn decode_by_library(&self, index: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let (mut rest, rank) = (index, self.shape.len());
        let mut start = Dims::from_elem(0, rank);
        for d in (0..rank).rev() {
            start[d] = rest % self.grid.counts[d] * self.grid.chunk[d];
            rest /= self.grid.counts[d];
        }
        let len: Dims =
            (0..rank).map(|d| self.grid.chunk[d].min(self.shape[d] - start[d])).collect();
        let inside = Region::new(Dims::from_elem(0, rank), len.clone());
        let region = Region::new(start, len);
        let mut bytes = vec![0; region.num_elements() as usize * self.element_bytes];
        self.library.read(&region, &mut bytes)?;
        let runs = Runs::new(&self.grid.chunk, &inside, self.element_bytes);
        for (run, bytes) in bytes.chunks_exact(runs.run_bytes as usize).enumerate() {
            out[runs.start(run as u64) as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        Ok(())
    }

    /// When this read goes on where the last one ended, and has left off within a chunk or at its
    /// end, the next chunks are decoded in the background.
    fn read_ahead(self: &Arc<Self>, region: &Region, parts: &[Part], table: &Table) {
        let row: u64 = self.shape[1..].iter().product();
        let start = region.start().first().map_or(0, |first| first * row);
        let end = start + region.num_elements();
        let sequential = self.last_end.swap(end, Ordering::Relaxed) == start;
        let Some(last) = parts.last().filter(|_| sequential && parts.len() <= 2) else { return };
        if is_sequential() || self.is_huge() {
            return;
        }
        let blocks = self.file.context.blocks();
        for index in last.index + 1..=last.index + READ_AHEAD {
            let Some(chunk) = table.get(index) else { return };
            if !blocks.knows(self.key(index)) {
                let this = Arc::clone(self);
                // A failure will be met again, and told, by whoever reads the chunk.
                rayon::spawn(move || {
                    // A panic out here would end the process.
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(this.block(index, chunk))));
                });
            }
        }
    }

    fn damaged(&self, what: String) -> ReadError {
        ReadError::corrupt(self.file.source.path(), "", what)
    }
}
