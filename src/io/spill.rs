//! Decoded chunks that are too large for memory: each in a temporary file without a name, which vanishes
//! with its last reader.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::blocks::Weighed;
use crate::base::ReadError;
use crate::base::said::with_words;

/// Bytes that are decoded at once.
const PIECE_BYTES: usize = 256 << 10;

/// Where temporary files are made: what `ANNCAT_TEMP_DIR` says, else `TMPDIR`, else `/tmp`.
#[must_use]
pub fn temp_dir() -> PathBuf {
    std::env::var_os("ANNCAT_TEMP_DIR")
        .filter(|dir| !dir.is_empty())
        .map_or_else(std::env::temp_dir, PathBuf::from)
}

/// A decoded chunk on disk.
#[derive(Debug)]
pub struct Spilled {
    file: File,
    dir: PathBuf,
    len_bytes: u64,
}

/// Why a chunk could not be decoded to disk.
#[derive(Debug)]
enum SpillError {
    /// The stored bytes could not be read, or are damaged.
    Decode(String),
    /// There is no room for the decoded ones.
    Write(ReadError),
}

impl SpillError {
    fn of_chunk(self, chunk: &str) -> ReadError {
        match self {
            Self::Decode(what) => ReadError::corrupt("", "", format!("{chunk}: {what}")),
            Self::Write(error) => error,
        }
    }
}

impl Spilled {
    /// A chunk that is decoded a piece at a time, by `reader` from what is stored. Errors call it
    /// `chunk`, and name neither file nor element.
    ///
    /// # Errors
    /// The stored bytes cannot be read or are damaged, or there is no room for the decoded ones.
    pub fn of_stream<F: FnMut(u64, &mut [u8]) -> Result<(), ReadError>>(
        dir: &Path,
        chunk: &str,
        len_bytes: u64,
        mut stored: Stream<F>,
        reader: impl for<'s> FnOnce(Box<dyn Read + 's>) -> std::io::Result<Box<dyn Read + 's>>,
    ) -> Result<Self, ReadError> {
        let spilled = match reader(Box::new(&mut stored)) {
            Ok(mut decoded) => Self::fill(dir, len_bytes, &mut *decoded),
            Err(error) => Err(SpillError::Decode(error.to_string())),
        };
        // Why the stream ended is more than the decoder can tell.
        spilled.map_err(|error| stored.failure.take().unwrap_or_else(|| error.of_chunk(chunk)))
    }

    /// As [`Self::of_stream`], of a chunk that was decoded in memory ([`check_whole_chunk`]).
    ///
    /// # Errors
    /// There is no room for it.
    pub fn of_bytes(dir: &Path, chunk: &str, decoded: &[u8]) -> Result<Self, ReadError> {
        let len_bytes = decoded.len() as u64;
        Self::fill(dir, len_bytes, &mut &*decoded).map_err(|error| error.of_chunk(chunk))
    }

    /// Decodes all of `decoded`, which must give exactly `len_bytes`, a piece at a time. Pieces of zeros
    /// take no room.
    ///
    /// # Errors
    /// It gives another number of bytes or fails, or the disk is full.
    fn fill(dir: &Path, len_bytes: u64, decoded: &mut dyn Read) -> Result<Self, SpillError> {
        let failed = |error| SpillError::Write(spill_failed(dir, error));
        let file = tempfile::tempfile_in(dir).map_err(failed)?;
        file.set_len(len_bytes).map_err(failed)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut at = 0;
        loop {
            let read = match decoded.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SpillError::Decode(error.to_string())),
            };
            if at + read as u64 > len_bytes {
                let what = format!("it holds more than {len_bytes} bytes");
                return Err(SpillError::Decode(what));
            }
            if piece[..read].iter().any(|&byte| byte != 0) {
                file.write_all_at(&piece[..read], at).map_err(failed)?;
            }
            at += read as u64;
        }
        if at != len_bytes {
            return Err(SpillError::Decode(format!("it holds {at} bytes, expected {len_bytes}")));
        }
        Ok(Self { file, dir: dir.to_owned(), len_bytes })
    }

    /// Length in bytes.
    #[must_use]
    pub const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Fills `out` with the bytes at `offset`.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        self.file.read_exact_at(out, offset).map_err(|error| spill_failed(&self.dir, error))
    }

    /// As [`Self::read_exact_at`], of bytes that lie shuffled: first the first byte of each element of
    /// so many bytes, then the second of each, and so on; what is left over lies at the end.
    ///
    /// # Errors
    /// What the system says.
    pub fn read_shuffled_at(
        &self,
        element_bytes: usize,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let width = element_bytes as u64;
        let num_elements = self.len_bytes.checked_div(width).unwrap_or(0);
        if width < 2 || num_elements < 2 {
            return self.read_exact_at(offset, out);
        }
        let mut plane = Vec::new();
        let mut at = offset;
        let end = offset + out.len() as u64;
        let tail = num_elements * width;
        while at < end.min(tail) {
            let first = at / width;
            let last = num_elements.min(end.div_ceil(width)).min(first + PIECE_BYTES as u64);
            let until = end.min(last * width);
            plane.resize((last - first) as usize, 0);
            for byte in 0..width {
                self.read_exact_at(byte * num_elements + first, &mut plane)?;
                for (element, value) in (first..).zip(&plane) {
                    let place = element * width + byte;
                    if (at..until).contains(&place) {
                        out[(place - offset) as usize] = *value;
                    }
                }
            }
            at = until;
        }
        if at < end {
            self.read_exact_at(at, &mut out[(at - offset) as usize..])?;
        }
        Ok(())
    }
}

