//! What is large: contiguous numbers and text written straight at their place in the file, or chunks
//! encoded on all cores and handed to the library.

use std::fs::File;

use crate::array::{ArraySource, Block, Blocks, ChunkFilter, SharedArray, len_bytes};
use crate::base::{Dims, Progress, ReadError, Region};
use crate::h5ad::{
    ChunkWriter, Chunked, Filter, Grid, LayoutError, PlacedNumbers, PlacedText, Storage,
};
use crate::materialize::codec::{Zlib, lzf, shuffle};
use crate::materialize::pieces::{set_aside, write_at};
use crate::materialize::schedule::{interleave, run};
use crate::materialize::{Cancel, Limits, MaterializeError};
use crate::tree::ElementError;

/// How a numeric dataset is stored.
#[derive(Debug, Clone)]
pub enum Layout {
    /// One run of bytes in the file.
    Contiguous,
    /// Encoded chunks.
    Chunked(Chunks),
}

impl Layout {
    /// As the file is told.
    pub fn storage(&self) -> Storage {
        match self {
            Self::Contiguous => Storage::Contiguous,
            Self::Chunked(chunks) => Storage::Chunked(Grid {
                shape: chunks.shape.clone(),
                shuffles: chunks.shuffled(),
                filter: chunks.encoding,
            }),
        }
    }
}

/// The grid and the filter pipeline of a chunked dataset.
#[derive(Debug, Clone)]
pub struct Chunks {
    /// Extent of a chunk: 1 up to some axis, all of the later axes.
    pub shape: Dims,
    /// Size of the elements that the shuffle filter takes apart, if it is in the pipeline.
    pub shuffle_bytes: Option<usize>,
    /// The last filter.
    pub encoding: Filter,
    /// Whether the source may have chunks that can be copied as they are.
    pub pass_through: bool,
}

impl Chunks {
    /// Whether the pipeline shuffles.
    pub fn shuffled(&self) -> bool {
        self.shuffle_bytes.is_some()
    }
}

/// Where a dataset's numbers go.
pub enum Destination {
    /// At this offset of the file.
    At(u64),
    /// Into the chunks of a dataset.
    Chunks {
        /// Takes them.
        writer: ChunkWriter,
        /// Its grid and filters.
        chunks: Chunks,
    },
}

/// A numeric dataset and what goes into it.
pub struct NumberTask {
    pub element: String,
    pub source: SharedArray,
    pub destination: Destination,
    /// Tasks of the same group have the same number.
    pub parent: usize,
}

impl NumberTask {
    /// Contiguous numbers.
    pub fn placed(numbers: PlacedNumbers) -> Self {
        let PlacedNumbers { element, source, offset, parent } = numbers;
        Self { element, source, destination: Destination::At(offset), parent }
    }

    /// Numbers in chunks, which are those of `layouts` for all arrays.
    pub fn chunked(chunked: Chunked, layouts: &[Layout]) -> Option<Self> {
        let Chunked { element, source, writer, parent, index } = chunked;
        let Layout::Chunked(chunks) = layouts.get(index)?.clone() else { return None };
        Some(Self { element, source, destination: Destination::Chunks { writer, chunks }, parent })
    }
}

/// What all workers share.
pub struct Writer<'a> {
    /// The output, open for writing beside the library.
    pub file: &'a File,
    pub limits: &'a Limits,
    pub cancel: &'a Cancel,
    pub progress: &'a dyn Progress,
    /// Turns the library's refusal into an error.
    pub failed: &'a (dyn Fn(LayoutError) -> MaterializeError + Sync),
    /// Turns a failed write at an element into an error.
    pub write_failed: &'a (dyn Fn(&str, std::io::Error) -> MaterializeError + Sync),
}

/// The room of smaller arrays is found as they are written.
const SET_ASIDE_BYTES: u64 = 1 << 20;

/// A worker's buffers; they only grow.
#[derive(Default)]
pub struct Buffers {
    raw: Vec<u8>,
    shuffled: Vec<u8>,
    encoded: Vec<u8>,
    references: Vec<u8>,
    zlib: Option<(u8, Zlib)>,
}

