//! What all sources of one process share, and the way from a path to one of them.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::blocks::BlockCache;
use super::clock::Clock;
use super::files::{OpenFiles, default_max_open};
use super::source::{Directory, Source};
use super::spill::{Spilled, temp_dir};

/// How much a [`Context`] may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of decoded blocks that are kept.
    pub cache_bytes: usize,
    /// Files that are open at once.
    pub max_open_files: usize,
    /// Whether files may be read that were not named, because one that was leads to them.
    pub external: External,
}

impl Default for Limits {
    /// 128 MiB of blocks, a quarter of the descriptors that the process may have, and no files but
    /// those that were named.
    fn default() -> Self {
        Self {
            cache_bytes: 128 << 20,
            max_open_files: default_max_open(),
            external: External::Refuse,
        }
    }
}

/// What becomes of bytes that lie in a file that was not named: external storage, virtual datasets and
/// external links of HDF5, links that lead out of a zarr directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum External {
    /// An error that names the other file. Who may name a file is not always who may read the other.
    #[default]
    Refuse,
    /// They are read, and the other file becomes part of the input.
    Follow,
}

/// Most bytes of disk that decoded blocks take.
const MOST_SPILLED_BYTES: usize = 16 << 30;
/// So many blocks fit into memory at least.
const BLOCKS_IN_CACHE: u64 = 4;
/// Blocks of this size are never too large.
const LEAST_BLOCK_BYTES: u64 = 1 << 20;

/// Where sources come from: the way from a path to bytes, and the only one.
///
/// What is opened belongs to the context that is given: its descriptors, its clock, its rules.
pub trait Storage: Debug + Send + Sync {
    /// A regular file.
    ///
    /// # Errors
    /// Whatever the system says about opening it.
    fn file(&self, path: &Path, context: &Arc<Context>) -> std::io::Result<Arc<dyn Source>>;

    /// A directory.
    ///
    /// # Errors
    /// Whatever the system says about it.
    fn directory(&self, path: &Path, context: &Arc<Context>)
    -> std::io::Result<Arc<dyn Directory>>;
}

/// What all sources of one process share.
#[derive(Debug)]
pub struct Context {
    limits: Limits,
    blocks: BlockCache,
    spilled: BlockCache<Spilled>,
    spill_dir: PathBuf,
    files: OpenFiles,
    next_id: AtomicU64,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Clock>,
}

impl Context {
    /// An empty context, whose sources come from `storage` and whose time from `clock`.
    #[must_use]
    pub fn with(limits: Limits, storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            limits,
            blocks: BlockCache::new(limits.cache_bytes),
            spilled: BlockCache::new(MOST_SPILLED_BYTES),
            spill_dir: temp_dir(),
            files: OpenFiles::new(limits.max_open_files),
            next_id: AtomicU64::new(0),
            storage,
            clock,
        })
    }

    /// Opens a regular file.
    ///
    /// # Errors
    /// Whatever the system says about opening it.
    pub fn file(self: &Arc<Self>, path: &Path) -> std::io::Result<Arc<dyn Source>> {
        self.storage.file(path, self)
    }

    /// Opens a directory of files.
    ///
    /// # Errors
    /// Whatever the system says about it.
    pub fn directory(self: &Arc<Self>, path: &Path) -> std::io::Result<Arc<dyn Directory>> {
        self.storage.directory(path, self)
    }

    /// The cache of decoded blocks.
    #[must_use]
    pub const fn blocks(&self) -> &BlockCache {
        &self.blocks
    }

    /// Decoded blocks that are too large for memory, on disk.
    #[must_use]
    pub const fn spilled(&self) -> &BlockCache<Spilled> {
        &self.spilled
    }

    /// Where they lie.
    #[must_use]
    pub fn spill_dir(&self) -> &Path {
        &self.spill_dir
    }

    /// Bytes of a block from which on it is decoded to disk instead of to memory.
    #[must_use]
    pub fn largest_block_bytes(&self) -> u64 {
        (self.limits.cache_bytes as u64 / BLOCKS_IN_CACHE).max(LEAST_BLOCK_BYTES)
    }

    /// Bytes of memory in all, of which the caches of inputs have a quarter: also the most that one block
    /// may take while it is being decoded, where that cannot be done a piece at a time.
    #[must_use]
    pub const fn budget_bytes(&self) -> u64 {
        (self.limits.cache_bytes as u64).saturating_mul(4)
    }

    /// A number that nothing else in this context has: the owner part of a [`super::BlockKey`].
    #[must_use]
    pub fn fresh_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// What it may hold, and read.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The clock that decides.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) const fn files(&self) -> &OpenFiles {
        &self.files
    }
}