impl Weighed for Spilled {
    fn weight_bytes(&self) -> usize {
        usize::try_from(self.len_bytes).unwrap_or(usize::MAX)
    }
}

/// That a chunk of so many bytes may be decoded in memory as a whole, where `most_bytes` may be used.
/// The error names neither file nor element.
///
/// # Errors
/// It may not.
pub fn check_whole_chunk(len_bytes: u64, most_bytes: u64) -> Result<(), ReadError> {
    if len_bytes <= most_bytes {
        return Ok(());
    }
    let what = format!(
        "a chunk of {len_bytes} bytes has to be decoded in memory as a whole, where {most_bytes} may \
         be used\n  hint: raise --memory, or write the input again with smaller chunks"
    );
    Err(ReadError::unsupported("", "", what))
}

/// A temporary file in `dir` that cannot be made, written or read.
pub fn spill_failed(dir: &Path, error: std::io::Error) -> ReadError {
    let words = "temporary file (ANNCAT_TEMP_DIR or TMPDIR chooses another directory)";
    ReadError::io(dir, "", with_words(words, error))
}

/// The stored bytes of a chunk, read a piece at a time.
#[derive(Debug)]
pub struct Stream<F> {
    read: F,
    at: u64,
    end: u64,
    piece: Vec<u8>,
    used: usize,
    /// Why reading ended early.
    pub failure: Option<ReadError>,
}

impl<F: FnMut(u64, &mut [u8]) -> Result<(), ReadError>> Stream<F> {
    /// The bytes from `at` to `end` of what `read` reads at offsets.
    pub const fn new(at: u64, end: u64, read: F) -> Self {
        Self { read, at, end, piece: Vec::new(), used: 0, failure: None }
    }
}

