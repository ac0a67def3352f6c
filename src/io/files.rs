//! The bounded set of open files.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

use lru::LruCache;

use super::sync::lock;

/// Open files by the id of their source, the least recently used one closed first. A file that is
/// being read stays open until that read is over, even when it has left the set.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    open: Mutex<LruCache<u64, Arc<File>>>,
}

impl OpenFiles {
    pub(crate) fn new(max_open: usize) -> Self {
        let max_open = NonZeroUsize::new(max_open).unwrap_or(NonZeroUsize::MIN);
        Self { open: Mutex::new(LruCache::new(max_open)) }
    }

    /// The open file of a source, when it is still open.
    pub(crate) fn get(&self, id: u64) -> Option<Arc<File>> {
        lock(&self.open).get(&id).map(Arc::clone)
    }

    /// Opens `path` for a source. When the process has run out of descriptors, all files of the set
    /// are closed and it is tried again.
    pub(crate) fn open(&self, id: u64, path: &Path) -> std::io::Result<Arc<File>> {
        let file = match open(path) {
            Err(error) if is_full(&error) => {
                self.close_all();
                open(path)?
            }
            other => other?,
        };
        let file = Arc::new(file);
        // Closing happens outside the lock, when `_closed` goes.
        let _closed = lock(&self.open).push(id, Arc::clone(&file));
        Ok(file)
    }

    /// Closes all files that nobody reads just now.
    pub(crate) fn close_all(&self) {
        lock(&self.open).clear();
    }

    /// Forgets a source's file.
    pub(crate) fn close(&self, id: u64) {
        let _closed = lock(&self.open).pop(&id);
    }
}

/// Whether there are no more descriptors.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// Opens for reading, without waiting: the other end of a pipe may never come.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// A quarter of the soft limit on descriptors, between 4 and 256.
pub(crate) fn default_max_open() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that the call fills in.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0;
    if failed { 64 } else { ((limit.rlim_cur / 4) as usize).clamp(4, 256) }
}
