//! The cache of computed blocks.

use std::collections::HashMap;
use std::sync::Arc;

use lru::LruCache;

use super::sync::lock;
use crate::base::ReadError;
use crate::base::sync::{Condvar, Mutex};

/// A decoded block, shared by its readers.
pub type Block = Arc<Vec<u8>>;

/// Names a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockKey {
    /// Who numbers its blocks, of all that share a cache: from [`super::Context::fresh_id`], where
    /// there is a context.
    pub owner: u64,
    /// The owner's number of the block.
    pub index: u64,
}

/// What a cache may hold.
pub trait Weighed {
    /// Bytes that it takes, of memory or of disk.
    fn weight_bytes(&self) -> usize;
}

impl Weighed for Vec<u8> {
    fn weight_bytes(&self) -> usize {
        self.capacity()
    }
}

/// Blocks by key up to a budget of bytes (or one that is larger), the least recently used dropped
/// first. A block that several threads ask for at once is loaded once.
#[derive(Debug)]
pub struct BlockCache<V = Vec<u8>> {
    budget_bytes: usize,
    state: Mutex<State<V>>,
}

#[derive(Debug)]
struct State<V> {
    ready: LruCache<BlockKey, Arc<V>>,
    ready_bytes: usize,
    loading: HashMap<BlockKey, Arc<Flight<V>>>,
}

/// A load that is under way.
#[derive(Debug)]
struct Flight<V> {
    state: Mutex<FlightState<V>>,
    ended: Condvar,
}

#[derive(Debug)]
enum FlightState<V> {
    Flying,
    Landed(Result<Arc<V>, ReadError>),
    /// The load panicked.
    Crashed,
}

/// How a block is come by.
enum Found<'a, V: Weighed> {
    Ready(Arc<V>),
    /// By another thread.
    Loading(Arc<Flight<V>>),
    ToLoad(Landing<'a, V>),
}

/// What a block costs besides its bytes.
const OVERHEAD_BYTES: usize = 128;

impl<V: Weighed> BlockCache<V> {
    /// A cache of about this many bytes.
    #[must_use]
    pub fn new(budget_bytes: usize) -> Self {
        let state = State { ready: LruCache::unbounded(), ready_bytes: 0, loading: HashMap::new() };
        Self { budget_bytes, state: Mutex::new(state) }
    }

    /// The block, when it is held.
    #[must_use]
    pub fn get(&self, key: BlockKey) -> Option<Arc<V>> {
        lock(&self.state).ready.get(&key).map(Arc::clone)
    }

    /// True when the block is held or being loaded.
    #[must_use]
    pub fn knows(&self, key: BlockKey) -> bool {
        let state = lock(&self.state);
        state.ready.contains(&key) || state.loading.contains_key(&key)
    }

    /// True when some thread is loading the block: who has others to load does so first.
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
        load: impl FnOnce() -> Result<V, ReadError>,
    ) -> Result<Arc<V>, ReadError> {
        self.find_or_load(key, true, load)
    }

    /// As [`Self::get_or_load`], with a `load` that may wait for work of a thread pool: a pool
    /// thread does not wait for another's load, but loads for itself.
    ///
    /// # Errors
    /// Those of `load`.
    pub fn get_or_load_in_pool(
        &self,
        key: BlockKey,
        load: impl FnOnce() -> Result<V, ReadError>,
    ) -> Result<Arc<V>, ReadError> {
        self.find_or_load(key, rayon::current_thread_index().is_none(), load)
    }

    fn find_or_load(
        &self,
        key: BlockKey,
        may_wait: bool,
        load: impl FnOnce() -> Result<V, ReadError>,
    ) -> Result<Arc<V>, ReadError> {
        match self.find(key) {
            Found::Ready(block) => Ok(block),
            Found::Loading(flight) => {
                let landed = if may_wait { flight.wait() } else { None };
                landed.unwrap_or_else(|| load().map(Arc::new))
            }
            Found::ToLoad(landing) => landing.land(load()),
        }
    }

    fn find(&self, key: BlockKey) -> Found<'_, V> {
        let mut state = lock(&self.state);
        if let Some(block) = state.ready.get(&key) {
            return Found::Ready(Arc::clone(block));
        }
        if let Some(flight) = state.loading.get(&key) {
            return Found::Loading(Arc::clone(flight));
        }
        let state_of_flight = Mutex::new(FlightState::Flying);
        let flight = Arc::new(Flight { state: state_of_flight, ended: Condvar::new() });
        state.loading.insert(key, Arc::clone(&flight));
        Found::ToLoad(Landing { cache: self, key, flight, outcome: None })
    }

    fn keep(&self, state: &mut State<V>, key: BlockKey, block: Arc<V>) -> Vec<Arc<V>> {
        let weight_bytes = |block: &V| block.weight_bytes() + OVERHEAD_BYTES;
        let mut dropped = Vec::new();
        state.ready_bytes += weight_bytes(&block);
        if let Some(old) = state.ready.put(key, block) {
            state.ready_bytes -= weight_bytes(&old);
            dropped.push(old);
        }
        // The newest stays, however large: it was in memory anyway, and is likely to be read on.
        while state.ready_bytes > self.budget_bytes && state.ready.len() > 1 {
            let Some((_, old)) = state.ready.pop_lru() else { break };
            state.ready_bytes -= weight_bytes(&old);
            dropped.push(old);
        }
        dropped
    }
}

