//! Chunks of variable-length text, encoded as `vlen-utf8`.
//!
//! Their length depends on their content, so a chunk is made when it is first looked up. Its length
//! is kept for good, its bytes in a bounded cache.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::array::{TextBuf, TextSource};
use crate::base::ReadError;
use crate::face::EntryId;
use crate::face::made::Made;

/// Bytes of encoded chunks that are kept.
const CACHE_BYTES: usize = 64 << 20;

/// The encoded chunks of text of one face.
#[derive(Debug)]
pub struct TextChunks {
    lengths: Mutex<HashMap<EntryId, u64>>,
    chunks: Made<EntryId>,
}

impl TextChunks {
    pub fn new() -> Self {
        Self { lengths: Mutex::default(), chunks: Made::new(CACHE_BYTES) }
    }

    /// The length of a chunk that was made before.
    pub fn known_len(&self, id: EntryId) -> Option<u64> {
        self.lengths.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
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
        self.chunks.get(id, || {
            let bytes = make()?;
            let mut lengths = self.lengths.lock().unwrap_or_else(PoisonError::into_inner);
            lengths.insert(id, bytes.len() as u64);
            Ok(bytes)
        })
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
