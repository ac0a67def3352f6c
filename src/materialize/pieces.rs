//! Bytes into a file, in the portions and after the preparation that make it cheap.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// Most bytes of one write, and the multiple of the file's offset at which it ends.
///
/// The page cache takes memory in runs as long as the write that needs it. Longer runs are a little
/// cheaper to fill, but on virtual machines whose long free runs have gone back to the host every
/// page of them has to be fetched again, which makes a write several times as slow. Runs of this
/// length (those of `cat`) are made of memory that is at hand.
const PIECE_BYTES: u64 = 128 << 10;

/// Writes all of `bytes` at `offset`.
pub fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let to_edge = PIECE_BYTES - offset % PIECE_BYTES;
        let (piece, rest) = bytes.split_at(to_edge.min(bytes.len() as u64) as usize);
        file.write_all_at(piece, offset)?;
        offset += piece.len() as u64;
        bytes = rest;
    }
    Ok(())
}

/// Reserves the room of bytes that are about to be written, without changing the file's length:
/// writing then need not look for it. A file system that cannot is left to find room as it goes.
///
/// # Errors
/// There is no such room.
pub fn set_aside(file: &File, offset: u64, len_bytes: u64) -> io::Result<()> {
    let (Ok(start), Ok(len)) = (libc::off_t::try_from(offset), libc::off_t::try_from(len_bytes))
    else {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    };
    if len == 0 {
        return Ok(());
    }
    // SAFETY: a call on an open descriptor that takes numbers only.
    let status =
        unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, start, len) };
    if status == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG) => Err(error),
        // Not supported here, interrupted by a signal: writing will tell if anything is wrong.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_byte_wherever_it_starts() {
        let file = tempfile::tempfile().unwrap();
        let piece = PIECE_BYTES as usize;
        let bytes: Vec<u8> = (0..3 * piece + 5).map(|i| (i % 251) as u8).collect();
        for offset in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 4096] {
            for len in [0, 1, piece - 1, piece, piece + 1, bytes.len()] {
                file.set_len(0).unwrap();
                write_at(&file, &bytes[..len], offset).unwrap();
                let mut back = vec![0; len];
                file.read_exact_at(&mut back, offset).unwrap();
                assert!(back == bytes[..len], "{len} at {offset}");
            }
        }
    }

    #[test]
    fn setting_aside_keeps_length_and_content() {
        let file = tempfile::tempfile().unwrap();
        write_at(&file, b"abc", 0).unwrap();
        set_aside(&file, 0, 1 << 20).unwrap();
        set_aside(&file, 1 << 20, 0).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 3);
        let mut back = [0; 3];
        file.read_exact_at(&mut back, 0).unwrap();
        assert_eq!(&back, b"abc");
        assert!(set_aside(&file, u64::MAX, 1).is_err());
    }
}
