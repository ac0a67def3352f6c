//! Blocks of rows that were computed, in a cache that all matrices of a result share.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::io::{self, Weighed};

/// Entries of whole rows of the result.
#[derive(Debug, Default, Clone)]
pub struct RowBlock {
    /// Minor indices.
    pub minors: Vec<u32>,
    /// Values, or whatever bytes its maker keeps.
    pub bytes: Vec<u8>,
}

impl Weighed for RowBlock {
    fn weight_bytes(&self) -> usize {
        self.minors.capacity() * size_of::<u32>() + self.bytes.capacity()
    }
}

/// A cache of blocks.
pub type BlockCache = io::BlockCache<RowBlock>;

/// An owner of blocks that no other matrix is. There is one sequence for the process: threads
/// remember owners beyond the life of a cache.
pub(super) fn new_owner() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
