//! What fills the kernel's page cache.

#[path = "../../../src/fuse/surroundings.rs"]
pub mod surroundings;

/// A panic is left to fail the test.
pub mod errno {
    /// Never.
    #[derive(Debug)]
    pub struct Refusal;

    /// Runs `answer`.
    pub fn guard<T>(
        _request: &str,
        _inode: u64,
        answer: impl FnOnce() -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        answer()
    }
}

/// One file of [`inodes::LEN`] bytes, decoded by [`inodes::DECODED`] at a time.
pub mod inodes {
    use std::ops::Range;

    use super::errno::Refusal;

    /// Bytes of the file.
    pub const LEN: u64 = 4 * DECODED;
    /// Bytes that are decoded at once.
    pub const DECODED: u64 = 16 << 10;

    /// As the module of this name.
    pub struct Inodes;

    impl Inodes {
        /// What is decoded with a byte.
        pub fn decoded_with(&self, _inode: u64, at: u64) -> Option<Range<u64>> {
            let start = at / DECODED * DECODED;
            Some(start..start + DECODED)
        }

        /// Bytes of the file.
        pub fn len_bytes(&self, _inode: u64) -> Result<u64, Refusal> {
            Ok(LEN)
        }

        /// Fills `out`.
        pub fn read_at(&self, _inode: u64, at: u64, out: &mut [u8]) -> Result<usize, Refusal> {
            let len = LEN.saturating_sub(at).min(out.len() as u64) as usize;
            out[..len].fill(7);
            Ok(len)
        }
    }
}

/// Variants of the module.
pub mod variants {
    pub use super::{errno, inodes};

    /// As it is, but its queue is full after one.
    pub mod surroundings_short_queue {
        include!(concat!(env!("OUT_DIR"), "/surroundings_short_queue.rs"));
    }

    /// Who answers reads waits until there is room in such a queue.
    pub mod surroundings_readers_wait_for_room {
        include!(concat!(env!("OUT_DIR"), "/surroundings_readers_wait_for_room.rs"));
    }
}
