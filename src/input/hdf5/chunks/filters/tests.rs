//! Each filter against an encoder that is not ours, and damaged input against all of them.

use super::*;

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| if i % 7 < 3 { (i / 50) as u8 } else { (i * 31 % 11) as u8 }).collect()
}

fn shuffled(data: &[u8], width: usize) -> Vec<u8> {
    let count = data.len() / width;
    let mut out = Vec::new();
    for byte in 0..width {
        out.extend((0..count).map(|i| data[i * width + byte]));
    }
    out.extend_from_slice(&data[count * width..]);
    out
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::new(4).unwrap());
    let mut out = vec![0; compressor.zlib_compress_bound(data.len())];
    let len = compressor.zlib_compress(data, &mut out).unwrap();
    out.truncate(len);
    out
}

fn with_checksum(mut data: Vec<u8>) -> Vec<u8> {
    let sum = checksum::fletcher32(&data);
    data.extend_from_slice(&sum.to_le_bytes());
    data
}

fn lz4_container(data: &[u8], block: usize) -> Vec<u8> {
    let mut out = (data.len() as u64).to_be_bytes().to_vec();
    out.extend_from_slice(&(block as u32).to_be_bytes());
    for part in data.chunks(block) {
        let packed = lz4_flex::block::compress(part);
        let stored = if packed.len() < part.len() { &packed[..] } else { part };
        out.extend_from_slice(&(stored.len() as u32).to_be_bytes());
        out.extend_from_slice(stored);
    }
    out
}

/// The definition of bitshuffle, a bit at a time.
fn bitshuffled(data: &[u8], width: usize) -> Vec<u8> {
    let elements = data.len() / width;
    let mut out = vec![0; data.len()];
    for element in 0..elements {
        for bit in 0..width * 8 {
            let value = data[element * width + bit / 8] >> (bit % 8) & 1;
            let at = bit * elements + element;
            out[at / 8] |= value << (at % 8);
        }
    }
    out
}

fn bitshuffle_lz4(data: &[u8], width: usize, block: usize) -> Vec<u8> {
    let mut out = (data.len() as u64).to_be_bytes().to_vec();
    out.extend_from_slice(&((block * width) as u32).to_be_bytes());
    let whole = data.len() / width / 8 * 8 * width;
    for part in data[..whole].chunks(block * width) {
        let packed = lz4_flex::block::compress(&bitshuffled(part, width));
        out.extend_from_slice(&(packed.len() as u32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    out.extend_from_slice(&data[whole..]);
    out
}

fn blosc(data: &[u8], width: usize) -> Vec<u8> {
    let mut out = vec![0_u8; data.len() + 64];
    // SAFETY: both buffers are as long as stated.
    let len = unsafe {
        blosc_src::blosc_compress_ctx(
            5,
            1,
            width,
            data.len(),
            data.as_ptr().cast(),
            out.as_mut_ptr().cast(),
            out.len(),
            c"lz4".as_ptr(),
            0,
            1,
        )
    };
    out.truncate(usize::try_from(len).unwrap());
    out
}

/// Filters by id and their client data, the sample encoded by them, and its length.
type Case = (Vec<(i32, Vec<u32>)>, Vec<u8>, usize);

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for len in [1usize, 8, 64, 1000, 4096, 40_003] {
        let data = sample(len);
        for width in [1usize, 2, 3, 4, 8, 16] {
            let shuffle = (2, vec![width as u32]);
            let planes = shuffled(&data, width);
            cases.push((vec![shuffle.clone()], planes.clone(), len));
            cases.push((vec![shuffle.clone(), (1, vec![4])], zlib(&planes), len));
            cases.push((
                vec![shuffle.clone(), (1, vec![4]), (3, vec![])],
                with_checksum(zlib(&planes)),
                len,
            ));
            cases.push((
                vec![(3, vec![]), shuffle.clone()],
                shuffled(&with_checksum(data.clone()), width),
                len,
            ));
            if let Ok(packed) = ::lzf::compress(&planes) {
                cases.push((vec![shuffle, (32000, vec![])], packed, len));
            }
            if len % width == 0 {
                cases.push((vec![(32001, vec![])], blosc(&data, width), len));
                let parameters = vec![0, 4, width as u32, 0, 2];
                let packed = bitshuffle_lz4(&data, width, 128);
                cases.push((vec![(32008, parameters)], packed, len));
            }
        }
        cases.push((vec![(32015, vec![3])], zstd::bulk::compress(&data, 3).unwrap(), len));
        cases.push((vec![(32004, vec![])], lz4_container(&data, 1000), len));
    }
    cases
}

#[test]
fn every_filter_gives_back_what_was_encoded() {
    for (filters, stored, len) in cases() {
        let pipeline = Pipeline::new(&filters).unwrap();
        let mut out = vec![0xaa; len];
        pipeline.decode(&stored, 0, &mut out).unwrap_or_else(|why| panic!("{filters:?}: {why}"));
        assert_eq!(out, sample(len), "{filters:?} of {len}");
    }
}

#[test]
fn a_filter_that_was_left_out_is_not_undone() {
    let data = sample(1000);
    let pipeline = Pipeline::new(&[(2, vec![4]), (1, vec![4]), (3, vec![])]).unwrap();
    let mut out = vec![0; 1000];
    pipeline.decode(&with_checksum(shuffled(&data, 4)), 0b010, &mut out).unwrap();
    assert_eq!(out, data);
    pipeline.decode(&zlib(&data), 0b101, &mut out).unwrap();
    assert_eq!(out, data);
    pipeline.decode(&data, 0b111, &mut out).unwrap();
    assert_eq!(out, data);
}

#[test]
fn damage_is_an_error_or_other_bytes_but_never_a_panic() {
    let mut seed = 1_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below.max(1)
    };
    for (filters, stored, len) in cases() {
        let pipeline = Pipeline::new(&filters).unwrap();
        let mut out = vec![0; len];
        for _ in 0..20 {
            let mut damaged = stored.clone();
            if random(3) == 0 {
                damaged.truncate(random(damaged.len()));
            } else if !damaged.is_empty() {
                let at = random(damaged.len());
                damaged[at] ^= 1 << random(8);
            }
            let _ = pipeline.decode(&damaged, 0, &mut out);
        }
        assert!(pipeline.decode(&[], 0, &mut out).is_err() || len == 0);
    }
}

#[test]
fn a_wrong_checksum_is_noticed() {
    let mut stored = with_checksum(sample(100));
    stored[50] ^= 1;
    let pipeline = Pipeline::new(&[(3, vec![])]).unwrap();
    assert!(pipeline.decode(&stored, 0, &mut [0; 100]).unwrap_err().contains("checksum"));
}

#[test]
fn an_unknown_filter_is_for_the_library() {
    assert!(Pipeline::new(&[(4, vec![])]).is_none());
    assert!(Pipeline::new(&[(1, vec![]), (32015, vec![])]).is_none());
}
