//! A chunk that is too large for memory: decoded once, to disk.

use std::sync::Arc;

use super::filters::Pipeline;
use super::tree::Chunk;
use crate::array::zeroed;
use crate::base::ReadError;
use crate::input::hdf5::file::HdfFile;
use crate::io::{BlockKey, Spilled, Stream, check_whole_chunk};

/// A decoded chunk on disk.
#[derive(Debug)]
pub struct HugeChunk {
    spilled: Arc<Spilled>,
    /// Elements of so many bytes still lie shuffled.
    shuffled_bytes: usize,
}

impl HugeChunk {
    /// The chunk, decoded if it is not yet. `whole` decodes one whose filters need it in memory.
    pub fn load(
        file: &HdfFile,
        key: BlockKey,
        chunk: Chunk,
        len_bytes: u64,
        pipeline: Option<&Pipeline>,
        whole: impl FnOnce(&mut [u8]) -> Result<(), ReadError>,
    ) -> Result<Self, ReadError> {
        let streamed = pipeline.and_then(|pipeline| pipeline.streamed(chunk.mask));
        let dir = file.context.spill_dir();
        let load = || {
            let name = format!("chunk {}", key.index);
            let spilled = match streamed {
                Some(streamed) => {
                    let end = chunk.offset.saturating_add(u64::from(chunk.len_bytes));
                    let read = |at, out: &mut [u8]| file.source.read_exact_at(at, out);
                    let stored = Stream::new(chunk.offset, end, read);
                    Spilled::of_stream(dir, &name, len_bytes, stored, |it| streamed.reader(it))
                }
                None => whole_bytes(file, len_bytes, whole)
                    .and_then(|bytes| Spilled::of_bytes(dir, &name, &bytes)),
            };
            spilled.map_err(|error| error.of_file(file.source.path()))
        };
        let spilled = file.context.spilled().get_or_load(key, load)?;
        Ok(Self { spilled, shuffled_bytes: streamed.map_or(1, |streamed| streamed.shuffled_bytes) })
    }

    /// Fills `out` with the decoded bytes at `offset`.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        self.spilled.read_shuffled_at(self.shuffled_bytes, offset, out)
    }
}

/// That so many bytes of a chunk may be in memory at once.
///
/// # Errors
/// They are more than may be used.
pub fn check_whole(file: &HdfFile, len_bytes: u64) -> Result<(), ReadError> {
    check_whole_chunk(len_bytes, file.context.budget_bytes())
        .map_err(|error| error.of_file(file.source.path()))
}

/// A chunk in memory, if it may be there.
fn whole_bytes(
    file: &HdfFile,
    len_bytes: u64,
    whole: impl FnOnce(&mut [u8]) -> Result<(), ReadError>,
) -> Result<Vec<u8>, ReadError> {
    check_whole(file, len_bytes)?;
    let mut bytes = zeroed(len_bytes, 1)?;
    whole(&mut bytes)?;
    Ok(bytes)
}
