//! Minor indices that a thread computed along with the values of the same rows, until it reads them.
//!
//! A writer that reads `data` and then `indices` of the same entries on one thread gets both from one
//! reading and one rewriting of the source. Forgetting an entry costs time, never a wrong result.

use std::cell::RefCell;

/// Bytes that a thread keeps at most: about what one block of a writer has.
const MAX_BYTES: usize = 8 << 20;
/// Empty buffers that a thread keeps for reuse.
const MAX_SPARE: usize = 16;

/// Which rows: their owner, the first one, and one past the last.
pub(super) type Span = (u64, u64, u64);

#[derive(Default)]
struct Kept {
    spans: Vec<(Span, Vec<u32>)>,
    bytes: usize,
    spare: Vec<Vec<u32>>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

/// Keeps the minor indices of some rows, and gives a buffer in exchange.
pub(super) fn keep(span: Span, minors: Vec<u32>) -> Vec<u32> {
    KEPT.with_borrow_mut(|kept| {
        kept.bytes += minors.capacity() * 4;
        kept.spans.push((span, minors));
        while kept.bytes > MAX_BYTES && !kept.spans.is_empty() {
            let (_, oldest) = kept.spans.remove(0);
            kept.put_back(oldest);
        }
        kept.spare.pop().unwrap_or_default()
    })
}

/// Calls `work` with the minor indices of these rows, if they are kept; they are not kept any more.
pub(super) fn take<R>(span: Span, work: impl FnOnce(&[u32]) -> R) -> Option<R> {
    // Taken out, not borrowed: whatever `work` does may come back here.
    let minors = KEPT.with_borrow_mut(|kept| {
        let at = kept.spans.iter().position(|(of, _)| *of == span)?;
        Some(kept.spans.remove(at).1)
    })?;
    let result = work(&minors);
    KEPT.with_borrow_mut(|kept| kept.put_back(minors));
    Some(result)
}

impl Kept {
    fn put_back(&mut self, buffer: Vec<u32>) {
        self.bytes -= buffer.capacity() * 4;
        if self.spare.len() < MAX_SPARE {
            self.spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_handed_over_once_and_the_oldest_are_forgotten() {
        drop(keep((1, 0, 10), vec![1, 2, 3]));
        assert_eq!(take((2, 0, 10), <[u32]>::to_vec), None);
        assert_eq!(take((1, 0, 10), <[u32]>::to_vec), Some(vec![1, 2, 3]));
        assert_eq!(take((1, 0, 10), <[u32]>::to_vec), None);
        let quarter = MAX_BYTES / 16;
        for row in 0..6 {
            drop(keep((1, row, row + 1), vec![0; quarter]));
        }
        let left: Vec<bool> =
            (0..6).map(|row| take((1, row, row + 1), <[u32]>::len).is_some()).collect();
        assert_eq!(left, [false, false, true, true, true, true]);
        drop(keep((1, 0, 1), vec![0; MAX_BYTES]));
        assert_eq!(take((1, 0, 1), <[u32]>::len), None);
    }
}
