//! Temporary arrays on disk: unlinked files that vanish with their last user.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::array::{ArraySource, SharedArray};
use crate::base::{DType, ReadError, Region};
use crate::io::spill_failed;

/// Bytes gathered before they are written, and most bytes of one write: longer ones make the kernel
/// take longer runs of memory, which can be far slower to get than what is at hand.
const BUFFER_BYTES: usize = 128 << 10;

/// Writes a one-dimensional array from front to back.
pub struct SpillWriter {
    file: File,
    dir: PathBuf,
    dtype: DType,
    buffer: Vec<u8>,
    len_bytes: u64,
}

impl SpillWriter {
    /// A new array whose file lies in `dir` without a name.
    pub fn new(dir: &Path, dtype: DType) -> Result<Self, ReadError> {
        let file = tempfile::tempfile_in(dir).map_err(|error| spill_failed(dir, error))?;
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Ok(Self { file, dir: dir.to_owned(), dtype, buffer, len_bytes: 0 })
    }

    /// Elements written so far.
    pub fn len(&self) -> u64 {
        self.len_bytes / self.dtype.size_bytes() as u64
    }

    /// Appends elements.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.len_bytes += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() >= BUFFER_BYTES {
            return bytes
                .chunks(BUFFER_BYTES)
                .try_for_each(|piece| self.file.write_all(piece))
                .map_err(|error| self.failed(error));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The array.
    pub fn finish(mut self) -> Result<SharedArray, ReadError> {
        self.flush()?;
        let shape = [self.len()];
        Ok(Arc::new(SpilledArray { file: self.file, dir: self.dir, dtype: self.dtype, shape }))
    }

    fn flush(&mut self) -> Result<(), ReadError> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> ReadError {
        spill_failed(&self.dir, error)
    }
}

/// An array in an unlinked file.
#[derive(Debug)]
struct SpilledArray {
    file: File,
    dir: PathBuf,
    dtype: DType,
    shape: [u64; 1],
}

impl ArraySource for SpilledArray {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let at = region.range(0).start * self.dtype.size_bytes() as u64;
        self.file.read_exact_at(out, at).map_err(|error| spill_failed(&self.dir, error))
    }
}
