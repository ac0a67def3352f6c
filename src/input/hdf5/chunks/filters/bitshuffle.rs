//! Filter 32008, bitshuffle: the first bits of all elements of a block, then the second bits, and so
//! on; each block may be compressed.

use super::codecs::{lz4_block, zstd};
use super::length::expect_len;

/// How the shuffled blocks are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// As they are; blocks of so many elements, 0 for the default.
    None {
        block_elements: usize,
    },
    Lz4,
    Zstd,
}

impl Codec {
    /// From the filter's fourth and fifth parameter.
    pub const fn new(block_elements: u32, codec: u32) -> Option<Self> {
        match codec {
            0 => Some(Self::None { block_elements: block_elements as usize }),
            2 => Some(Self::Lz4),
            3 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The library's default: about 8 KiB, a multiple of eight elements, at least 128.
const fn default_block(element_bytes: usize) -> usize {
    let elements = 8192 / element_bytes / 8 * 8;
    if elements < 128 { 128 } else { elements }
}

/// Undoes the filter.
pub fn undo(
    input: &[u8],
    element_bytes: usize,
    codec: Codec,
    out: &mut [u8],
) -> Result<(), String> {
    let damaged = || "a bitshuffled chunk is damaged".to_owned();
    if element_bytes == 0 || !out.len().is_multiple_of(element_bytes) {
        return Err(damaged());
    }
    let (block, mut input) = match codec {
        Codec::None { block_elements: 0 } => (default_block(element_bytes), input),
        Codec::None { block_elements } => (block_elements, input),
        Codec::Lz4 | Codec::Zstd => {
            let (size, rest) = input.split_first_chunk::<8>().ok_or_else(damaged)?;
            let (block, rest) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
            expect_len(usize::try_from(u64::from_be_bytes(*size)).map_err(|_| damaged())?, out)?;
            (u32::from_be_bytes(*block) as usize / element_bytes, rest)
        }
    };
    if block == 0 || !block.is_multiple_of(8) {
        return Err(damaged());
    }
    // The last block is cut to a multiple of eight elements; what remains is stored as it is.
    let whole = out.len() / element_bytes / 8 * 8 * element_bytes;
    let (shuffled, rest) = out.split_at_mut(whole);
    let mut planes = Vec::new();
    let block_bytes = block.checked_mul(element_bytes).ok_or_else(damaged)?;
    for out in shuffled.chunks_mut(block_bytes) {
        planes.resize(out.len(), 0);
        let stored = match codec {
            Codec::None { .. } => out.len(),
            Codec::Lz4 | Codec::Zstd => {
                let (size, after) = input.split_first_chunk::<4>().ok_or_else(damaged)?;
                input = after;
                u32::from_be_bytes(*size) as usize
            }
        };
        let (data, after) = input.split_at_checked(stored).ok_or_else(damaged)?;
        input = after;
        match codec {
            Codec::None { .. } => planes.copy_from_slice(data),
            Codec::Lz4 => lz4_block(data, &mut planes)?,
            Codec::Zstd => zstd(data, &mut planes)?,
        }
        unshuffle(&planes, element_bytes, out);
    }
    rest.copy_from_slice(input.get(..rest.len()).ok_or_else(damaged)?);
    Ok(())
}

/// Gathers the bits of each element of one block. `planes` holds, for each byte of an element and
/// each bit of that byte from the lowest, that bit of all elements, eight to a byte.
fn unshuffle(planes: &[u8], element_bytes: usize, out: &mut [u8]) {
    let elements = out.len() / element_bytes;
    let plane_bytes = elements / 8;
    for byte in 0..element_bytes {
        for group in 0..plane_bytes {
            let mut bits = 0_u64;
            for bit in 0..8 {
                let plane = planes[(byte * 8 + bit) * plane_bytes + group];
                bits |= u64::from(plane) << (8 * bit);
            }
            for (index, value) in transpose(bits).to_le_bytes().into_iter().enumerate() {
                out[(group * 8 + index) * element_bytes + byte] = value;
            }
        }
    }
}

/// Transposes an 8 × 8 matrix of bits, a row a byte (Hacker's Delight, 7-3).
const fn transpose(mut x: u64) -> u64 {
    let mut t = (x ^ (x >> 7)) & 0x00aa_00aa_00aa_00aa;
    x = x ^ t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000_cccc_0000_cccc;
    x = x ^ t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x0000_0000_f0f0_f0f0;
    x ^ t ^ (t << 28)
}
