//! Puts the surroundings of scattered reads into the kernel's page cache.
//!
//! A loader that reads rows at random asks for a few pages at a time. Each request costs two
//! switches between processes and, from compressed inputs, a whole chunk is decoded for it. So what
//! was decoded with such a read, or else lies around it, is stored in the page cache as well
//! (`FUSE_NOTIFY_STORE`), by other threads, after the answer: later batches find more and more
//! of their rows there, and memory that is short is taken back by the kernel. Reads in sequence are
//! left to the kernel's own read-ahead.
//!
//! Storing waits, in the kernel, for pages that are being read. The threads that answer reads never
//! wait for those that store, so that cannot lock up while this process lives. Should it be killed
//! during such a wait, the answer never comes, and the mount hangs until its connection is cut off.
//! So nothing is stored where a read is known to be waiting; one that comes in that moment remains.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use lru::LruCache;

use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::mpsc::{Receiver, SyncSender, sync_channel};
use crate::base::sync::{Mutex, MutexGuard};

use super::errno::guard;
use super::inodes::Inodes;

/// Files are cut into windows of this size. The surroundings of a read are the windows that it
/// touches, or what was decoded with it when that is known and neither much larger nor a few pages.
const WINDOW_BYTES: u64 = 128 << 10;
const LARGEST_BYTES: u64 = 4 * WINDOW_BYTES;
const SMALLEST_BYTES: u64 = WINDOW_BYTES / 8;
/// Reads longer than this are no scattered ones.
const SCATTERED_BYTES: usize = 64 << 10;
/// Ranges that may wait. When there are more, the threads cannot keep up, and they are forgotten.
const WAITING: usize = 256;
/// Ranges that are remembered so that they are not stored twice in a row. What is read again much
/// later had been dropped from the page cache.
const REMEMBERED: NonZeroUsize = match NonZeroUsize::new(2 * WAITING) {
    Some(number) => number,
    None => NonZeroUsize::MIN,
};
/// Files whose reading is followed at a time.
const STREAMS: usize = 64;

/// Some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Piece {
    inode: u64,
    range: Range<u64>,
}

/// Pieces that were ordered, and not given up.
type Recent = Mutex<LruCache<Piece, ()>>;

/// The reads that are being answered.
#[derive(Default)]
struct Reads(Mutex<Vec<Piece>>);

/// A read, until its answer has been given.
struct Reading<'a> {
    reads: &'a Reads,
    piece: Piece,
}

/// Where the threads that answer reads tell what was read.
pub struct Surroundings {
    inodes: Arc<Inodes>,
    queue: SyncSender<Piece>,
    reads: Arc<Reads>,
    recent: Arc<Recent>,
    /// By inode, for the files that were read last: a hash of where the next read in sequence would
    /// begin.
    next: [AtomicU64; STREAMS],
    hasher: RandomState,
}

/// What waits to be stored.
pub struct Waiting {
    inodes: Arc<Inodes>,
    reads: Arc<Reads>,
    recent: Arc<Recent>,
    pieces: Mutex<Receiver<Piece>>,
}

impl Surroundings {
    /// With what is to be stored, for [`Waiting::store`].
    pub fn new(inodes: &Arc<Inodes>) -> (Self, Waiting) {
        let (queue, pieces) = sync_channel(WAITING);
        let reads = Arc::<Reads>::default();
        let recent = Arc::new(Mutex::new(LruCache::new(REMEMBERED)));
        let surroundings = Self {
            inodes: Arc::clone(inodes),
            queue,
            reads: Arc::clone(&reads),
            recent: Arc::clone(&recent),
            next: std::array::from_fn(|_| AtomicU64::new(0)),
            hasher: RandomState::new(),
        };
        let inodes = Arc::clone(inodes);
        (surroundings, Waiting { inodes, reads, recent, pieces: Mutex::new(pieces) })
    }

    /// Has a read of `asked` bytes from `at` on answered, and after that, if it was a scattered one,
    /// its surroundings stored. `answer` tells how many bytes it gave; `None`: an error.
    pub fn answered(
        &self,
        inode: u64,
        at: u64,
        asked: usize,
        answer: impl FnOnce() -> Option<usize>,
    ) {
        let reading = self.reads.begin(Piece { inode, range: at..at + asked as u64 });
        let len = answer();
        drop(reading);
        if let Some(len) = len {
            let _ = guard("surroundings", inode, || {
                self.was_read(inode, at, len, asked);
                Ok(())
            });
        }
    }

