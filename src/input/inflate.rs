//! Decompressors that write into a buffer of known length, for the filters of HDF5 and the codecs of
//! zarr. None of them allocates by what the compressed bytes claim. Their errors say what is wrong
//! with the bytes, as a sentence that goes on.

use std::cell::RefCell;
use std::io::Read as _;

use libdeflater::Decompressor;

thread_local! {
    static DEFLATE: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    static ZSTD: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

fn exact(found: usize, out: &[u8]) -> Result<(), String> {
    if found == out.len() {
        Ok(())
    } else {
        Err(format!("it holds {found} bytes, expected {}", out.len()))
    }
}

/// Copies bytes that must have the length of `out`.
pub fn copy_exactly(decoded: &[u8], out: &mut [u8]) -> Result<(), String> {
    exact(decoded.len(), out)?;
    out.copy_from_slice(decoded);
    Ok(())
}

/// A gzip file.
pub fn gzip(encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
    let found = DEFLATE.with_borrow_mut(|deflate| deflate.gzip_decompress(encoded, out));
    match found {
        Ok(found) if found == out.len() => Ok(()),
        // One member decoded to another length: files of several are legal, if rare.
        _ => copy_exactly(&gzip_vec(encoded, out.len())?, out),
    }
}

/// gzip, a piece at a time; of several members, too.
pub fn gzip_reader<'a>(encoded: impl std::io::Read + 'a) -> Box<dyn std::io::Read + 'a> {
    Box::new(flate2::read::MultiGzDecoder::new(encoded))
}

/// A zlib stream, a piece at a time.
pub fn zlib_reader<'a>(encoded: impl std::io::Read + 'a) -> Box<dyn std::io::Read + 'a> {
    Box::new(flate2::read::ZlibDecoder::new(encoded))
}

/// zstd frames, a piece at a time.
pub fn zstd_reader<'a>(
    encoded: impl std::io::Read + 'a,
) -> std::io::Result<Box<dyn std::io::Read + 'a>> {
    Ok(Box::new(zstd::stream::read::Decoder::new(encoded)?))
}

/// gzip of unknown length, up to `limit`; of several members, too.
pub fn gzip_vec(encoded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    bounded(flate2::read::MultiGzDecoder::new(encoded), limit)
}

/// A zlib stream of unknown length, up to `limit`.
pub fn zlib_vec(encoded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    bounded(flate2::read::ZlibDecoder::new(encoded), limit)
}

/// All that a decoder gives, which must be no more than `limit` bytes.
fn bounded(decoder: impl std::io::Read, limit: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let read = decoder.take(limit as u64 + 1).read_to_end(&mut out);
    read.map_err(|error| error.to_string())?;
    if out.len() > limit {
        return Err(format!("it holds more than {limit} bytes"));
    }
    Ok(out)
}

/// A zlib stream.
pub fn zlib(encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
    let found = DEFLATE.with_borrow_mut(|deflate| deflate.zlib_decompress(encoded, out));
    exact(found.map_err(|error| error.to_string())?, out)
}

/// One or more zstd frames.
pub fn zstd(encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
    let found = ZSTD.with_borrow_mut(|zstd| {
        let zstd = match zstd {
            Some(zstd) => zstd,
            None => zstd.insert(zstd::bulk::Decompressor::new()?),
        };
        zstd.decompress_to_buffer(encoded, out)
    });
    exact(found.map_err(|error| error.to_string())?, out)
}

/// zstd of unknown length, up to `limit`.
pub fn zstd_vec(encoded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    bounded(zstd::stream::Decoder::new(encoded).map_err(|error| error.to_string())?, limit)
}

/// One raw lz4 block.
pub fn lz4_block(encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
    let found =
        lz4_flex::block::decompress_into(encoded, out).map_err(|error| error.to_string())?;
    exact(found, out)
}

/// numcodecs' lz4: the decoded length in four little-endian bytes, then one raw block.
pub fn lz4(encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
    lz4_block(encoded.get(4..).ok_or("it is truncated")?, out)
}

/// The length that an lz4 chunk states.
pub fn lz4_len(encoded: &[u8]) -> Result<usize, String> {
    let len = encoded.first_chunk().ok_or("it is truncated")?;
    Ok(u32::from_le_bytes(*len) as usize)
}

/// The length that a blosc chunk states, once its header is consistent.
pub fn blosc_len(encoded: &[u8]) -> Result<usize, String> {
    let mut len = 0_usize;
    // SAFETY: the pointer and the length are those of one slice; the function reads inside of it.
    let status = unsafe {
        blosc_src::blosc_cbuffer_validate(encoded.as_ptr().cast(), encoded.len(), &raw mut len)
    };
    if status == 0 { Ok(len) } else { Err("its blosc header is damaged".to_owned()) }
}

/// A blosc chunk.
pub fn blosc(encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
    exact(blosc_len(encoded)?, out)?;
    if out.is_empty() {
        return Ok(());
    }
    // SAFETY: the header was validated against the slice's length just above, and the function
    // writes at most `out.len()` bytes. One thread: chunks are decoded in parallel already.
    let found = unsafe {
        blosc_src::blosc_decompress_ctx(
            encoded.as_ptr().cast(),
            out.as_mut_ptr().cast(),
            out.len(),
            1,
        )
    };
    match usize::try_from(found) {
        Ok(found) => exact(found, out),
        Err(_) => Err("its blosc blocks are damaged".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn noise_is_an_error_for_every_decoder() {
        let noise: Vec<u8> =
            (0..500_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for len in [0, 1, 3, 15, 16, 17, 40, 500] {
            let (noise, mut out) = (&noise[..len], vec![0; 100]);
            assert!(gzip(noise, &mut out).is_err());
            assert!(zlib(noise, &mut out).is_err());
            assert!(zstd(noise, &mut out).is_err());
            assert!(blosc(noise, &mut out).is_err());
            assert!(lz4(noise, &mut out).is_err());
        }
    }

    fn gzip_member(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let zeros = vec![0; 1 << 20];
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&zeros).unwrap();
        type Decode = fn(&[u8], usize) -> Result<Vec<u8>, String>;
        let bombs: [(Vec<u8>, Decode); 3] = [
            (zstd::bulk::compress(&zeros, 1).unwrap(), zstd_vec),
            (gzip_member(&zeros), gzip_vec),
            (zlib.finish().unwrap(), zlib_vec),
        ];
        for (bomb, decode) in bombs {
            assert!(decode(&bomb, 1000).is_err());
            assert_eq!(decode(&bomb, 1 << 20).map(|out| out.len()), Ok(1 << 20));
        }
        assert!(gzip(&gzip_member(&zeros), &mut [0; 1000]).is_err());
    }

    #[test]
    fn gzip_may_have_several_members() {
        let encoded = [gzip_member(b"one "), gzip_member(b"two")].concat();
        let mut out = [0; 7];
        gzip(&encoded, &mut out).unwrap();
        assert_eq!(&out, b"one two");
        assert!(gzip(&encoded, &mut [0; 8]).is_err());
    }
}