/// What a worker does at a time.
enum Job<'a> {
    Numbers(&'a [NumberTask], Block),
    Text(&'a PlacedText, usize),
}

/// The first `len` bytes of a buffer that only grows.
fn at_least(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

impl Writer<'_> {
    /// Writes all numbers and texts. Arrays of one group that are cut alike go in step on one worker,
    /// so that what `data` and `indices` of the same rows both need is decoded once, and nobody waits
    /// for it.
    pub fn write(
        &self,
        tasks: &[NumberTask],
        texts: &[PlacedText],
    ) -> Result<(), MaterializeError> {
        for task in tasks {
            self.set_aside(task)?;
        }
        let numbers = tasks.chunk_by(|a, b| a.parent == b.parent).flat_map(|siblings| {
            let steps = siblings
                .chunk_by(|a, b| self.is_cut_alike(a, b, siblings))
                .map(|alike| {
                    let blocks = alike.first().map(|task| self.blocks(task, siblings));
                    blocks.into_iter().flatten().map(move |block| Job::Numbers(alike, block))
                })
                .collect();
            interleave(steps)
        });
        let portions =
            texts.iter().flat_map(|text| (0..text.num_portions()).map(move |n| Job::Text(text, n)));
        let jobs = numbers.chain(portions);
        run(jobs, self.limits.threads, self.cancel, Buffers::default, |buffers, job| match job {
            Job::Numbers(alike, block) => {
                alike.iter().try_for_each(|task| match &task.destination {
                    Destination::At(offset) => self.write_block(buffers, task, *offset, &block),
                    Destination::Chunks { writer, chunks } => {
                        self.write_chunk(buffers, task, writer, chunks, &block)
                    }
                })
            }
            Job::Text(text, portion) => self.write_portion(buffers, text, portion),
        })
    }

    fn write_portion(
        &self,
        buffers: &mut Buffers,
        text: &PlacedText,
        portion: usize,
    ) -> Result<(), MaterializeError> {
        let (references, heap) = (&mut buffers.references, &mut buffers.raw);
        text.encode(portion, self.limits.max_strings(), references, heap)
            .map_err(ElementError::read(&text.element))?;
        write_at(self.file, references, text.references_of(portion).start)
            .and_then(|()| write_at(self.file, heap, text.heap_of(portion).start))
            .map_err(|error| (self.write_failed)(&text.element, error))?;
        self.progress.advance((references.len() + heap.len()) as u64);
        Ok(())
    }

    fn set_aside(&self, task: &NumberTask) -> Result<(), MaterializeError> {
        let Destination::At(offset) = task.destination else { return Ok(()) };
        let len_bytes = len_bytes(&*task.source);
        if len_bytes < SET_ASIDE_BYTES {
            return Ok(());
        }
        set_aside(self.file, offset, len_bytes)
            .map_err(|error| (self.write_failed)(&task.element, error))
    }

    /// True when the blocks of both are the same, and more than one: whole small arrays are spread
    /// over the workers instead.
    fn is_cut_alike(&self, a: &NumberTask, b: &NumberTask, siblings: &[NumberTask]) -> bool {
        a.source.shape() == b.source.shape()
            && self.blocks(a, siblings).nth(1).is_some()
            && self.blocks(a, siblings).eq(self.blocks(b, siblings))
    }

    fn blocks(&self, task: &NumberTask, siblings: &[NumberTask]) -> Blocks {
        let shape = task.source.shape();
        match &task.destination {
            Destination::At(_) => {
                // Equal extents are cut at the same elements, whatever their element types.
                let element_bytes = siblings
                    .iter()
                    .filter(|sibling| sibling.source.shape() == shape)
                    .map(|sibling| sibling.source.dtype().size_bytes() as u64)
                    .max()
                    .unwrap_or(1);
                let max_elements = self.limits.block_bytes(element_bytes) / element_bytes;
                let grain = siblings
                    .iter()
                    .filter(|sibling| sibling.source.shape() == shape)
                    .find_map(|sibling| sibling.source.grain());
                Blocks::new(shape, grain, max_elements)
            }
            Destination::Chunks { chunks, .. } => {
                Blocks::new(shape, None, chunks.shape.iter().product())
            }
        }
    }

    fn write_block(
        &self,
        buffers: &mut Buffers,
        task: &NumberTask,
        offset: u64,
        block: &Block,
    ) -> Result<(), MaterializeError> {
        let element_bytes = task.source.dtype().size_bytes() as u64;
        let len = (block.region.num_elements() * element_bytes) as usize;
        let bytes = at_least(&mut buffers.raw, len);
        task.source.read_into(&block.region, bytes).map_err(ElementError::read(&task.element))?;
        write_at(self.file, bytes, offset + block.first_element * element_bytes)
            .map_err(|error| (self.write_failed)(&task.element, error))?;
        self.progress.advance(len as u64);
        Ok(())
    }

    fn write_chunk(
        &self,
        buffers: &mut Buffers,
        task: &NumberTask,
        writer: &ChunkWriter,
        chunks: &Chunks,
        block: &Block,
    ) -> Result<(), MaterializeError> {
        let start = block.region.start();
        let element_bytes = task.source.dtype().size_bytes();
        let len = block.region.num_elements() as usize * element_bytes;
        let read_failed = || ElementError::read(&task.element);
        // The library keeps chunks at the edge in full size; what lies outside is zero.
        let full = chunks.shape.iter().product::<u64>() as usize * element_bytes;
        let bytes = at_least(&mut buffers.raw, full);
        bytes[len..].fill(0);
        // Also of what is copied as it is stored: damage is met here, not by who reads the output.
        task.source.read_into(&block.region, &mut bytes[..len]).map_err(read_failed())?;
        let passed = if chunks.pass_through {
            passable(task.source.as_ref(), &block.region, chunks).map_err(read_failed())?
        } else {
            None
        };
        let written = match passed {
            Some((skipped, bytes)) => writer.write(start, skipped, &bytes),
            None => {
                let (skipped, bytes) = encode(buffers, full, chunks);
                writer.write(start, skipped, bytes)
            }
        };
        written.map_err(self.failed)?;
        self.progress.advance(len as u64);
        Ok(())
    }
}

/// A chunk as the source stores it, when its filters are in the pipeline, and the mask of the
/// pipeline's filters that it lacks.
fn passable(
    source: &dyn ArraySource,
    region: &Region,
    chunks: &Chunks,
) -> Result<Option<(u32, Vec<u8>)>, ReadError> {
    // A chunk at the edge is stored in full size, which another grid's chunk need not have.
    if region.len() != chunks.shape.as_slice() {
        return Ok(None);
    }
    let Some(stored) = source.stored_chunk(region)? else { return Ok(None) };
    let shuffles = chunks.shuffle_bytes.map(|element_bytes| ChunkFilter::Shuffle { element_bytes });
    let skipped = match (stored.filters.as_slice(), shuffles) {
        ([ChunkFilter::Deflate], None) => 0,
        ([ChunkFilter::Deflate], Some(_)) => 1,
        ([shuffle, ChunkFilter::Deflate], Some(ours)) if *shuffle == ours => 0,
        _ => return Ok(None),
    };
    Ok(Some((skipped, stored.bytes)))
}

/// Encodes the first `len` bytes of the raw buffer; the mask of skipped filters, and the result.
fn encode<'a>(buffers: &'a mut Buffers, len: usize, chunks: &Chunks) -> (u32, &'a [u8]) {
    let raw = &buffers.raw[..len];
    let (plain, encode_bit) = match chunks.shuffle_bytes {
        Some(element_bytes) => {
            shuffle(raw, element_bytes, &mut buffers.shuffled);
            (buffers.shuffled.as_slice(), 1 << 1)
        }
        None => (raw, 1),
    };
    let shorter = match chunks.encoding {
        Filter::Gzip { level } => {
            let zlib = match &mut buffers.zlib {
                Some((of_level, zlib)) if *of_level == level => zlib,
                other => &mut other.insert((level, Zlib::new(level))).1,
            };
            zlib.compress(plain, &mut buffers.encoded)
        }
        Filter::Lzf => lzf(plain, &mut buffers.encoded),
    };
    if shorter { (0, &buffers.encoded) } else { (encode_bit, plain) }
}

