//! The three places of a finished file that are changed without the library, which has no call for
//! them: where it ends, and where the data of a dataset lies that was given no room.
//!
//! What is found must be exactly what the library writes for such a file, or it is refused.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::base::lookup3;

/// An address that leads nowhere.
const UNDEFINED: u64 = u64::MAX;
/// Of a superblock of version 2: where the file's end is told, and its length up to the checksum.
const END_AT: usize = 28;
const SUPERBLOCK_BYTES: usize = 44;
/// Types of messages in an object's header.
const LAYOUT: u8 = 8;
const CONTINUATION: u8 = 16;
/// A header has fewer parts than this.
const MOST_CHUNKS: usize = 64;

/// A file that nobody else has open.
pub(super) struct Patch<'f>(pub &'f File);

/// What is wrong.
type Refused = String;

fn failed(error: std::io::Error) -> Refused {
    error.to_string()
}

impl Patch<'_> {
    /// Where the file ends.
    pub fn end(&self) -> Result<u64, Refused> {
        let superblock = self.checked(0, SUPERBLOCK_BYTES)?;
        let is_known = superblock.starts_with(b"\x89HDF\r\n\x1a\n")
            && matches!(superblock.get(8), Some(2 | 3))
            && superblock.get(9..12) == Some(&[8, 8, 0])
            && uint(&superblock, 12) == Some(0);
        match uint(&superblock, END_AT) {
            Some(end) if is_known => Ok(end),
            _ => Err("the library wrote another superblock than expected".to_owned()),
        }
    }

    /// Makes the file end at `end`.
    pub fn set_end(&self, end: u64) -> Result<(), Refused> {
        self.end()?;
        let mut superblock = self.checked(0, SUPERBLOCK_BYTES)?;
        superblock[END_AT..END_AT + 8].copy_from_slice(&end.to_le_bytes());
        self.write(0, superblock)?;
        self.0.set_len(end).map_err(failed)
    }

    /// Gives the data of a dataset, whose header is at `header`, their place in the file.
    pub fn set_place(&self, header: u64, len_bytes: u64, place: u64) -> Result<(), Refused> {
        let odd = || "the library wrote another header of a dataset than expected".to_owned();
        let prefix = self.read(header, 6)?;
        if !prefix.starts_with(b"OHDR\x02") {
            return Err(odd());
        }
        let flags = prefix[5];
        // Times, and when attributes go elsewhere, if they are there.
        let size_at =
            6 + if flags & 0x20 != 0 { 16 } else { 0 } + if flags & 0x10 != 0 { 4 } else { 0 };
        let size_bytes = 1_usize << (flags & 3);
        let size = self.read(header + size_at as u64, size_bytes)?;
        let size = (0..size_bytes).fold(0, |sum, i| sum | (usize::from(size[i]) << (8 * i)));
        let message_bytes = if flags & 4 != 0 { 6 } else { 4 };
        // The parts of the header: where each is, where its messages begin, and where they end.
        let first = size_at + size_bytes;
        let mut chunks = vec![(header, first, first + size)];
        let mut next = 0;
        while let Some(&(at, first, end)) = chunks.get(next) {
            next += 1;
            let mut chunk = self.checked(at, end)?;
            let mut message = first;
            while message + message_bytes <= end {
                let (kind, len) = (
                    chunk[message],
                    usize::from(chunk[message + 1]) | (usize::from(chunk[message + 2]) << 8),
                );
                let body = message + message_bytes;
                message = body + len;
                if message > end {
                    return Err(odd());
                }
                if kind == CONTINUATION {
                    let (Some(at), Some(len)) = (uint(&chunk, body), uint(&chunk, body + 8)) else {
                        return Err(odd());
                    };
                    let end = usize::try_from(len).ok().and_then(|len| len.checked_sub(4));
                    if chunks.len() == MOST_CHUNKS {
                        return Err(odd());
                    }
                    chunks.push((at, 4, end.ok_or_else(odd)?));
                }
                if kind == LAYOUT {
                    // Version 3 or 4, contiguous.
                    let is_known = matches!(chunk[body..message], [3 | 4, 1, ..])
                        && uint(&chunk, body + 2) == Some(UNDEFINED)
                        && uint(&chunk, body + 10) == Some(len_bytes);
                    if !is_known {
                        return Err(odd());
                    }
                    chunk[body + 2..body + 10].copy_from_slice(&place.to_le_bytes());
                    return self.write(at, chunk);
                }
            }
        }
        Err(odd())
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>, Refused> {
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, at).map_err(failed)?;
        Ok(bytes)
    }

    /// So many bytes, after which their checksum stands.
    fn checked(&self, at: u64, len: usize) -> Result<Vec<u8>, Refused> {
        let mut bytes = self.read(at, len + 4)?;
        let sum = bytes.split_off(len);
        if sum != lookup3(&bytes).to_le_bytes() {
            return Err("a checksum of the library is not where it is expected".to_owned());
        }
        Ok(bytes)
    }

    /// Writes bytes and their checksum.
    fn write(&self, at: u64, mut bytes: Vec<u8>) -> Result<(), Refused> {
        bytes.extend_from_slice(&lookup3(&bytes).to_le_bytes());
        self.0.write_all_at(&bytes, at).map_err(failed)
    }
}

fn uint(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
