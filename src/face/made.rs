//! What is made when it is first asked for: once for all who wait, and kept in bounded memory.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError};

use lru::LruCache;

use crate::base::ReadError;
use crate::base::sync::{Mutex, MutexGuard, OnceLock};

type Slot = Arc<OnceLock<Result<Arc<[u8]>, ReadError>>>;

/// Bytes by key. Those that were used least recently are dropped when there are too many.
#[derive(Debug)]
pub struct Made<K: Hash + Eq> {
    state: Mutex<State<K>>,
    max_bytes: usize,
}

#[derive(Debug)]
struct State<K: Hash + Eq> {
    entries: LruCache<K, Entry>,
    /// What is counted of all entries.
    kept_bytes: usize,
}

#[derive(Debug, Default)]
struct Entry {
    slot: Slot,
    /// Nothing while it is being made.
    counted_bytes: usize,
}

impl<K: Hash + Eq + Copy> Made<K> {
    /// Keeps about so many bytes, and one entry in any case.
    pub fn new(max_bytes: usize) -> Self {
        let state = State { entries: LruCache::unbounded(), kept_bytes: 0 };
        Self { state: Mutex::new(state), max_bytes }
    }

    /// The bytes of a key; `make` runs once for all who wait.
    ///
    /// # Errors
    /// Those of `make`, which are not kept.
    pub fn get(
        &self,
        key: K,
        make: impl FnOnce() -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<[u8]>, ReadError> {
        let slot = Arc::clone(&self.lock().entries.get_or_insert(key, Entry::default).slot);
        let mut made_here = false;
        let result = slot.get_or_init(|| {
            made_here = true;
            make().map(Arc::from)
        });
        if made_here {
            let mut state = self.lock();
            // It may have been dropped while it was being made, and another have come in its place.
            let entry =
                state.entries.peek_mut(&key).filter(|entry| Arc::ptr_eq(&entry.slot, &slot));
            match (entry, result) {
                (Some(entry), Ok(bytes)) => {
                    entry.counted_bytes = bytes.len();
                    state.kept_bytes += bytes.len();
                    state.shrink(self.max_bytes);
                }
                (Some(_), Err(_)) => drop(state.entries.pop(&key)),
                (None, _) => {}
            }
        }
        result.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // A panic elsewhere leaves at worst a wrong count of kept bytes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> State<K> {
    /// Drops the least recently used until the rest fits, but for the last one.
    fn shrink(&mut self, max_bytes: usize) {
        let one = NonZeroUsize::MIN.get();
        while self.kept_bytes > max_bytes && self.entries.len() > one {
            let Some((_, entry)) = self.entries.pop_lru() else { return };
            self.kept_bytes -= entry.counted_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_dropped_and_failures_are_not_kept() {
        let made = Made::new(10);
        let mut runs = 0;
        let mut get = |key: u32, len: usize| {
            let mut ran = false;
            let bytes = made.get(key, || {
                ran = true;
                Ok(vec![0; len])
            });
            assert_eq!(bytes.unwrap().len(), len);
            runs += u32::from(ran);
            runs
        };
        assert_eq!([get(1, 4), get(2, 4), get(1, 4)], [1, 2, 2]);
        assert_eq!(get(3, 4), 3, "2 is dropped");
        assert_eq!([get(1, 4), get(2, 4)], [3, 4]);
        assert_eq!([get(4, 100), get(4, 100)], [5, 5], "the last one is kept in any case");
        let fails = || Err(ReadError::corrupt("", "", "cut short"));
        assert!(made.get(5, fails).is_err());
        assert!(made.get(5, || Ok(vec![])).is_ok());
    }
}
