//! One chunk of an array: finding it (in its own file, or through the index of a shard), reading its
//! stored bytes, decoding it. Knows no regions.

use std::cell::Cell;
use std::sync::Arc;

use crate::base::{Dims, ReadError};
use crate::input::zarr::encoding::{
    Body, Checksum, Endian, Header, IndexAt, ShardIndex, json_to_vlen, to_little_endian, zeroed,
};
use crate::input::zarr::store::Place;
use crate::io::{Block, BlockKey, Context, Source, Spilled, Stream, check_whole_chunk};

/// No compressed chunk may decode to more.
const MAX_CHUNK_BYTES: u64 = 4 << 30;

/// Buffers of up to this size are kept by their thread for the next chunk.
const MAX_SCRATCH_BYTES: usize = 8 << 20;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The chunks of one array.
#[derive(Debug)]
pub struct Chunks {
    pub header: Header,
    pub place: Place,
    context: Arc<Context>,
    /// Owners of decoded chunks and of shard indexes in the block cache.
    decoded_owner: u64,
    index_owner: u64,
}

/// Where the stored bytes of a chunk are.
#[derive(Debug)]
pub struct Stored<'a> {
    place: &'a Place,
    file: Box<dyn Source + 'a>,
    offset: u64,
    pub len: u64,
}

/// The elements of a chunk as they were encoded, at offsets.
#[derive(Debug)]
pub enum Laid<'a> {
    /// In the store.
    Stored(Stored<'a>),
    /// Decoded, on disk.
    Spilled(Arc<Spilled>),
}

impl Laid<'_> {
    pub fn len_bytes(&self) -> u64 {
        match self {
            Self::Stored(stored) => stored.len,
            Self::Spilled(spilled) => spilled.len_bytes(),
        }
    }

    /// Fills `out` with the bytes at `offset` of the chunk.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        match self {
            Self::Stored(stored) => stored.read_exact_at(offset, out),
            Self::Spilled(spilled) => spilled.read_exact_at(offset, out),
        }
    }
}

impl Stored<'_> {
    /// Fills `out` with the stored bytes at `offset` of the chunk.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let read = self.file.read_exact_at(self.offset.saturating_add(offset), out);
        read.map_err(|error| self.place.within(error))
    }
}

impl Chunks {
    pub fn new(header: Header, place: Place, context: &Arc<Context>) -> Self {
        Self {
            header,
            place,
            context: Arc::clone(context),
            decoded_owner: context.fresh_id(),
            index_owner: context.fresh_id(),
        }
    }

    /// Number of chunks along an axis.
    fn grid_len(&self, axis: usize) -> u64 {
        self.header.shape[axis].div_ceil(self.header.chunk_shape[axis])
    }

    /// The number of a chunk in the grid. Unique: the number of elements fits, so this does.
    fn number(&self, index: &[u64]) -> u64 {
        let numbered = index.iter().enumerate();
        numbered.fold(0, |number: u64, (axis, &i)| {
            number.wrapping_mul(self.grid_len(axis)).wrapping_add(i)
        })
    }

    /// Elements of a whole chunk.
    pub fn num_elements(&self) -> u64 {
        self.header.chunk_shape.iter().product()
    }

    /// Bytes of one decoded chunk of fixed-width elements.
    pub fn decoded_len(&self) -> Result<usize, ReadError> {
        let element_bytes = self.header.element.size_bytes().unwrap_or(1) as u64;
        let len = self.num_elements().saturating_mul(element_bytes);
        if len > MAX_CHUNK_BYTES {
            return Err(ReadError::unsupported(
                self.place.store(),
                &self.place.element,
                format!("a chunk of {len} bytes is too large to be decoded"),
            ));
        }
        Ok(len as usize)
    }

    /// True when a decoded chunk is too large for memory.
    pub fn is_huge(&self) -> bool {
        let header = &self.header;
        let element_bytes = header.element.size_bytes().unwrap_or(0) as u64;
        !header.codecs.is_packed()
            && self.num_elements().saturating_mul(element_bytes)
                > self.context.largest_block_bytes()
    }

    /// True when parts of a chunk are read at their offsets.
    pub fn is_laid_out(&self) -> bool {
        self.header.codecs.is_packed() || self.is_huge()
    }

