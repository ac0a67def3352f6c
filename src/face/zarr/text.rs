//! Chunks of variable-length text, encoded as `vlen-utf8`.
//!
//! Their length depends on their content, so a chunk is made when it is first looked up. Its length
//! is kept for good, its bytes in a bounded cache.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use lru::LruCache;

use crate::array::{TextBuf, TextSource};
use crate::base::ReadError;
use crate::face::EntryId;

/// Bytes of encoded chunks that are kept.
const CACHE_BYTES: usize = 64 << 20;

type Made = Arc<OnceLock<Result<Arc<[u8]>, ReadError>>>;

/// The encoded chunks of text of one face.
#[derive(Debug)]
pub struct TextChunks {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lengths: HashMap<EntryId, u64>,
    chunks: LruCache<EntryId, Made>,
    chunk_bytes: usize,
}

impl TextChunks {
    pub fn new() -> Self {
        let state =
            State { lengths: HashMap::new(), chunks: LruCache::unbounded(), chunk_bytes: 0 };
        Self { state: Mutex::new(state) }
    }

    /// The length of a chunk that was made before.
    pub fn known_len(&self, id: EntryId) -> Option<u64> {
        self.lock().lengths.get(&id).copied()
    }

    /// A chunk's bytes; `make` runs once for all who wait.
    ///
    /// # Errors
    /// Those of `make`, which are not kept.
    pub fn get(
        &self,
        id: EntryId,
        make: impl FnOnce() -> Result<Vec<u8>, ReadError>,
    ) -> Result<Arc<[u8]>, ReadError> {
        let slot = {
            let mut state = self.lock();
            Arc::clone(state.chunks.get_or_insert(id, Made::default))
        };
        let mut made_here = false;
        let result = slot.get_or_init(|| {
            made_here = true;
            make().map(Arc::from)
        });
        if made_here {
            let mut state = self.lock();
            match result {
                Ok(bytes) => {
                    state.lengths.insert(id, bytes.len() as u64);
                    // Not counted if it was dropped while it was being made.
                    if state.chunks.peek(&id).is_some_and(|kept| Arc::ptr_eq(kept, &slot)) {
                        state.chunk_bytes += bytes.len();
                    }
                    state.shrink();
                }
                Err(_) => {
                    state.chunks.pop(&id);
                }
            }
        }
        result.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves at worst a wrong count of cached bytes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops the least recently used chunks until the rest fits, but for the last one.
    fn shrink(&mut self) {
        let one = NonZeroUsize::MIN.get();
        while self.chunk_bytes > CACHE_BYTES && self.chunks.len() > one {
            let Some((_, slot)) = self.chunks.pop_lru() else { return };
            if let Some(Ok(bytes)) = slot.get() {
                self.chunk_bytes = self.chunk_bytes.saturating_sub(bytes.len());
            }
        }
    }
}

/// Encodes the strings from `first` on as a chunk of `chunk_len`, with empty strings past the end
/// (numcodecs' `VLenUTF8`: the number of strings, then each one's length and bytes).
///
/// # Errors
/// Those of the source.
pub fn encode(text: &dyn TextSource, first: u64, chunk_len: u64) -> Result<Vec<u8>, ReadError> {
    let end = (first + chunk_len).min(text.num_elements());
    let mut strings = TextBuf::new();
    if first < end {
        text.read_range(first..end, &mut strings)?;
    }
    let missing = (chunk_len as usize).saturating_sub(strings.len());
    let mut out = Vec::with_capacity(4 + 4 * chunk_len as usize + strings.len_bytes());
    out.extend_from_slice(&(chunk_len as u32).to_le_bytes());
    for i in 0..strings.len() {
        let string = strings.get(i);
        out.extend_from_slice(&(string.len() as u32).to_le_bytes());
        out.extend_from_slice(string.as_bytes());
    }
    out.resize(out.len() + 4 * missing, 0);
    Ok(out)
}
