//! The filter pipeline of chunked datasets, decoded without the library.
//!
//! Knows filters by their registered numbers; knows neither files nor chunk geometry. Every length
//! in the input is checked; output never grows past what the chunk's size allows.

mod bitshuffle;
mod checksum;
mod codecs;
mod length;
mod lzf;
mod shuffle;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use crate::array::ChunkFilter;

/// Buffers of up to this size are kept by their thread for the next chunk.
pub const MAX_KEPT_BYTES: usize = 8 << 20;
/// A filter's parameters beyond these are not asked for.
pub const MOST_PARAMETERS: usize = 32;

/// One filter with its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Deflate,
    Shuffle { element_bytes: usize },
    Fletcher32,
    Lzf,
    Blosc,
    Lz4,
    Zstd,
    Bitshuffle { element_bytes: usize, codec: bitshuffle::Codec },
}

/// The filters of a dataset, in the order in which they were applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pipeline {
    filters: Vec<Filter>,
}

/// A pipeline that can be undone a piece at a time, but for the shuffle, which is undone in reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streamed {
    codec: StreamCodec,
    /// Elements of so many bytes are shuffled; not at all for 1.
    pub shuffled_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamCodec {
    None,
    Deflate,
    Zstd,
}

impl Streamed {
    /// Decodes a stream.
    ///
    /// # Errors
    /// There is no memory for the decoder.
    pub fn reader<'a>(
        &self,
        stored: impl std::io::Read + 'a,
    ) -> std::io::Result<Box<dyn std::io::Read + 'a>> {
        Ok(match self.codec {
            StreamCodec::None => Box::new(stored),
            StreamCodec::Deflate => crate::input::inflate::zlib_reader(stored),
            StreamCodec::Zstd => crate::input::inflate::zstd_reader(stored)?,
        })
    }
}

