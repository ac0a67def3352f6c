//! Buffers that a thread uses again: a fresh allocation of megabytes costs more than filling it.

use std::cell::RefCell;

/// Larger buffers are given back to the system.
const KEEP_BYTES: usize = 16 << 20;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `work` with a buffer of `len_bytes` unspecified bytes. Calls may nest.
pub(crate) fn with_scratch<R>(len_bytes: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut buffer = POOL.with(|pool| pool.borrow_mut().pop()).unwrap_or_default();
    if buffer.len() < len_bytes {
        buffer.resize(len_bytes, 0);
    }
    let result = work(&mut buffer[..len_bytes]);
    if buffer.capacity() <= KEEP_BYTES {
        POOL.with(|pool| pool.borrow_mut().push(buffer));
    }
    result
}
