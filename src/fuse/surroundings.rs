//! Puts the surroundings of scattered reads into the kernel's page cache.
//!
//! A loader that reads rows at random asks for a few pages at a time. Each request costs two
//! switches between processes and, from compressed inputs, a whole chunk is decoded for it. So what
//! was decoded with such a read, or else lies around it, is stored in the page cache as well
//! (`FUSE_NOTIFY_STORE`), by a thread of its own, after the answer: later batches find more and more
//! of their rows there, and memory that is short is taken back by the kernel. Reads in sequence are
//! left to the kernel's own read-ahead.
//!
//! Storing waits for pages that are being read. The threads that answer reads never wait for this
//! one, so that cannot lock up.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use fuser::{INodeNo, Notifier};
use lru::LruCache;

use super::errno::guard;
use super::inodes::Inodes;

/// Files are cut into windows of this size. The surroundings of a read are the windows that it
/// touches, or what was decoded with it when that is known and not much larger.
const WINDOW_BYTES: u64 = 128 << 10;
const LARGEST_BYTES: u64 = 4 * WINDOW_BYTES;
/// What is stored is whole pages, or the kernel would read them again.
const PAGE_BYTES: u64 = 4096;
/// Reads longer than this are no scattered ones.
const SCATTERED_BYTES: usize = 64 << 10;
/// Ranges that may wait. When there are more, the thread cannot keep up, and they are forgotten.
const WAITING: usize = 256;
/// Ranges that are remembered so that they are not stored twice in a row. What is read again much
/// later had been dropped from the page cache.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(2 * WAITING) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// Streams that are told apart.
const STREAMS: usize = 64;

/// Some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Piece {
    inode: u64,
    range: Range<u64>,
}

/// Where the threads that answer reads tell what was read.
pub struct Surroundings {
    inodes: Arc<Inodes>,
    queue: Option<SyncSender<Piece>>,
    recent: Mutex<LruCache<Piece, ()>>,
    /// For streams by hash, a hash of where the next read in sequence would begin.
    next: [AtomicU64; STREAMS],
    hasher: RandomState,
}

/// What waits to be stored.
pub struct Waiting {
    inodes: Arc<Inodes>,
    pieces: Receiver<Piece>,
}

impl Surroundings {
    /// With what is to be stored, for [`Waiting::store`].
    pub fn new(inodes: &Arc<Inodes>) -> (Self, Waiting) {
        let (queue, pieces) = sync_channel(WAITING);
        let waiting = Waiting { inodes: Arc::clone(inodes), pieces };
        (Self { queue: Some(queue), ..Self::none(inodes) }, waiting)
    }

    /// Of which nothing is stored.
    pub fn none(inodes: &Arc<Inodes>) -> Self {
        Self {
            inodes: Arc::clone(inodes),
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
        let mut at = at;
        while at < end {
            let range = self.around(inode, at);
            at = range.end;
            let piece = Piece { inode, range };
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            // A full queue means that there is no time for this one.
            if !recent.contains(&piece) && queue.try_send(piece.clone()).is_ok() {
                recent.put(piece, ());
            }
        }
    }

    /// What is worth storing around a byte, itself in it.
    fn around(&self, inode: u64, at: u64) -> Range<u64> {
        let start = at / WINDOW_BYTES * WINDOW_BYTES;
        let window = start..start + WINDOW_BYTES;
        match self.inodes.decoded_with(inode, at) {
            None => window,
            Some(decoded) if decoded.end - decoded.start <= LARGEST_BYTES => decoded,
            Some(decoded) => window.start.max(decoded.start)..window.end.min(decoded.end),
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
    /// Stores pieces as they come, until the mount is gone.
    pub fn store(self, notifier: &Notifier) {
        let mut buffer = vec![0; LARGEST_BYTES as usize];
        for Piece { inode, range } in self.pieces {
            let at = range.start.next_multiple_of(PAGE_BYTES);
            let out = &mut buffer[..range.end.saturating_sub(at) as usize];
            let read = guard("reading ahead", inode, || self.inodes.read_at(inode, at, out));
            // A failure will be met again, and told, by whoever reads it.
            let Ok(len) = read else { continue };
            // A short read ends with the file, whose last page need not be full.
            let whole = if len < out.len() { len } else { len - len % PAGE_BYTES as usize };
            if whole == 0 {
                continue;
            }
            match notifier.store(INodeNo(inode), at, &out[..whole]) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return,
                Err(error) => log::debug!("inode {inode}: cannot be stored: {error}"),
            }
        }
    }
}
