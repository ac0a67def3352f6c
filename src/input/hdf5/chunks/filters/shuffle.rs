//! Filter 2: the first bytes of all elements, then the second bytes, and so on.

use super::length::expect_len;

/// Puts the bytes of each element together again. Bytes past the last whole element stand at the
/// end, unshuffled.
pub fn undo(input: &[u8], element_bytes: usize, out: &mut [u8]) -> Result<(), String> {
    expect_len(input.len(), out)?;
    match element_bytes {
        0 | 1 => out.copy_from_slice(input),
        2 => interleave::<2>(input, out),
        4 => interleave::<4>(input, out),
        8 => interleave::<8>(input, out),
        16 => interleave::<16>(input, out),
        _ => {
            let count = out.len() / element_bytes;
            for (index, element) in out.chunks_exact_mut(element_bytes).enumerate() {
                for (byte, value) in element.iter_mut().enumerate() {
                    *value = input[byte * count + index];
                }
            }
            let whole = count * element_bytes;
            out[whole..].copy_from_slice(&input[whole..]);
        }
    }
    Ok(())
}

fn interleave<const N: usize>(input: &[u8], out: &mut [u8]) {
    let count = out.len() / N;
    let (elements, rest) = out.as_chunks_mut::<N>();
    // Blocks that fit the first-level cache, byte plane by byte plane, so that the inner loop is a
    // strided store that needs no bounds check.
    let planes: [&[u8]; N] = std::array::from_fn(|byte| &input[byte * count..][..count]);
    for (start, block) in (0..).step_by(512).zip(elements.chunks_mut(512)) {
        let planes: [&[u8]; N] = std::array::from_fn(|byte| &planes[byte][start..][..block.len()]);
        for (index, element) in block.iter_mut().enumerate() {
            *element = std::array::from_fn(|byte| planes[byte][index]);
        }
    }
    rest.copy_from_slice(&input[count * N..]);
}