thread_local! {
    /// Buffers between the stages, kept from chunk to chunk.
    static SCRATCH: RefCell<[Vec<u8>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

impl Pipeline {
    /// The pipeline of these filters (number and parameters each); `None` when one is not known
    /// here, or when the size between two of them cannot be known.
    pub fn new(filters: &[(i32, Vec<u32>)]) -> Option<Self> {
        let filters: Vec<Filter> = filters
            .iter()
            .map(|(number, parameters)| {
                let parameter = |index: usize| parameters.get(index).copied().unwrap_or(0);
                Some(match number {
                    1 => Filter::Deflate,
                    2 => Filter::Shuffle { element_bytes: parameter(0) as usize },
                    3 => Filter::Fletcher32,
                    32000 => Filter::Lzf,
                    32001 => Filter::Blosc,
                    32004 => Filter::Lz4,
                    32008 => Filter::Bitshuffle {
                        element_bytes: parameter(2) as usize,
                        codec: bitshuffle::Codec::new(parameter(3), parameter(4))?,
                    },
                    32015 => Filter::Zstd,
                    _ => return None,
                })
            })
            .collect::<Option<_>>()?;
        let compressors = filters.iter().filter(|filter| filter.compresses()).count();
        (compressors <= 1).then_some(Self { filters })
    }

    /// True when chunks are stored as they are.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// The filters that were applied to a chunk with this mask, when a writer can pass them on.
    pub fn passable(&self, mask: u32) -> Option<Vec<ChunkFilter>> {
        self.applied(mask)
            .map(|filter| match filter {
                Filter::Deflate => Some(ChunkFilter::Deflate),
                Filter::Shuffle { element_bytes } => Some(ChunkFilter::Shuffle { element_bytes }),
                _ => None,
            })
            .collect()
    }

    /// How a chunk is decoded a piece at a time; `None` when one of its filters needs it whole.
    pub fn streamed(&self, mask: u32) -> Option<Streamed> {
        let mut streamed = Streamed { codec: StreamCodec::None, shuffled_bytes: 1 };
        for filter in self.applied(mask) {
            match (filter, streamed.codec) {
                (Filter::Shuffle { element_bytes }, StreamCodec::None)
                    if streamed.shuffled_bytes == 1 =>
                {
                    streamed.shuffled_bytes = element_bytes;
                }
                (Filter::Deflate, StreamCodec::None) => streamed.codec = StreamCodec::Deflate,
                (Filter::Zstd, StreamCodec::None) => streamed.codec = StreamCodec::Zstd,
                _ => return None,
            }
        }
        Some(streamed)
    }

    /// A bit of the mask says that its filter was left out for this chunk.
    fn applied(&self, mask: u32) -> impl DoubleEndedIterator<Item = Filter> {
        let skipped = move |index: usize| index < 32 && mask >> index & 1 == 1;
        self.filters
            .iter()
            .enumerate()
            .filter(move |(index, _)| !skipped(*index))
            .map(|(_, filter)| *filter)
    }

    /// Decodes one chunk into `out`, which has exactly the chunk's size.
    ///
    /// # Errors
    /// What is wrong with the stored bytes.
    pub fn decode(&self, stored: &[u8], mask: u32, out: &mut [u8]) -> Result<(), String> {
        // Each filter with the size that there was before it: known from the front up to the
        // compressor, and from the back after it.
        let mut stages = [(Filter::Fletcher32, 0); 32];
        let mut count = 0;
        let mut size = Some(out.len());
        for filter in self.applied(mask) {
            let stage = stages.get_mut(count).ok_or("the chunk has more than 32 filters")?;
            *stage = (filter, size.unwrap_or(0));
            count += 1;
            size = if filter.compresses() { None } else { size.map(|s| s + filter.added_bytes()) };
        }
        if size.is_none() {
            let mut size = stored.len();
            for (filter, before) in stages[..count].iter_mut().rev() {
                if filter.compresses() {
                    break;
                }
                size = size
                    .checked_sub(filter.added_bytes())
                    .ok_or("the chunk is too short to hold its checksum")?;
                *before = size;
            }
        }
        let stages = &stages[..count];
        let Some(((first, _), later)) = stages.split_first() else {
            if stored.len() != out.len() {
                return Err(format!("{} bytes stored, {} expected", stored.len(), out.len()));
            }
            out.copy_from_slice(stored);
            return Ok(());
        };
        SCRATCH.with_borrow_mut(|[from, to]| {
            let mut undo = || {
                for (index, (filter, size)) in later.iter().enumerate().rev() {
                    to.resize(*size, 0);
                    let input = if index + 1 == later.len() { stored } else { from.as_slice() };
                    filter.undo(input, to)?;
                    std::mem::swap(from, to);
                }
                first.undo(if later.is_empty() { stored } else { from }, out)
            };
            let undone = undo();
            for buffer in [from, to] {
                if buffer.capacity() > MAX_KEPT_BYTES {
                    *buffer = Vec::new();
                }
            }
            undone
        })
    }
}

impl Filter {
    /// True when the size of its output depends on the data.
    const fn compresses(self) -> bool {
        !matches!(
            self,
            Self::Shuffle { .. }
                | Self::Fletcher32
                | Self::Bitshuffle { codec: bitshuffle::Codec::None { .. }, .. }
        )
    }

    /// Bytes that a filter which does not compress adds.
    const fn added_bytes(self) -> usize {
        if matches!(self, Self::Fletcher32) { 4 } else { 0 }
    }

    /// Undoes the filter; `out` has the size that there was before it.
    fn undo(self, input: &[u8], out: &mut [u8]) -> Result<(), String> {
        match self {
            Self::Deflate => codecs::deflate(input, out),
            Self::Shuffle { element_bytes } => shuffle::undo(input, element_bytes, out),
            Self::Fletcher32 => checksum::strip_fletcher32(input, out),
            Self::Lzf => lzf::decode(input, out),
            Self::Blosc => codecs::blosc(input, out),
            Self::Lz4 => codecs::lz4(input, out),
            Self::Zstd => codecs::zstd(input, out),
            Self::Bitshuffle { element_bytes, codec } => {
                bitshuffle::undo(input, element_bytes, codec, out)
            }
        }
    }
}