/// What the grid and the filters of each array are to be.
pub struct LayoutChoice<'a> {
    pub encoding: Option<Filter>,
    /// Elements of a chunk.
    pub chunk_elements: u64,
    pub limits: &'a Limits,
    pub cancel: &'a Cancel,
}

/// Smaller arrays are stored contiguous: a chunk index would outweigh what compression saves.
const MIN_CHUNKED_BYTES: u64 = 4096;
/// Elements that decide whether shuffling pays.
const SAMPLE_ELEMENTS: u64 = 1 << 14;
/// Source chunks of such sizes are worth keeping as the output's.
const PASSABLE_ELEMENTS: std::ops::RangeInclusive<u64> = 1 << 12..=1 << 22;
/// From this level on the user wants small files rather than fast ones: chunks are encoded anew.
const SMALL_LEVEL: u8 = 7;

impl LayoutChoice<'_> {
    /// One layout for each array, in order.
    pub fn choose(
        &self,
        arrays: &[(String, SharedArray)],
    ) -> Result<Vec<Layout>, MaterializeError> {
        let Some(encoding) = self.encoding else {
            return Ok(arrays.iter().map(|_| Layout::Contiguous).collect());
        };
        let chosen: Vec<_> = arrays.iter().map(|_| std::sync::OnceLock::new()).collect();
        let jobs = arrays.iter().zip(&chosen);
        run(
            jobs,
            self.limits.threads,
            self.cancel,
            Buffers::default,
            |buffers, ((element, array), slot)| {
                let layout = self
                    .layout(array.as_ref(), encoding, buffers)
                    .map_err(ElementError::read(element))?;
                // Each slot belongs to one job.
                let _ = slot.set(layout);
                Ok(())
            },
        )?;
        Ok(chosen.into_iter().map(|slot| slot.into_inner().unwrap_or(Layout::Contiguous)).collect())
    }

    fn layout(
        &self,
        array: &dyn ArraySource,
        encoding: Filter,
        buffers: &mut Buffers,
    ) -> Result<Layout, ReadError> {
        let (shape, element_bytes) = (array.shape(), array.dtype().size_bytes());
        if shape.is_empty() || len_bytes(array) < MIN_CHUNKED_BYTES {
            return Ok(Layout::Contiguous);
        }
        let kept = match encoding {
            Filter::Gzip { level } if level < SMALL_LEVEL => kept_grid(array)?,
            _ => None,
        };
        let (chunk_shape, source_shuffles) = match kept {
            Some((grid, shuffles)) => (grid, Some(shuffles)),
            None => {
                let by_memory =
                    self.limits.block_bytes(element_bytes as u64) / element_bytes as u64;
                let chunk_elements = self.chunk_elements.min(by_memory).max(1);
                match Blocks::new(shape, None, chunk_elements).next() {
                    Some(block) => (block.region.len().into(), None),
                    None => return Ok(Layout::Contiguous),
                }
            }
        };
        let mut chunks = Chunks {
            shape: chunk_shape,
            shuffle_bytes: Some(element_bytes).filter(|&bytes| bytes > 1),
            encoding,
            pass_through: source_shuffles.is_some(),
        };
        if source_shuffles != Some(true) && !shuffling_pays(array, &chunks, buffers)? {
            chunks.shuffle_bytes = None;
        }
        Ok(Layout::Chunked(chunks))
    }
}

