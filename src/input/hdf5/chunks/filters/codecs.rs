//! The compressors.

use super::length::expect_len;
use crate::input::inflate;

/// Filter 1: a zlib stream.
pub fn deflate(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    inflate::zlib(input, out).map_err(damaged("gzip"))
}

/// Filter 32015, and a block of bitshuffle: zstd frames.
pub fn zstd(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    inflate::zstd(input, out).map_err(damaged("zstd"))
}

/// Filter 32001: one blosc buffer.
pub fn blosc(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    inflate::blosc(input, out).map_err(damaged("blosc"))
}

/// Filter 32004: a big-endian size and block size, then blocks, each after its stored size. A block
/// that would not shrink is stored as it is.
pub fn lz4(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    let odd = || damaged("lz4")("its sizes contradict each other or its end".to_owned());
    let (size, input) = input.split_first_chunk::<8>().ok_or_else(odd)?;
    let (block, mut input) = input.split_first_chunk::<4>().ok_or_else(odd)?;
    expect_len(usize::try_from(u64::from_be_bytes(*size)).map_err(|_| odd())?, out)?;
    let block = u32::from_be_bytes(*block) as usize;
    if block == 0 {
        return Err(odd());
    }
    for out in out.chunks_mut(block) {
        let (stored, rest) = input.split_first_chunk::<4>().ok_or_else(odd)?;
        let stored = u32::from_be_bytes(*stored) as usize;
        let (data, rest) = rest.split_at_checked(stored).ok_or_else(odd)?;
        input = rest;
        if stored == out.len() {
            out.copy_from_slice(data);
        } else {
            lz4_block(data, out)?;
        }
    }
    Ok(())
}

/// One raw lz4 block that fills `out`.
pub fn lz4_block(data: &[u8], out: &mut [u8]) -> Result<(), String> {
    inflate::lz4_block(data, out).map_err(damaged("lz4"))
}

/// The sentence of which a decompressor tells the end.
fn damaged(codec: &str) -> impl FnOnce(String) -> String {
    move |why| format!("a chunk compressed with {codec} is damaged: {why}")
}
