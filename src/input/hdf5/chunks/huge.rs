//! A chunk that is too large for memory: decoded once, to disk.

use std::sync::Arc;

use super::filters::Pipeline;
use super::tree::Chunk;
use crate::array::zeroed;
use crate::base::ReadError;
use crate::input::hdf5::file::HdfFile;
use crate::io::{BlockKey, SpillError, Spilled, Stream};

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
        let damaged = |what: String| {
            let what = format!("chunk {}: {what}", key.index);
            ReadError::corrupt(file.source.path(), "", what)
        };
        let dir = file.context.spill_dir();
        let load = || {
            let Some(streamed) = streamed else {
                let bytes = whole_bytes(file, len_bytes, whole)?;
                return Spilled::fill(dir, len_bytes, &mut &*bytes).map_err(|error| match error {
                    SpillError::Decode(what) => damaged(what),
                    SpillError::Write(error) => error,
                });
            };
            let end = chunk.offset.saturating_add(u64::from(chunk.len_bytes));
            let read = |at, out: &mut [u8]| file.source.read_exact_at(at, out);
            let mut stored = Stream::new(chunk.offset, end, read);
            let spilled = match streamed.reader(&mut stored) {
                Ok(mut decoded) => Spilled::fill(dir, len_bytes, &mut *decoded),
                Err(error) => Err(SpillError::Decode(error.to_string())),
            };
            spilled.map_err(|error| match (stored.failure.take(), error) {
                (Some(failure), _) => failure,
                (None, SpillError::Decode(what)) => damaged(what),
                (None, SpillError::Write(error)) => error,
            })
        };
        let spilled = file.context.spilled().get_or_load(key, load)?;
        Ok(Self { spilled, shuffled_bytes: streamed.map_or(1, |streamed| streamed.shuffled_bytes) })
    }

    /// Fills `out` with the decoded bytes at `offset`.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        self.spilled.read_shuffled_at(self.shuffled_bytes, offset, out)
    }
}

/// A chunk in memory, if it may be there.
fn whole_bytes(
    file: &HdfFile,
    len_bytes: u64,
    whole: impl FnOnce(&mut [u8]) -> Result<(), ReadError>,
) -> Result<Vec<u8>, ReadError> {
    let most = file.context.largest_transient_bytes();
    if len_bytes > most {
        return Err(ReadError::unsupported(
            file.source.path(),
            "",
            format!(
                "a chunk of {len_bytes} bytes has to be decoded in memory as a whole, where {most} \
                 may be used\n  hint: raise --memory, or write the file again with smaller chunks"
            ),
        ));
    }
    let mut bytes = zeroed(len_bytes, 1)?;
    whole(&mut bytes)?;
    Ok(bytes)
}
