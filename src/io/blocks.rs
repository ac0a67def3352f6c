//! The cache of decoded blocks.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};

use lru::LruCache;

use super::lock;
use crate::base::ReadError;

/// A decoded block, shared by its readers.
pub type Block = Arc<Vec<u8>>;

/// Names a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// Who numbers its blocks: from [`super::Context::fresh_id`].
    pub owner: u64,
    /// The owner's number of the block.
    pub index: u64,
}

/// Blocks by key up to a budget of bytes (or one that is larger), the least recently used dropped
/// first. A block that several threads ask for at once is loaded once.
#[derive(Debug)]
pub struct BlockCache {
    budget_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ready: LruCache<BlockKey, Block>,
    ready_bytes: usize,
    loading: HashMap<BlockKey, Arc<Flight>>,
}

/// A load that is under way.
#[derive(Debug, Default)]
struct Flight {
    outcome: Mutex<Option<Result<Block, ReadError>>>,
    landed: Condvar,
}

/// What a block costs besides its bytes.
const OVERHEAD_BYTES: usize = 128;

impl BlockCache {
    pub(crate) fn new(budget_bytes: usize) -> Self {
        let state = State { ready: LruCache::unbounded(), ready_bytes: 0, loading: HashMap::new() };
        Self { budget_bytes, state: Mutex::new(state) }
    }

    /// The block, when it is held.
    #[must_use]
    pub fn get(&self, key: BlockKey) -> Option<Block> {
        lock(&self.state).ready.get(&key).map(Arc::clone)
    }

    /// True when the block is held or being loaded.
    #[must_use]
    pub fn knows(&self, key: BlockKey) -> bool {
        let state = lock(&self.state);
        state.ready.contains(&key) || state.loading.contains_key(&key)
    }

    /// True when another thread is loading the block: who has others to load does so first.
    #[must_use]
    pub fn is_loading(&self, key: BlockKey) -> bool {
        lock(&self.state).loading.contains_key(&key)
    }

    /// The block, from `load` when it is not held. Other threads that ask meanwhile wait and get the
    /// same outcome; a failure is not kept.
    ///
    /// `load` must not wait for work of a thread pool: a pool thread that waits here could be the
    /// one that would do it.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn get_or_load(
        &self,
        key: BlockKey,
        load: impl FnOnce() -> Result<Vec<u8>, ReadError>,
    ) -> Result<Block, ReadError> {
        let flight = {
            let mut state = lock(&self.state);
            if let Some(block) = state.ready.get(&key) {
                return Ok(Arc::clone(block));
            }
            if let Some(flight) = state.loading.get(&key) {
                let flight = Arc::clone(flight);
                drop(state);
                return flight.wait();
            }
            let flight = Arc::new(Flight::default());
            state.loading.insert(key, Arc::clone(&flight));
            flight
        };
        // Lands the flight even if `load` panics, so that nobody waits for ever.
        let mut landing = Landing { cache: self, key, flight, outcome: None };
        let outcome = load().map(Arc::new);
        landing.outcome = Some(outcome.clone());
        outcome
    }

    fn keep(&self, state: &mut State, key: BlockKey, block: Block) -> Vec<Block> {
        let mut dropped = Vec::new();
        state.ready_bytes += block.capacity() + OVERHEAD_BYTES;
        if let Some(old) = state.ready.put(key, block) {
            state.ready_bytes -= old.capacity() + OVERHEAD_BYTES;
            dropped.push(old);
        }
        // The newest stays, however large: it was in memory anyway, and is likely to be read on.
        while state.ready_bytes > self.budget_bytes && state.ready.len() > 1 {
            let Some((_, old)) = state.ready.pop_lru() else { break };
            state.ready_bytes -= old.capacity() + OVERHEAD_BYTES;
            dropped.push(old);
        }
        dropped
    }
}

impl Flight {
    fn wait(&self) -> Result<Block, ReadError> {
        let mut outcome = lock(&self.outcome);
        loop {
            if let Some(outcome) = outcome.as_ref() {
                return outcome.clone();
            }
            outcome = self.landed.wait(outcome).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

struct Landing<'a> {
    cache: &'a BlockCache,
    key: BlockKey,
    flight: Arc<Flight>,
    outcome: Option<Result<Block, ReadError>>,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| {
            Err(ReadError::corrupt("", "", "the thread that was reading this block failed"))
        });
        let _dropped = {
            let mut state = lock(&self.cache.state);
            state.loading.remove(&self.key);
            match &outcome {
                Ok(block) => self.cache.keep(&mut state, self.key, Arc::clone(block)),
                Err(_) => Vec::new(),
            }
        };
        *lock(&self.flight.outcome) = Some(outcome);
        self.flight.landed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const fn key(index: u64) -> BlockKey {
        BlockKey { owner: 0, index }
    }

    #[test]
    fn the_budget_holds_and_the_least_used_goes_first() {
        let cache = BlockCache::new(10 * (1000 + OVERHEAD_BYTES));
        for index in 0..50 {
            cache.get_or_load(key(index), || Ok(vec![0; 1000])).unwrap();
            assert!(cache.get(key(0)).is_some());
        }
        assert!(cache.get(key(1)).is_none());
        assert!(cache.get(key(49)).is_some());
        assert!(lock(&cache.state).ready_bytes <= cache.budget_bytes);
        cache.get_or_load(key(99), || Ok(vec![0; 100_000])).unwrap();
        assert!(cache.get(key(99)).is_some(), "the newest is kept, even one that is too large");
        assert!(cache.get(key(0)).is_none());
        cache.get_or_load(key(1), || Ok(vec![0; 10])).unwrap();
        assert!(cache.get(key(99)).is_none());
    }

    #[test]
    fn one_load_serves_all_who_wait() {
        let cache = BlockCache::new(1 << 20);
        let loads = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let block = cache.get_or_load(key(7), || {
                        loads.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(30));
                        Ok(vec![7; 10])
                    });
                    assert_eq!(*block.unwrap(), vec![7; 10]);
                });
            }
        });
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_block_is_loading_until_it_has_landed() {
        let cache = BlockCache::new(1 << 20);
        assert!(!cache.is_loading(key(1)));
        cache
            .get_or_load(key(1), || {
                assert!(cache.is_loading(key(1)) && !cache.is_loading(key(2)));
                Ok(vec![1])
            })
            .unwrap();
        assert!(!cache.is_loading(key(1)));
    }

    #[test]
    fn a_failure_is_not_kept() {
        let cache = BlockCache::new(1 << 20);
        let failure = || Err(ReadError::corrupt("f", "e", "w"));
        assert!(cache.get_or_load(key(1), failure).is_err());
        assert!(cache.get_or_load(key(1), || Ok(vec![1])).is_ok());
    }
}