/// The source's own grid, if its chunks could be copied: whole rows, of a reasonable size, and
/// deflated; and whether they are shuffled.
fn kept_grid(array: &dyn ArraySource) -> Result<Option<(Dims, bool)>, ReadError> {
    let shape = array.shape();
    let Some(grain) = array.grain() else { return Ok(None) };
    let fits = grain.len() == shape.len()
        && grain[1..] == shape[1..]
        && grain[0] <= shape[0]
        && PASSABLE_ELEMENTS.contains(&grain.iter().product());
    if !fits {
        return Ok(None);
    }
    let first = Region::new(shape.iter().map(|_| 0).collect::<Dims>(), Dims::from(grain));
    let stored = array.stored_chunk(&first)?;
    Ok(stored.and_then(|stored| match stored.filters.as_slice() {
        [ChunkFilter::Deflate] => Some((grain.into(), false)),
        [ChunkFilter::Shuffle { .. }, ChunkFilter::Deflate] => Some((grain.into(), true)),
        _ => None,
    }))
}

/// Tries both on the first elements. Integers gain by shuffling, log-normalised counts lose.
fn shuffling_pays(
    array: &dyn ArraySource,
    chunks: &Chunks,
    buffers: &mut Buffers,
) -> Result<bool, ReadError> {
    let Some(element_bytes) = chunks.shuffle_bytes else { return Ok(false) };
    let Some(block) = Blocks::new(array.shape(), None, SAMPLE_ELEMENTS).next() else {
        return Ok(false);
    };
    let len = block.region.num_elements() as usize * element_bytes;
    array.read_into(&block.region, at_least(&mut buffers.raw, len))?;
    let shuffled = encode(buffers, len, chunks).1.len();
    let plain = encode(buffers, len, &Chunks { shuffle_bytes: None, ..chunks.clone() }).1.len();
    Ok(shuffled < plain)
}
