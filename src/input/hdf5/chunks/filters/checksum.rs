//! Filter 3: a Fletcher checksum after the data.

use super::length::expect_len;

/// Verifies the checksum in the last four bytes and copies what is before it.
pub fn strip_fletcher32(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    let Some((data, stored)) = input.split_last_chunk::<4>() else {
        return Err("the chunk is too short to hold its checksum".to_owned());
    };
    expect_len(data.len(), out)?;
    let [a, b, c, d] = *stored;
    let computed = fletcher32(data);
    // Libraries before 1.6.3 wrote it with the bytes of each half swapped.
    if computed != u32::from_le_bytes([a, b, c, d]) && computed != u32::from_le_bytes([b, a, d, c])
    {
        return Err("the checksum of a chunk does not match its data".to_owned());
    }
    out.copy_from_slice(data);
    Ok(())
}

/// Over big-endian 16-bit words; an odd last byte counts as the high byte of a word.
pub fn fletcher32(data: &[u8]) -> u32 {
    let (mut low, mut high) = (0_u32, 0_u32);
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (words, odd) = data.as_chunks::<2>();
    // 360 words are what 32 bits hold without overflow.
    for block in words.chunks(360) {
        for word in block {
            low += u32::from(u16::from_be_bytes(*word));
            high += low;
        }
        (low, high) = (fold(low), fold(high));
    }
    if let [last] = odd {
        low += u32::from(*last) << 8;
        high += low;
        (low, high) = (fold(low), fold(high));
    }
    fold(high) << 16 | fold(low)
}
