//! Filter 32000, h5py's: liblzf's format.
//!
//! A control byte below 32 is followed by so many literal bytes and one; any other begins a copy from
//! before: three bits of length (7: one more byte of it), thirteen of distance.

use super::length::expect_len;

/// Most bytes of a literal run, and of a copy.
const MAX_LITERAL: usize = 32;
const MAX_COPY: usize = 7 + 255 + 2;
/// The fast loop writes up to so many bytes past the end of what it copies.
const OVERSHOOT: usize = 32;

/// Decodes a stream that fills `out`.
pub fn decode(input: &[u8], out: &mut [u8]) -> Result<(), String> {
    let (from, to) = fast(input, out).ok_or_else(damaged)?;
    careful(input, from, out, to)
}

fn damaged() -> String {
    "an lzf-compressed chunk is damaged".to_owned()
}

/// How a copy begins, by its distance (8: or more): which of the eight bytes before belong to the
/// pattern, what repeats it over eight bytes, and how far back the next eight can be read, a multiple
/// of the distance that is no less than 8.
const PATTERNS: [(u64, u64, usize); 9] = {
    let mut patterns = [(u64::MAX, 1, 8); 9];
    let mut distance = 1;
    while distance < 8 {
        let mut repeat = 0;
        let mut shift = 0;
        while shift < 64 {
            repeat |= 1 << shift;
            shift += 8 * distance;
        }
        patterns[distance] =
            ((1 << (8 * distance)) - 1, repeat, 8_usize.div_ceil(distance) * distance);
        distance += 1;
    }
    patterns
};
/// Bytes that are copied at once, whether a copy is shorter or not: most are, and a loop that ends
/// after one or two rounds costs more than the bytes.
const USUAL_COPY: usize = 32;

/// Decodes while there is so much room on both sides that nothing needs to be cut to its length;
/// gives the places where it stopped. `None` when a copy reaches back past the beginning.
fn fast(input: &[u8], out: &mut [u8]) -> Option<(usize, usize)> {
    let (mut from, mut to) = (0, 0);
    let (Some(last_from), Some(last_to)) = (
        input.len().checked_sub(1 + MAX_LITERAL),
        out.len().checked_sub(MAX_COPY.max(MAX_LITERAL) + OVERSHOOT),
    ) else {
        return Some((0, 0));
    };
    let (source, target) = (input.as_ptr(), out.as_mut_ptr());
    while from <= last_from && to <= last_to {
        // SAFETY: `from + 1 + MAX_LITERAL <= input.len()`, which covers all that one step reads of
        // the input: a control byte and 32 literals, or three bytes. At `to` there is room for the
        // longest copy and 32 bytes more; a step writes at most so far past what it copies. A copy
        // begins at or after the first byte of `out`. The eight bytes first read of it may reach past
        // `to`, where `out` is initialised too; `back` is at most `to + 8`, since it exceeds the
        // distance, which is at most `to`, by less than 8.
        unsafe {
            let control = usize::from(*source.add(from));
            if control < MAX_LITERAL {
                copy::<32>(source.add(from + 1), target.add(to));
                from += control + 2;
                to += control + 1;
                continue;
            }
            // Without branches, which no processor could predict.
            let long = usize::from(control >> 5 == 7);
            let more = usize::from(*source.add(from + 1)) & long.wrapping_neg();
            let len = (control >> 5) + more + 2;
            let low = usize::from(*source.add(from + 1 + long));
            let distance = ((control & 31) << 8 | low) + 1;
            from += 2 + long;
            if distance > to {
                return None;
            }
            let (mask, repeat, back) = PATTERNS[distance.min(8)];
            let back = back + distance.saturating_sub(8);
            let before = target.add(to - distance).cast::<[u8; 8]>().read_unaligned();
            let pattern = (u64::from_le_bytes(before) & mask).wrapping_mul(repeat);
            target.add(to).cast::<[u8; 8]>().write_unaligned(pattern.to_le_bytes());
            copy::<8>(target.add(to + 8 - back), target.add(to + 8));
            copy::<8>(target.add(to + 16 - back), target.add(to + 16));
            copy::<8>(target.add(to + 24 - back), target.add(to + 24));
            let end = to + len;
            let mut at = to + USUAL_COPY;
            while at < end {
                copy::<8>(target.add(at - back), target.add(at));
                at += 8;
            }
            to = end;
        }
    }
    Some((from, to))
}

