//! Puts what will be wanted soon into the kernel's page cache.
//!
//! A loader that reads rows at random asks for a few pages at a time. Each request costs two
//! switches between processes and, from compressed inputs, a whole chunk is decoded for it. So what
//! was decoded with such a read, or else lies around it, is stored in the page cache as well
//! (`FUSE_NOTIFY_STORE`), by other threads, after the answer: later batches find more and more
//! of their rows there, and memory that is short is taken back by the kernel.
//!
//! A reader that takes a file from beginning to end asks for as much at once as the kernel's
//! read-ahead allows, and waits for each answer. So when it begins, what follows is stored as well,
//! on all cores, and it is answered when that is done: then it finds everything, and asks no more.
//! That is done for a reader that is alone; several keep all cores busy without it.
//! Pages that were stored are also cheaper to read again than those that were asked for: they begin
//! as referenced, and need not be sorted anew.
//!
//! Storing waits for pages that are being read. The threads that answer reads wait for those that
//! store only for [`PATIENCE`], so that cannot lock up.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use fuser::{INodeNo, Notifier};
use lru::LruCache;

use super::errno::guard;
use super::inodes::Inodes;

/// Files are cut into windows of this size. The surroundings of a read are the windows that it
/// touches, or what was decoded with it when that is known and not much larger.
const WINDOW_BYTES: u64 = 128 << 10;
const LARGEST_BYTES: u64 = 4 * WINDOW_BYTES;
/// A first read as long as this is the beginning of a long one: for less, the kernel reads ahead
/// less.
const LONG_BYTES: usize = 128 << 10;
/// Most that is stored ahead of a reader in sequence at a time.
const AHEAD_BYTES: u64 = 4 << 20;
/// How long the reader is kept waiting for that.
const PATIENCE: Duration = Duration::from_millis(50);
/// What is stored is whole pages, or the kernel would read them again.
const PAGE_BYTES: u64 = 4096;
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
/// A reader from whom nothing was heard for this long does something else.
const RECENT: Duration = Duration::from_millis(20);
/// Files whose reading is followed at a time.
const STREAMS: usize = 64;

/// Some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Piece {
    inode: u64,
    range: Range<u64>,
}

/// What is to be stored.
struct Order {
    piece: Piece,
    /// Whose turn it is stored for; given back when the last order of it is dropped.
    _turn: Option<Arc<Turn>>,
}

/// Only one reader in sequence has what follows stored at a time.
#[derive(Default)]
struct Turns {
    taken: Mutex<bool>,
    given_back: Condvar,
}

/// Taken as long as it lives.
struct Turn {
    turns: Arc<Turns>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turns {
    fn taken(&self) -> MutexGuard<'_, bool> {
        lock(&self.taken)
    }

    fn take(self: &Arc<Self>) -> Option<Arc<Turn>> {
        let before = std::mem::replace(&mut *self.taken(), true);
        (!before).then(|| Arc::new(Turn { turns: Arc::clone(self) }))
    }

    /// Waits until this turn has been given back, or until patience ends.
    fn wait_for(&self, turn: &Weak<Turn>) {
        let is_out = |_: &mut bool| turn.strong_count() > 0;
        let _ = self.given_back.wait_timeout_while(self.taken(), PATIENCE, is_out);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.turns.taken() = false;
        self.turns.given_back.notify_all();
    }
}

/// Where the threads that answer reads tell what was read.
pub struct Prefetch {
    inodes: Arc<Inodes>,
    queue: Option<SyncSender<Order>>,
    recent: Mutex<LruCache<Piece, ()>>,
    turns: Arc<Turns>,
    /// By inode, for the files that were read last.
    streams: [Mutex<Option<Stream>>; STREAMS],
}

/// How far a file has been read.
#[derive(Debug, Clone, Copy)]
struct Stream {
    inode: u64,
    /// Where the next read in sequence would begin.
    next: u64,
    /// Where what has been stored ahead ends.
    stored: u64,
    /// When something of it was asked for.
    heard: Instant,
}

impl Stream {
    fn end(&self) -> u64 {
        self.next.max(self.stored)
    }

    /// Whether a reader in sequence asks for what begins at `at`. What was stored it does not ask
    /// for, so that it is heard of again behind that.
    fn is_followed_by(&self, inode: u64, at: u64) -> bool {
        self.inode == inode && [self.next, self.stored].contains(&at)
    }
}

/// What waits to be stored.
pub struct Waiting {
    inodes: Arc<Inodes>,
    orders: Mutex<Receiver<Order>>,
}

impl Prefetch {
    /// With what is to be stored, for [`Waiting::store`].
    pub fn new(inodes: &Arc<Inodes>) -> (Self, Waiting) {
        let (queue, orders) = sync_channel(WAITING);
        let waiting = Waiting { inodes: Arc::clone(inodes), orders: Mutex::new(orders) };
        (Self { queue: Some(queue), ..Self::none(inodes) }, waiting)
    }

