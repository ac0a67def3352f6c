//! Positioned reads of source files: a bounded set of open files, a byte-budgeted cache of
//! blocks, and the identity by which a changed source is noticed.
//!
//! Knows files and bytes; no file format.

mod blocks;
mod files;
mod identity;
mod source;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use blocks::{Block, BlockCache, BlockKey, Weighed};
pub use identity::{Identity, mtime_ns};
pub use source::SourceFile;

/// How much a [`Context`] may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of decoded blocks that are kept.
    pub cache_bytes: usize,
    /// Files that are open at once.
    pub max_open_files: usize,
}

impl Default for Limits {
    /// 128 MiB of blocks, and a quarter of the descriptors that the process may have.
    fn default() -> Self {
        Self { cache_bytes: 128 << 20, max_open_files: files::default_max_open() }
    }
}

/// What all sources of one process share.
#[derive(Debug)]
pub struct Context {
    blocks: BlockCache,
    files: files::OpenFiles,
    next_id: AtomicU64,
}

impl Context {
    /// An empty context with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            blocks: BlockCache::new(limits.cache_bytes),
            files: files::OpenFiles::new(limits.max_open_files),
            next_id: AtomicU64::new(0),
        })
    }

    /// The cache of decoded blocks.
    #[must_use]
    pub const fn blocks(&self) -> &BlockCache {
        &self.blocks
    }

    /// A number that nothing else in this context has: the owner part of a [`BlockKey`].
    #[must_use]
    pub fn fresh_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) const fn files(&self) -> &files::OpenFiles {
        &self.files
    }
}

/// Locks, also when a thread panicked while it held the lock: every critical section here leaves its
/// data consistent at each step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
