//! Encodings of chunks: byte shuffle, zlib, lzf.

/// Groups the bytes of all elements by their place in the element (HDF5 filter 2), into `out`.
pub fn shuffle(bytes: &[u8], element_bytes: usize, out: &mut Vec<u8>) {
    out.clear();
    out.resize(bytes.len(), 0);
    match element_bytes {
        2 => shuffle_fixed::<2>(bytes, out),
        4 => shuffle_fixed::<4>(bytes, out),
        8 => shuffle_fixed::<8>(bytes, out),
        16 => shuffle_fixed::<16>(bytes, out),
        _ => out.copy_from_slice(bytes),
    }
}

/// One pass a byte place, so that each pass writes in sequence and vectorises.
fn shuffle_fixed<const N: usize>(bytes: &[u8], out: &mut [u8]) {
    let (elements, _) = bytes.as_chunks::<N>();
    for place in 0..N {
        let lane = &mut out[place * elements.len()..(place + 1) * elements.len()];
        for (to, element) in lane.iter_mut().zip(elements) {
            *to = element[place];
        }
    }
}

/// A reusable zlib encoder.
pub struct Zlib(libdeflater::Compressor);

impl Zlib {
    /// `level` as in zlib, 0 to 9; more is taken as 9.
    pub fn new(level: u8) -> Self {
        let level = libdeflater::CompressionLvl::new(i32::from(level.min(9))).unwrap_or_default();
        Self(libdeflater::Compressor::new(level))
    }

    /// Replaces `out` by the zlib stream of `bytes`; false, when that is no shorter.
    pub fn compress(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        out.resize(bytes.len(), 0);
        match self.0.zlib_compress(bytes, out) {
            Ok(len) => {
                out.truncate(len);
                true
            }
            Err(libdeflater::CompressionError::InsufficientSpace) => false,
        }
    }
}

/// Replaces `out` by the lzf encoding of `bytes`; false, when that is no shorter.
pub fn lzf(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    match lzf::compress(bytes) {
        Ok(encoded) if encoded.len() < bytes.len() => {
            *out = encoded;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffles_as_hdf5_does() {
        let mut out = Vec::new();
        shuffle(&[1, 2, 3, 4, 5, 6, 7, 8], 4, &mut out);
        assert_eq!(out, [1, 5, 2, 6, 3, 7, 4, 8]);
        shuffle(&[1, 2, 3], 1, &mut out);
        assert_eq!(out, [1, 2, 3]);
    }

    #[test]
    fn zlib_round_trips() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for level in [0, 1, 4, 9, 200] {
            let mut out = Vec::new();
            assert_eq!(Zlib::new(level).compress(&bytes, &mut out), level > 0);
            if level == 0 {
                continue;
            }
            let mut back = vec![0; bytes.len()];
            libdeflater::Decompressor::new().zlib_decompress(&out, &mut back).unwrap();
            assert_eq!(back, bytes);
        }
    }

    #[test]
    fn lzf_round_trips_or_declines() {
        let mut out = Vec::new();
        assert!(lzf(&[7; 1000], &mut out));
        assert_eq!(lzf::decompress(&out, 1000).unwrap(), [7; 1000]);
        assert!(!lzf(&[1, 2, 3], &mut out));
    }
}