    /// The elements of a chunk that [`Self::is_laid_out`]; `None` when it was never written.
    pub fn laid_out(&self, index: &[u64]) -> Result<Option<Laid<'_>>, ReadError> {
        let Some(stored) = self.stored(index)? else { return Ok(None) };
        if self.header.codecs.is_packed() {
            return Ok(Some(Laid::Stored(stored)));
        }
        let key = BlockKey { owner: self.decoded_owner, index: self.number(index) };
        let spilled = self.context.spilled().get_or_load(key, || self.spill(index, &stored))?;
        Ok(Some(Laid::Spilled(spilled)))
    }

    /// Decodes a chunk to disk.
    fn spill(&self, index: &[u64], stored: &Stored<'_>) -> Result<Spilled, ReadError> {
        let len_bytes = self.decoded_len()? as u64;
        let (dir, chunk) = (self.context.spill_dir(), format!("chunk {index:?}"));
        let codecs = &self.header.codecs;
        let spilled = if codecs.is_streamed() {
            let read = |at, out: &mut [u8]| stored.read_exact_at(at, out);
            let stream = Stream::new(0, stored.len, read);
            Spilled::of_stream(dir, &chunk, len_bytes, stream, |stored| codecs.reader(stored))
        } else {
            check_whole_chunk(len_bytes, self.context.budget_bytes()).and_then(|()| {
                let mut bytes = self.decode(index)?;
                // As it was encoded: what is read back is swapped then.
                to_little_endian(&self.header.element, &mut bytes);
                Spilled::of_bytes(dir, &chunk, &bytes)
            })
        };
        spilled.map_err(|error| self.place.within(error.of_file(self.place.store())))
    }

    /// Finds the stored bytes of a chunk; `None` when it was never written.
    pub fn stored(&self, index: &[u64]) -> Result<Option<Stored<'_>>, ReadError> {
        self.place.verify_document()?;
        let Some(shard) = self.header.shard else {
            let file = self.place.open(&self.header.keys.key(index))?;
            return Ok(file.map(|file| Stored {
                place: &self.place,
                len: file.len(),
                file,
                offset: 0,
            }));
        };
        let per_shard = |axis: usize| self.header.file_shape[axis] / self.header.chunk_shape[axis];
        let file_index: Dims =
            index.iter().enumerate().map(|(axis, &i)| i / per_shard(axis)).collect();
        let position = index
            .iter()
            .enumerate()
            .fold(0, |position, (axis, &i)| position * per_shard(axis) + i % per_shard(axis));
        let Some(file) = self.place.open(&self.header.keys.key(&file_index))? else {
            return Ok(None);
        };
        let number = file_index.iter().enumerate().fold(0_u64, |number, (axis, &i)| {
            let grid_len = self.header.shape[axis].div_ceil(self.header.file_shape[axis]);
            number.wrapping_mul(grid_len).wrapping_add(i)
        });
        let key = BlockKey { owner: self.index_owner, index: number };
        let entries = self.context.blocks().get_or_load(key, || self.read_index(shard, &*file))?;
        let at = position as usize * 16;
        let entry = |at: usize| {
            let bytes = entries.get(at..at + 8).and_then(|bytes| bytes.first_chunk());
            bytes.map(|bytes| u64::from_le_bytes(*bytes))
        };
        match (entry(at), entry(at + 8)) {
            (Some(u64::MAX), Some(u64::MAX)) => Ok(None),
            (Some(offset), Some(len)) => Ok(Some(Stored { place: &self.place, file, offset, len })),
            _ => Err(self.place.corrupt("the index of a shard is too short")),
        }
    }

    /// Reads a shard's index: offset and length of each inner chunk, made little-endian.
    fn read_index(&self, shard: ShardIndex, file: &dyn Source) -> Result<Vec<u8>, ReadError> {
        let entries_len = self.header.num_inner_in_shard().saturating_mul(16);
        let stored_len = match shard.checksum {
            Checksum::None => entries_len,
            Checksum::Crc32c => entries_len.saturating_add(4),
        };
        let Some(end) = file.len().checked_sub(stored_len) else {
            let what = format!("a shard of {} bytes is too short for its index", file.len());
            return Err(self.place.corrupt(what));
        };
        let mut index = vec![0; stored_len as usize];
        file.read_exact_at(if shard.at == IndexAt::Start { 0 } else { end }, &mut index)
            .map_err(|error| self.place.within(error))?;
        let checksum = index.split_off(entries_len as usize);
        if shard.checksum == Checksum::Crc32c
            && crc32c::crc32c(&index).to_le_bytes() != checksum[..]
        {
            return Err(self.place.corrupt("the index of a shard does not match its checksum"));
        }
        if shard.endian == Endian::Big {
            for number in index.chunks_exact_mut(8) {
                number.reverse();
            }
        }
        Ok(index)
    }

    /// Hands the stored bytes of a chunk to `use_bytes`, or `None` when it was never written.
    fn with_stored<T>(
        &self,
        index: &[u64],
        use_bytes: impl FnOnce(Option<&[u8]>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        let Some(stored) = self.stored(index)? else { return use_bytes(None) };
        if stored.len > stored.file.len() {
            return Err(self.place.corrupt(format!(
                "a chunk of {} bytes is recorded in a file of {}",
                stored.len,
                stored.file.len()
            )));
        }
        let len = stored.len as usize;
        let mut scratch = SCRATCH.take();
        if scratch.len() < len {
            scratch = zeroed(len).map_err(|why| self.place.corrupt(why))?;
        }
        let outcome = stored
            .read_exact_at(0, &mut scratch[..len])
            .and_then(|()| use_bytes(Some(&scratch[..len])));
        if scratch.len() <= MAX_SCRATCH_BYTES {
            SCRATCH.set(scratch);
        }
        outcome
    }

    /// Decodes a chunk of fixed-width elements into `out`, which is [`Self::decoded_len`] long. One
    /// that was never written is the fill value.
    pub fn decode_into(&self, index: &[u64], out: &mut [u8]) -> Result<(), ReadError> {
        let header = &self.header;
        if header.codecs.is_packed() {
            let Some(stored) = self.stored(index)? else {
                self.fill(out);
                return Ok(());
            };
            if stored.len != out.len() as u64 {
                let what = format!("a chunk holds {} bytes, expected {}", stored.len, out.len());
                return Err(self.place.corrupt(what));
            }
            stored.read_exact_at(0, out)?;
            to_little_endian(&header.element, out);
            return Ok(());
        }
        self.with_stored(index, |encoded| {
            let Some(encoded) = encoded else {
                self.fill(out);
                return Ok(());
            };
            header
                .codecs
                .decode_fixed(encoded, &header.chunk_shape, &header.element, out)
                .map_err(|why| self.place.corrupt(format!("chunk {index:?}: {why}")))
        })
    }

    /// A decoded chunk of fixed-width elements, in a new buffer.
    pub fn decode(&self, index: &[u64]) -> Result<Vec<u8>, ReadError> {
        let mut out = zeroed(self.decoded_len()?).map_err(|why| self.place.corrupt(why))?;
        self.decode_into(index, &mut out)?;
        Ok(out)
    }

    /// A decoded chunk of fixed-width elements, through the block cache.
    pub fn block(&self, index: &[u64]) -> Result<Block, ReadError> {
        let key = BlockKey { owner: self.decoded_owner, index: self.number(index) };
        self.context.blocks().get_or_load(key, || self.decode(index))
    }

    /// The encoded strings of a chunk of variable-length text, empty when it was never written.
    pub fn text(&self, index: &[u64]) -> Result<Vec<u8>, ReadError> {
        self.with_stored(index, |encoded| match encoded {
            None => Ok(Vec::new()),
            Some(encoded) => self
                .header
                .codecs
                .decode_text(encoded, self.context.budget_bytes() as usize)
                .and_then(|text| match self.header.codecs.body() {
                    Body::Json => json_to_vlen(&text),
                    _ => Ok(text),
                })
                .map_err(|why| self.place.corrupt(format!("chunk {index:?}: {why}"))),
        })
    }

    /// [`Self::text`] through the block cache.
    pub fn text_block(&self, index: &[u64]) -> Result<Block, ReadError> {
        let key = BlockKey { owner: self.decoded_owner, index: self.number(index) };
        self.context.blocks().get_or_load(key, || self.text(index))
    }

    /// Writes the fill value all over `out`.
    pub fn fill(&self, out: &mut [u8]) {
        let fill = &self.header.fill;
        match fill.first() {
            Some(&first) if fill.iter().all(|&byte| byte == first) => out.fill(first),
            Some(_) => out.chunks_exact_mut(fill.len()).for_each(|one| one.copy_from_slice(fill)),
            None => {}
        }
    }
}