impl<V> Flight<V> {
    /// What was loaded; `None` when the load panicked.
    fn wait(&self) -> Option<Result<Arc<V>, ReadError>> {
        let mut state = lock(&self.state);
        loop {
            match &*state {
                FlightState::Flying => {}
                FlightState::Landed(outcome) => return Some(outcome.clone()),
                FlightState::Crashed => return None,
            }
            state = self.ended.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// Ends a flight, even if its load panics, so that nobody waits for ever.
struct Landing<'a, V: Weighed> {
    cache: &'a BlockCache<V>,
    key: BlockKey,
    flight: Arc<Flight<V>>,
    outcome: Option<Result<Arc<V>, ReadError>>,
}

impl<V: Weighed> Landing<'_, V> {
    fn land(mut self, loaded: Result<V, ReadError>) -> Result<Arc<V>, ReadError> {
        let outcome = loaded.map(Arc::new);
        self.outcome = Some(outcome.clone());
        outcome
    }
}

impl<V: Weighed> Drop for Landing<'_, V> {
    fn drop(&mut self) {
        let outcome = self.outcome.take();
        let _dropped = {
            let mut state = lock(&self.cache.state);
            state.loading.remove(&self.key);
            match &outcome {
                Some(Ok(block)) => self.cache.keep(&mut state, self.key, Arc::clone(block)),
                Some(Err(_)) | None => Vec::new(),
            }
        };
        *lock(&self.flight.state) = outcome.map_or(FlightState::Crashed, FlightState::Landed);
        self.flight.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

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
        for in_pool in [false, true] {
            let cache = BlockCache::new(1 << 20);
            let loads = AtomicUsize::new(0);
            let load = || {
                loads.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(30));
                Ok(vec![7; 10])
            };
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let block = match in_pool {
                            false => cache.get_or_load(key(7), load),
                            true => cache.get_or_load_in_pool(key(7), load),
                        };
                        assert_eq!(*block.unwrap(), vec![7; 10]);
                    });
                }
            });
            assert_eq!(loads.load(Ordering::SeqCst), 1);
        }
    }

    #[test]
    fn who_waits_for_a_load_that_panics_loads_again() {
        let cache = BlockCache::new(1 << 20);
        std::thread::scope(|scope| {
            let (began, begins) = mpsc::channel();
            let cache = &cache;
            let first = scope.spawn(move || {
                cache.get_or_load(key(1), || {
                    began.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(30));
                    panic!("as a test")
                })
            });
            begins.recv().unwrap();
            assert_eq!(*cache.get_or_load(key(1), || Ok(vec![2])).unwrap(), [2]);
            assert!(first.join().is_err());
        });
        assert!(!cache.is_loading(key(1)));
    }

    #[test]
    fn a_pool_thread_does_not_wait_for_another() {
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            let cache = BlockCache::new(1 << 20);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let mine = cache.get_or_load_in_pool(key(1), || {
                // Would wait for ever: this very load is what it would wait for.
                let theirs = pool.install(|| cache.get_or_load_in_pool(key(1), || Ok(vec![2])));
                assert_eq!(*theirs.unwrap(), [2]);
                Ok(vec![1])
            });
            done.send((mine.unwrap(), cache.get(key(1)).unwrap())).unwrap();
        });
        let (mine, kept) = is_done.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!((&**mine, &**kept), (&[1][..], &[1][..]));
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
