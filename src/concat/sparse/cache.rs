//! Rewritten blocks of rows, kept while memory lasts and computed once however many ask.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::base::ReadError;

/// Entries of whole rows of the result.
#[derive(Debug, Default, Clone)]
pub(super) struct Block {
    /// Minor indices.
    pub(super) minors: Vec<u32>,
    /// Values, or whatever bytes its maker keeps.
    pub(super) bytes: Vec<u8>,
}

impl Block {
    fn size_bytes(&self) -> usize {
        self.minors.capacity() * 4 + self.bytes.capacity() + 128
    }
}

/// Whose block, and which.
pub(super) type Key = (u64, u64);

/// A byte-budgeted cache of blocks, shared by all matrices of a result.
#[derive(Debug)]
pub struct BlockCache {
    budget_bytes: usize,
    state: Mutex<State>,
    settled: Condvar,
}

#[derive(Debug)]
struct State {
    ready: LruCache<Key, Arc<Block>>,
    ready_bytes: usize,
    pending: HashSet<Key>,
}

impl BlockCache {
    /// A cache of about this many bytes.
    #[must_use]
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            budget_bytes,
            state: Mutex::new(State {
                ready: LruCache::unbounded(),
                ready_bytes: 0,
                pending: HashSet::new(),
            }),
            settled: Condvar::new(),
        }
    }

    /// A number that no other owner of blocks has.
    pub(super) fn new_owner(&self) -> u64 {
        // One sequence for the process: threads remember owners beyond the life of a cache.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// The block of `key`, computed unless it is kept or being computed.
    pub(super) fn get(
        &self,
        key: Key,
        compute: impl FnOnce() -> Result<Block, ReadError>,
    ) -> Result<Arc<Block>, ReadError> {
        let mut state = self.lock();
        loop {
            if let Some(block) = state.ready.get(&key) {
                return Ok(Arc::clone(block));
            }
            if !state.pending.contains(&key) {
                break;
            }
            // A worker of the pool must not wait: the computation may need that very worker.
            if rayon::current_thread_index().is_some() {
                drop(state);
                return compute().map(Arc::new);
            }
            state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.pending.insert(key);
        drop(state);
        let _pending = Pending { cache: self, key };
        let block = Arc::new(compute()?);
        self.insert(key, Arc::clone(&block));
        Ok(block)
    }

    fn insert(&self, key: Key, block: Arc<Block>) {
        let mut state = self.lock();
        state.ready_bytes += block.size_bytes();
        if let Some(old) = state.ready.put(key, block) {
            state.ready_bytes -= old.size_bytes();
        }
        while state.ready_bytes > self.budget_bytes && state.ready.len() > 1 {
            let Some((_, old)) = state.ready.pop_lru() else { break };
            state.ready_bytes -= old.size_bytes();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the waiters however the computation ends; after a failure the next one tries again.
struct Pending<'a> {
    cache: &'a BlockCache,
    key: Key,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.cache.lock().pending.remove(&self.key);
        self.cache.settled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn block(bytes: usize) -> Block {
        Block { minors: Vec::new(), bytes: vec![0; bytes] }
    }

    #[test]
    fn computes_once_for_many_threads() {
        let cache = BlockCache::new(1 << 20);
        let computed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let got = cache.get((1, 1), || {
                        computed.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(20));
                        Ok(block(8))
                    });
                    assert_eq!(got.unwrap().bytes.len(), 8);
                });
            }
        });
        assert_eq!(computed.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn stays_within_its_budget_and_forgets_failures() {
        let cache = BlockCache::new(1000);
        for key in 0..10 {
            cache.get((0, key), || Ok(block(300))).unwrap();
        }
        assert!(cache.lock().ready_bytes <= 1000);
        let failed = cache.get((0, 99), || Err(ReadError::corrupt("f", "e", "w")));
        assert!(failed.is_err());
        assert!(cache.get((0, 99), || Ok(block(1))).is_ok());
    }
}