    /// Of which nothing is stored.
    pub fn none(inodes: &Arc<Inodes>) -> Self {
        Self {
            inodes: Arc::clone(inodes),
            queue: None,
            recent: Mutex::new(LruCache::new(REMEMBERED)),
            turns: Arc::default(),
            streams: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// To be called before a read of `len` bytes from `at` on, of `asked` that were wanted, is
    /// answered: when a reader in sequence begins there, has what follows stored first.
    pub fn will_answer(&self, inode: u64, at: u64, len: usize, asked: usize) {
        let Some(queue) = &self.queue else { return };
        if asked < LONG_BYTES || len < asked {
            return;
        }
        let start = at + len as u64;
        let Ok(file_len) = self.inodes.len_bytes(inode) else { return };
        let stop = (start + AHEAD_BYTES).min(file_len);
        if start >= stop {
            return;
        }
        if at > 0 && !self.stream(inode).is_some_and(|stream| stream.is_followed_by(inode, at)) {
            return;
        }
        if !self.is_alone(inode) {
            return;
        }
        let Some(turn) = self.turns.take() else { return };
        *self.stream(inode) =
            Some(Stream { inode, next: start, stored: stop, heard: Instant::now() });
        let mut at = start;
        while at < stop {
            let range = at..(at + LARGEST_BYTES).min(stop);
            at = range.end;
            let piece = Piece { inode, range };
            let order = Order { piece, _turn: Some(Arc::clone(&turn)) };
            if queue.try_send(order).is_err() {
                break;
            }
        }
        let waiting_for = Arc::downgrade(&turn);
        drop(turn);
        self.turns.wait_for(&waiting_for);
    }

    /// To be called after the answer: has the surroundings of a scattered read stored.
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
            let mut recent = lock(&self.recent);
            let order = Order { piece: piece.clone(), _turn: None };
            // A full queue means that there is no time for this one.
            if !recent.contains(&piece) && queue.try_send(order).is_ok() {
                recent.put(piece, ());
            }
        }
    }

    fn stream(&self, inode: u64) -> MutexGuard<'_, Option<Stream>> {
        lock(&self.streams[(inode % STREAMS as u64) as usize])
    }

    /// Whether a read begins where another of the same file ended. Takes note of it.
    fn is_in_sequence(&self, inode: u64, at: u64, end: u64) -> bool {
        let mut stream = self.stream(inode);
        let before = stream.filter(|stream| stream.inode == inode);
        let stored = before.map_or(0, |stream| stream.stored);
        *stream = Some(Stream { inode, next: end, stored, heard: Instant::now() });
        before.is_some_and(|stream| stream.next == at)
    }

    /// Whether no other file is being read: each has been read or stored to its end, or was left.
    fn is_alone(&self, inode: u64) -> bool {
        self.streams.iter().filter_map(|stream| *lock(stream)).all(|stream| {
            stream.inode == inode
                || stream.heard.elapsed() > RECENT
                || self
                    .inodes
                    .len_bytes(stream.inode)
                    .is_ok_and(|file_len| stream.end() >= file_len)
        })
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
}

impl Waiting {
    /// Stores what is ordered, until the mount is gone. Several threads may do this.
    pub fn store(&self, notifier: &Notifier) {
        let mut buffer = vec![0; LARGEST_BYTES as usize];
        while let Some(order) = self.next() {
            let Piece { inode, range } = order.piece;
            let at = range.start.next_multiple_of(PAGE_BYTES);
            let out = &mut buffer[..range.end.saturating_sub(at) as usize];
            let read = guard("reading ahead", inode, || self.inodes.read_at(inode, at, out));
            // A failure will be met again, and told, by whoever reads it.
            let Ok(len) = read else { continue };
            // The last page of the file need not be full.
            let ends =
                self.inodes.len_bytes(inode).is_ok_and(|file_len| file_len == at + len as u64);
            let whole = if ends { len } else { len - len % PAGE_BYTES as usize };
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

    fn next(&self) -> Option<Order> {
        lock(&self.orders).recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_one_readers_until_its_last_order_is_dropped() {
        let turns = Arc::new(Turns::default());
        let turn = turns.take().unwrap();
        assert!(turns.take().is_none());
        let orders = vec![Arc::clone(&turn), Arc::clone(&turn)];
        let waiting_for = Arc::downgrade(&turn);
        drop(turn);
        let storing = std::thread::spawn(move || {
            orders.into_iter().for_each(|order| {
                std::thread::sleep(PATIENCE / 20);
                drop(order);
            });
        });
        turns.wait_for(&waiting_for);
        assert_eq!(waiting_for.strong_count(), 0);
        storing.join().unwrap();
        assert!(turns.take().is_some());
    }

    #[test]
    fn patience_ends() {
        let turns = Arc::new(Turns::default());
        let turn = turns.take().unwrap();
        let begin = Instant::now();
        turns.wait_for(&Arc::downgrade(&turn));
        assert!(begin.elapsed() >= PATIENCE);
        assert!(turns.take().is_none(), "what was ordered goes on, and nobody else's begins");
    }
}
