//! Puts the surroundings of scattered reads into the kernel's page cache.
//!
//! A loader that reads rows at random asks for a few pages at a time. Each request costs two
//! switches between processes and, from compressed inputs, a whole chunk is decoded for it. So what
//! lies around such a read is stored in the page cache as well (`FUSE_NOTIFY_STORE`), by a thread of
//! its own, after the answer: later batches find more and more of their rows there, and memory that
//! is short is taken back by the kernel. Reads in sequence are left to the kernel's own read-ahead.
//!
//! Storing waits for pages that are being read. The threads that answer reads never wait for this
//! one, so that cannot lock up.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use fuser::{INodeNo, Notifier};
use lru::LruCache;

use super::errno::guard;
use super::inodes::Inodes;

/// Files are cut into windows of this size; a read's surroundings are the windows that it touches.
const WINDOW_BYTES: u64 = 128 << 10;
/// Reads longer than this are no scattered ones.
const SCATTERED_BYTES: usize = 64 << 10;
/// Windows that may wait. When there are more, the thread cannot keep up, and they are forgotten.
const WAITING: usize = 256;
/// Windows that are remembered so that they are not stored again at once: by then, what was read
/// again had been dropped from the page cache.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(2 * WAITING) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// Streams that are told apart.
const STREAMS: usize = 64;

/// A window of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Window {
    inode: u64,
    number: u64,
}

/// Where the threads that answer reads tell what was read.
pub struct Surroundings {
    queue: Option<SyncSender<Window>>,
    recent: Mutex<LruCache<Window, ()>>,
    /// For streams by hash, a hash of where the next read in sequence would begin.
    next: [AtomicU64; STREAMS],
    hasher: RandomState,
}

/// The windows that wait to be stored.
pub struct Waiting(Receiver<Window>);

impl Surroundings {
    /// With what is to be stored, for [`Waiting::store`].
    pub fn new() -> (Self, Waiting) {
        let (queue, waiting) = sync_channel(WAITING);
        (Self { queue: Some(queue), ..Self::none() }, Waiting(waiting))
    }

    /// Of which nothing is stored.
    pub fn none() -> Self {
        Self {
            queue: None,
            recent: Mutex::new(LruCache::new(REMEMBERED)),
            next: std::array::from_fn(|_| AtomicU64::new(0)),
            hasher: RandomState::new(),
        }
    }

    /// Takes note of a read from `at` on of which `asked` bytes were wanted and `len` were there.
    pub fn was_read(&self, inode: u64, at: u64, len: usize, asked: usize) {
        let Some(queue) = &self.queue else { return };
        let end = at + len as u64;
        let whole = at == 0 && len < asked;
        if self.is_in_sequence(inode, at, end) || asked > SCATTERED_BYTES || whole || len == 0 {
            return;
        }
        for number in at / WINDOW_BYTES..=(end - 1) / WINDOW_BYTES {
            let window = Window { inode, number };
            let known = self
                .recent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .put(window, ())
                .is_some();
            if !known {
                // A full queue means that there is no time for this one.
                let _ = queue.try_send(window);
            }
        }
    }

    /// Whether a read begins where another of the same file ended; a guess, as of a hash.
    fn is_in_sequence(&self, inode: u64, at: u64, end: u64) -> bool {
        let next = &self.next[(inode % STREAMS as u64) as usize];
        let expected = next.swap(self.hasher.hash_one((inode, end)), Ordering::Relaxed);
        expected == self.hasher.hash_one((inode, at))
    }
}

impl Waiting {
    /// Stores windows as they come, until the mount is gone.
    pub fn store(self, inodes: &Arc<Inodes>, notifier: &Notifier) {
        let mut buffer = vec![0; WINDOW_BYTES as usize];
        for Window { inode, number } in self.0 {
            let at = number * WINDOW_BYTES;
            let Ok(len) = guard("reading ahead", inode, || inodes.read_at(inode, at, &mut buffer))
            else {
                continue;
            };
            match notifier.store(INodeNo(inode), at, &buffer[..len]) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::debug!("inode {inode}: cannot store in the page cache: {error}");
                }
            }
        }
    }
}
