//! Large buffers in huge pages: filling new memory is else, to the half, the kernel's work of getting
//! it page by page.

/// Buffers from so many bytes on, as in numpy.
const LARGE_BYTES: usize = 4 << 20;

/// Asks for huge pages under what is about to be filled for the first time (`madvise(2)`,
/// `MADV_HUGEPAGE`). Where there are none, nothing changes.
pub fn prefer(buffer: &mut [u8]) {
    #[cfg(target_os = "linux")]
    if buffer.len() >= LARGE_BYTES {
        // SAFETY: plain system call.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let Ok(page_bytes) = usize::try_from(page_bytes) else { return };
        let skipped = buffer.as_ptr().align_offset(page_bytes);
        if let Some(pages) = buffer.get_mut(skipped..) {
            // SAFETY: the pages are the buffer's, and what is in them stays.
            unsafe { libc::madvise(pages.as_mut_ptr().cast(), pages.len(), libc::MADV_HUGEPAGE) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_buffer_changes() {
        for len in [0, 100, LARGE_BYTES, LARGE_BYTES + 4097] {
            let mut buffer: Vec<u8> = (0..len).map(|at| at as u8).collect();
            prefer(&mut buffer);
            assert!(buffer.iter().enumerate().all(|(at, &byte)| byte == at as u8));
        }
    }
}
