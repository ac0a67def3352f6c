//! That the drawn trees are worth merging: most of them are sound, and not all.
#![cfg(not(fuzzing))]

use anncat_fuzz::{client, draw};
use arbitrary::Unstructured;

/// Bytes as a fuzzer would give them, from a generator that is the same everywhere (xorshift).
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..4096).map(|_| next()).collect()
}

#[test]
fn many_drawn_trees_can_be_merged_and_many_cannot() {
    const DRAWN: u64 = 400;
    let mut merged = 0;
    for seed in 0..DRAWN {
        let bytes = bytes(seed);
        let mut u = Unstructured::new(&bytes);
        let options = draw::options(&mut u).unwrap();
        let trees = [draw::tree(&mut u).unwrap(), draw::tree(&mut u).unwrap()];
        match client::merge(&trees, &options) {
            Ok(()) => merged += 1,
            Err(why) => println!("{why}"),
        }
    }
    assert!((DRAWN / 4..DRAWN * 9 / 10).contains(&merged), "{merged} of {DRAWN} are merged");
}