/// Copies `N` bytes, all of which are read before any is written.
///
/// # Safety
/// `N` bytes must be readable at `from` and writable at `to`.
#[inline(always)]
unsafe fn copy<const N: usize>(from: *const u8, to: *mut u8) {
    // SAFETY: as the caller says; a byte array needs no alignment.
    unsafe { to.cast::<[u8; N]>().write_unaligned(from.cast::<[u8; N]>().read_unaligned()) }
}

/// Decodes from these places to the end, with every length checked.
fn careful(input: &[u8], mut from: usize, out: &mut [u8], mut to: usize) -> Result<(), String> {
    while from < input.len() {
        let control = usize::from(input[from]);
        from += 1;
        if control < MAX_LITERAL {
            let len = control + 1;
            let literal = input.get(from..from + len).ok_or_else(damaged)?;
            out.get_mut(to..to + len).ok_or_else(damaged)?.copy_from_slice(literal);
            from += len;
            to += len;
            continue;
        }
        let mut len = control >> 5;
        if len == 7 {
            len += usize::from(*input.get(from).ok_or_else(damaged)?);
            from += 1;
        }
        len += 2;
        let low = usize::from(*input.get(from).ok_or_else(damaged)?);
        from += 1;
        let distance = ((control & 31) << 8 | low) + 1;
        let source = to.checked_sub(distance).ok_or_else(damaged)?;
        let end = to + len;
        if end > out.len() {
            return Err(damaged());
        }
        if distance >= len {
            out.copy_within(source..source + len, to);
        } else {
            // The copy overlaps what it writes: a pattern that repeats.
            for at in to..end {
                out[at] = out[at - distance];
            }
        }
        to = end;
    }
    expect_len(to, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Streams that mean something: literals and copies from any distance, of any length.
    fn random_stream(random: &mut impl FnMut(usize) -> usize, steps: usize) -> (Vec<u8>, usize) {
        let (mut stream, mut len) = (Vec::new(), 0);
        for _ in 0..steps {
            if len == 0 || random(3) == 0 {
                let run = 1 + random(MAX_LITERAL);
                stream.push((run - 1) as u8);
                stream.extend((0..run).map(|_| random(256) as u8));
                len += run;
                continue;
            }
            let reach = [4, 8, 20, 8192][random(4)].min(len);
            let distance = random(reach);
            let longest = [6, 30, MAX_COPY - 2][random(3)];
            let copied = 3 + random(longest);
            let coded = copied - 2;
            if coded < 7 {
                stream.push((coded << 5 | distance >> 8) as u8);
            } else {
                stream.push((7 << 5 | distance >> 8) as u8);
                stream.push((coded - 7) as u8);
            }
            stream.push(distance as u8);
            len += copied;
        }
        (stream, len)
    }

    #[test]
    fn both_loops_agree_on_good_and_on_damaged_streams() {
        let mut seed = 9_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            (seed >> 33) as usize % below.max(1)
        };
        for round in 0..if cfg!(miri) { 20 } else { 3000 } {
            let steps = random(60);
            let (mut stream, mut len) = random_stream(&mut random, steps);
            match round % 4 {
                1 if !stream.is_empty() => {
                    let at = random(stream.len());
                    stream[at] ^= 1 << random(8);
                }
                2 => stream.truncate(random(stream.len() + 1)),
                3 => len = random(len + 400),
                _ => {}
            }
            let (mut quick, mut slow) = (vec![0; len], vec![0; len]);
            let expected = careful(&stream, 0, &mut slow, 0);
            assert_eq!(decode(&stream, &mut quick), expected, "round {round}");
            if expected.is_ok() {
                assert!(quick == slow, "round {round}");
            }
        }
    }
}
