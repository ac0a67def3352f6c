//! What a caller decides about any output format.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What to do with an output that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// Fail.
    #[default]
    Refuse,
    /// Replace it, once the new output is complete.
    Replace,
}

/// When an output counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the system has it, as with any file that is written: a power failure in the next
    /// moments may lose it.
    #[default]
    Cached,
    /// When the disk has it, which takes as long as the disk does.
    Synced,
}

/// How an output takes its place.
#[derive(Debug, Clone, Default)]
pub struct OutputRules {
    /// What to do with an output that exists.
    pub existing: Existing,
    /// Files and directories that are never overwritten.
    pub inputs: Vec<PathBuf>,
    /// When the output is renamed.
    pub durability: Durability,
}

/// How much may be in flight at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that the writer's own buffers may take, all workers together.
    pub memory_bytes: u64,
    /// Elements that may be in flight, all workers together; `None`: only the bytes count.
    pub max_loaded_elems: Option<u64>,
    /// Workers that read, encode and write.
    pub threads: NonZeroUsize,
}

impl Default for Limits {
    /// 64 MiB of buffers, a worker a core.
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            max_loaded_elems: None,
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Bytes that one block of a worker measures when memory allows: large enough to hide the cost of
/// a call, small enough to stay in the last-level cache between reading and writing.
const BLOCK_BYTES: u64 = 4 << 20;
/// No block is smaller than this, or the cost of calls takes over.
const MIN_BLOCK_BYTES: u64 = 64 << 10;

impl Limits {
    /// Workers, and the most bytes that each may have in one block of elements of this size.
    ///
    /// A worker holds up to four blocks: what it read, two while encoding, and what its source
    /// decodes.
    pub(super) fn block_bytes(&self, element_bytes: u64) -> u64 {
        let threads = self.threads.get() as u64;
        let by_memory = (self.memory_bytes / (4 * threads)).clamp(MIN_BLOCK_BYTES, BLOCK_BYTES);
        match self.max_loaded_elems {
            None => by_memory,
            Some(elems) => by_memory.min((elems / threads).max(1).saturating_mul(element_bytes)),
        }
    }

    /// The most strings that each worker may read at once.
    pub(super) fn max_strings(&self) -> u64 {
        let elems = self.max_loaded_elems.unwrap_or(u64::MAX);
        (elems / self.threads.get() as u64).max(1)
    }
}

/// Asks work to stop. Cheap to clone; a signal handler may hold the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    flag: Arc<AtomicBool>,
}

impl Cancel {
    /// Stops on a flag that somebody else sets.
    #[must_use]
    pub const fn on(flag: Arc<AtomicBool>) -> Self {
        Self { flag }
    }

    /// Asks to stop.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// True once somebody asked.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }
}
