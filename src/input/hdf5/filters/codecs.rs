//! The compressors.

use std::cell::RefCell;

use super::expect_len;

thread_local! {
    static INFLATE: RefCell<libdeflater::Decompressor> =
        RefCell::new(libdeflater::Decompressor::new());
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Filter 1: a zlib stream.
pub(super) fn inflate(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    let got = INFLATE
        .with_borrow_mut(|inflate| inflate.zlib_decompress(input, out))
        .map_err(|error| format!("a gzip-compressed chunk is damaged ({error})"))?;
    expect_len(got, out)
}

/// Filter 32015.
pub(super) fn zstd(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    let damaged = |error: std::io::Error| format!("a zstd-compressed chunk is damaged ({error})");
    ZSTD.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(zstd::bulk::Decompressor::new().map_err(damaged)?),
        };
        let got = decompressor.decompress_to_buffer(input, out).map_err(damaged)?;
        expect_len(got, out)
    })
}

/// Filter 32001: one blosc buffer.
pub(super) fn blosc(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    let mut len = 0;
    // SAFETY: the buffer is live and as long as stated.
    let valid = unsafe {
        blosc_src::blosc_cbuffer_validate(input.as_ptr().cast(), input.len(), &raw mut len)
    };
    if valid != 0 {
        return Err("a blosc-compressed chunk is damaged".to_owned());
    }
    expect_len(len, out)?;
    // SAFETY: the input is validated, and never more than `out.len()` bytes are written.
    let got = unsafe {
        blosc_src::blosc_decompress_ctx(
            input.as_ptr().cast(),
            out.as_mut_ptr().cast(),
            out.len(),
            1,
        )
    };
    if usize::try_from(got) != Ok(out.len()) {
        return Err("a blosc-compressed chunk is damaged".to_owned());
    }
    Ok(())
}

/// Filter 32004: a big-endian size and block size, then blocks, each after its stored size. A block
/// that would not shrink is stored as it is.
pub(super) fn lz4(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    let damaged = || "an lz4-compressed chunk is damaged".to_owned();
    let (size, input) = input.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (block, mut input) = input.split_first_chunk::<4>().ok_or_else(damaged)?;
    expect_len(usize::try_from(u64::from_be_bytes(*size)).map_err(|_| damaged())?, out)?;
    let block = u32::from_be_bytes(*block) as usize;
    if block == 0 {
        return Err(damaged());
    }
    for out in out.chunks_mut(block) {
        let (stored, rest) = input.split_first_chunk::<4>().ok_or_else(damaged)?;
        let stored = u32::from_be_bytes(*stored) as usize;
        let (data, rest) = rest.split_at_checked(stored).ok_or_else(damaged)?;
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
pub(super) fn lz4_block(data: &[u8], out: &mut [u8]) -> Result<(), String> {
    let got = lz4_flex::block::decompress_into(data, out)
        .map_err(|error| format!("an lz4-compressed chunk is damaged ({error})"))?;
    expect_len(got, out)
}

/// One zstd frame of a block that fills `out`.
pub(super) fn zstd_block(data: &[u8], out: &mut [u8]) -> Result<(), String> {
    zstd(data, out)
}