impl<F: FnMut(u64, &mut [u8]) -> Result<(), ReadError>> Read for Stream<F> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.used == self.piece.len() {
            let len = (self.end - self.at).min(PIECE_BYTES as u64) as usize;
            self.piece.resize(len, 0);
            if let Err(error) = (self.read)(self.at, &mut self.piece) {
                let what = error.to_string();
                self.failure = Some(error);
                return Err(std::io::Error::other(what));
            }
            self.at += len as u64;
            self.used = 0;
        }
        let rest = self.piece.get(self.used..).unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.used += len;
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Fault, Kind};

    #[test]
    fn any_range_of_a_shuffled_chunk_is_that_of_the_plain_one() {
        for (len, width) in [(1000_usize, 4_usize), (1003, 4), (10, 8), (7, 8), (96, 1), (1000, 3)]
        {
            let plain: Vec<u8> = (0..len).map(|i| (i * 7 % 251) as u8).collect();
            let count = len / width;
            let mut shuffled = Vec::new();
            for byte in 0..width {
                shuffled.extend((0..count).map(|i| plain[i * width + byte]));
            }
            shuffled.extend_from_slice(&plain[count * width..]);
            let dir = tempfile::tempdir().unwrap();
            let spilled = Spilled::fill(dir.path(), len as u64, &mut &shuffled[..]).unwrap();
            for start in (0..len).step_by(13) {
                for end in [start + 1, (start + 50).min(len), len] {
                    let mut out = vec![0; end - start];
                    spilled.read_shuffled_at(width, start as u64, &mut out).unwrap();
                    assert_eq!(out, plain[start..end], "{len} {width} {start}..{end}");
                }
            }
        }
    }

    fn plain<'s>(stored: Box<dyn Read + 's>) -> std::io::Result<Box<dyn Read + 's>> {
        Ok(stored)
    }

    #[test]
    fn failures_name_the_chunk_and_leave_the_element_to_who_knows_it() {
        let dir = tempfile::tempdir().unwrap();
        let of_stream = |dir: &Path, len: u64| {
            let four = |_, out: &mut [u8]| {
                out.copy_from_slice(&b"four"[..out.len()]);
                Ok(())
            };
            let spilled = Spilled::of_stream(dir, "chunk 7", len, Stream::new(0, 4, four), plain);
            spilled.map_err(|error| error.within("/X"))
        };
        assert_eq!(of_stream(dir.path(), 4).unwrap().len_bytes(), 4);
        let damaged = of_stream(dir.path(), 5).unwrap_err().to_string();
        assert_eq!(damaged, "/X: chunk 7: it holds 4 bytes, expected 5");
        let nowhere = dir.path().join("none");
        let unwritten = of_stream(&nowhere, 4).unwrap_err();
        assert_eq!(unwritten.element(), Some("/X"));
        assert!(unwritten.to_string().contains("/X: temporary file (ANNCAT_TEMP_DIR"));
        assert_eq!(unwritten.file(), Some(nowhere.as_path()));
        assert_eq!(Spilled::of_bytes(dir.path(), "chunk 7", b"four").unwrap().len_bytes(), 4);
        check_whole_chunk(4, 4).unwrap();
        let refused = check_whole_chunk(4, 3).map_err(|error| error.within("/X")).unwrap_err();
        assert_eq!((refused.kind(), refused.element()), (Kind::Unsupported, Some("/X")));
    }

    #[test]
    fn why_a_stream_ended_is_told_rather_than_what_the_decoder_made_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let changed = |_, _: &mut [u8]| Err(ReadError::Changed { file: "a.h5ad".into() });
        let spilled =
            Spilled::of_stream(dir.path(), "chunk 7", 4, Stream::new(0, 4, changed), plain);
        assert!(matches!(spilled, Err(ReadError::Changed { .. })));
    }

    #[test]
    fn a_chunk_of_another_length_is_an_error_and_zeros_take_no_room() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let fill = |len: u64, bytes: &mut dyn Read| Spilled::fill(dir.path(), len, bytes);
        assert!(matches!(fill(3, &mut &b"four"[..]), Err(SpillError::Decode(_))));
        assert!(matches!(fill(5, &mut &b"four"[..]), Err(SpillError::Decode(_))));
        let zeros = fill(8 << 20, &mut std::io::repeat(0).take(8 << 20)).unwrap();
        assert!(zeros.file.metadata().unwrap().blocks() * 512 < 1 << 20);
    }
}
