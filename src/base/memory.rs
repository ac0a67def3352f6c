//! How much may be read into memory as a whole. Names, categories and the like are; how many there
//! are is what a file claims, and a few kilobytes can claim gigabytes.
//!
//! What may be read is the budget that was given, or what inputs of the sizes that were opened can
//! honestly hold, whichever is more. One limit for the process, which only grows: it is there for
//! claims beyond reason, not for bookkeeping.

use std::sync::atomic::{AtomicU64, Ordering};

/// May always be read.
const LEAST_BYTES: u64 = 64 << 20;
/// What is read takes at most so many times the bytes that it is stored in: text compresses well, and
/// numbers are widened. (Deflate reaches a thousand, over what says nothing.)
const PER_STORED_BYTE: u64 = 32;

static MOST_BYTES: AtomicU64 = AtomicU64::new(LEAST_BYTES);

/// Allows so many bytes from now on, if that is more than before.
pub fn allow(bytes: u64) {
    MOST_BYTES.fetch_max(bytes, Ordering::Relaxed);
}

/// Allows what an input of so many bytes can hold.
pub fn allow_for_input(len_bytes: u64) {
    allow(len_bytes.saturating_mul(PER_STORED_BYTE));
}

/// The most that may be read as a whole.
#[must_use]
pub fn most_bytes() -> u64 {
    MOST_BYTES.load(Ordering::Relaxed)
}