    /// Has the surroundings stored of a read that was answered with `len` bytes from `at` on, of
    /// `asked` that were wanted.
    fn was_read(&self, inode: u64, at: u64, len: usize, asked: usize) {
        let end = at + len as u64;
        let whole = at == 0 && len < asked;
        if self.is_in_sequence(inode, at, end) || asked > SCATTERED_BYTES || whole || len == 0 {
            return;
        }
        let mut at = at;
        while at < end {
            let range = self.around(inode, at);
            at = range.end.max(at + 1);
            let piece = Piece { inode, range };
            let mut recent = lock(&self.recent);
            // A full queue means that there is no time for this one.
            if !recent.contains(&piece) && self.queue.try_send(piece.clone()).is_ok() {
                recent.put(piece, ());
            }
        }
    }

    /// Whether a read begins where another of the same file ended; a guess, as of a hash.
    fn is_in_sequence(&self, inode: u64, at: u64, end: u64) -> bool {
        let next = &self.next[(inode % STREAMS as u64) as usize];
        let expected = next.swap(self.hasher.hash_one((inode, end)), Ordering::Relaxed);
        expected == self.hasher.hash_one((inode, at))
    }

    /// What is worth storing around a byte, itself in it.
    fn around(&self, inode: u64, at: u64) -> Range<u64> {
        let start = at / WINDOW_BYTES * WINDOW_BYTES;
        let window = start..start + WINDOW_BYTES;
        match self.inodes.decoded_with(inode, at) {
            Some(decoded) if decoded.end - decoded.start > LARGEST_BYTES => {
                window.start.max(decoded.start)..window.end.min(decoded.end)
            }
            Some(decoded) if decoded.end - decoded.start >= SMALLEST_BYTES => decoded,
            _ => window,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reads {
    fn begin(&self, piece: Piece) -> Reading<'_> {
        lock(&self.0).push(piece.clone());
        Reading { reads: self, piece }
    }

    fn overlap(&self, inode: u64, range: &Range<u64>) -> bool {
        lock(&self.0).iter().any(|read| {
            read.inode == inode && read.range.start < range.end && range.start < read.range.end
        })
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut reads = lock(&self.reads.0);
        if let Some(at) = reads.iter().position(|piece| *piece == self.piece) {
            reads.swap_remove(at);
        }
    }
}

impl Waiting {
    /// Stores pieces as they come, by `store` (inode, offset, bytes; true when it is done), until the
    /// [`Surroundings`] are dropped. Several threads may do this.
    pub fn store(&self, store: impl Fn(u64, u64, &[u8]) -> bool) {
        let page_bytes = page_bytes();
        let mut buffer = vec![0; LARGEST_BYTES as usize];
        while let Some(piece) = self.next() {
            let Piece { inode, range } = &piece;
            // What is stored is whole pages, or the kernel would read them again.
            let at = range.start.next_multiple_of(page_bytes);
            let out = &mut buffer[..range.end.saturating_sub(at) as usize];
            let stored = self.read_whole_pages(*inode, at, out, page_bytes).is_some_and(|len| {
                let is_read = || self.reads.overlap(*inode, &(at..at + len as u64));
                // Less than a page has nothing to store, and is not tried again either.
                len == 0 || !is_read() && store(*inode, at, &out[..len])
            });
            if !stored {
                lock(&self.recent).pop(&piece);
            }
        }
    }

    /// Reads as many whole pages as there are; the last of the file need not be full. Nothing is said
    /// of a failure: it will be met again, and told, by whoever reads it.
    fn read_whole_pages(
        &self,
        inode: u64,
        at: u64,
        out: &mut [u8],
        page_bytes: u64,
    ) -> Option<usize> {
        let read = || {
            let read =
                self.inodes.read_at(inode, at, out).ok().zip(self.inodes.len_bytes(inode).ok());
            Ok(read)
        };
        let (len, file_len) = guard("reading ahead", inode, read).ok()??;
        let whole = if at + len as u64 == file_len { len } else { len - len % page_bytes as usize };
        Some(whole)
    }

    fn next(&self) -> Option<Piece> {
        lock(&self.pieces).recv().ok()
    }
}

fn page_bytes() -> u64 {
    // SAFETY: sysconf only returns a number.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(page_bytes).unwrap_or(4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_overlap_until_they_are_answered() {
        let reads = Reads::default();
        let read = || reads.begin(Piece { inode: 7, range: 100..200 });
        let (first, second) = (read(), read());
        assert!(reads.overlap(7, &(199..300)) && reads.overlap(7, &(0..101)));
        assert!(!reads.overlap(7, &(200..300)) && !reads.overlap(7, &(0..100)));
        assert!(!reads.overlap(8, &(100..200)));
        drop(first);
        assert!(reads.overlap(7, &(0..1000)), "another read of the same bytes goes on");
        drop(second);
        assert!(!reads.overlap(7, &(0..1000)));
    }
}
