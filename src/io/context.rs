//! What all sources of one process share, and the way from a path to one of them.

use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::blocks::BlockCache;
use super::clock::Clock;
use super::files::{OpenFiles, default_max_open};
use super::source::{Directory, Source};

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
