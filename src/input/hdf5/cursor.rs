//! A slice of bytes that is read from the front. Knows nothing of what the bytes mean.

/// Bytes that are still to be read.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// The next `len` bytes; `None` when there are fewer.
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    /// A little-endian number of `N` bytes, at most eight.
    pub fn uint<const N: usize>(&mut self) -> Option<u64> {
        self.uint_of(N)
    }

    /// A little-endian number of `len` bytes, at most eight.
    pub fn uint_of(&mut self, len: usize) -> Option<u64> {
        let mut wide = [0; 8];
        wide.get_mut(..len)?.copy_from_slice(self.take(len)?);
        Some(u64::from_le_bytes(wide))
    }

    /// The bytes before the next NUL, which is skipped.
    pub fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.0.iter().position(|&byte| byte == 0)?;
        let text = self.take(len)?;
        self.take(1)?;
        Some(text)
    }
}
