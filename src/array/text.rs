//! The contract of variable-length text arrays.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use super::memory_limit::beyond_memory;
use crate::base::{ReadError, memory};

/// A shared lazy text array.
pub type SharedText = Arc<dyn TextSource>;

/// A lazy, immutable array of UTF-8 strings. Elements are addressed in row-major order.
///
/// What holds: as for [`super::ArraySource`]. There are no missing strings at this level; a mask
/// beside the values says what is missing.
pub trait TextSource: Debug + Send + Sync {
    /// Extent, one a dimension; empty for a scalar.
    fn shape(&self) -> &[u64];

    /// Appends the strings of the flat `range` to `out`.
    ///
    /// # Errors
    /// A source that failed, changed or is not UTF-8. `out` is unspecified then.
    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError>;

    /// How many bytes each string of the flat `range` takes at most, if that is known without reading
    /// them. `None` if not, and also where a string may hold a NUL.
    ///
    /// # Errors
    /// A source that failed or changed.
    fn len_bounds(&self, _range: Range<u64>) -> Result<Option<Vec<u64>>, ReadError> {
        Ok(None)
    }

    /// Number of strings.
    fn num_elements(&self) -> u64 {
        self.shape().iter().product()
    }

    /// True when an HDF5 file stores these as fixed-length ASCII strings. anndata before 0.7 stored
    /// all its strings so, and a scalar as an array of one.
    fn is_fixed_ascii(&self) -> bool {
        false
    }
}

/// Strings one after another in one buffer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextBuf {
    bytes: String,
    ends: Vec<usize>,
}

impl TextBuf {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for so many more strings, whatever their lengths.
    pub fn reserve(&mut self, additional: usize) {
        self.ends.reserve(additional);
    }

    /// Makes room for so many more bytes of text.
    pub fn reserve_bytes(&mut self, additional: usize) {
        self.bytes.reserve(additional);
    }

    /// All strings one after another, without what is between them.
    #[must_use]
    pub fn joined(&self) -> &str {
        &self.bytes
    }

    /// Appends one string.
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    /// Appends one string made of parts.
    pub fn push_parts(&mut self, parts: &[&str]) {
        for part in parts {
            self.bytes.push_str(part);
        }
        self.ends.push(self.bytes.len());
    }

    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when it holds no string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all strings together.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The string at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// The strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Empties the buffer and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl<'a> FromIterator<&'a str> for TextBuf {
    fn from_iter<I: IntoIterator<Item = &'a str>>(strings: I) -> Self {
        let strings = strings.into_iter();
        let mut out = Self::new();
        out.reserve(strings.size_hint().0);
        for text in strings {
            out.push(text);
        }
        out
    }
}

/// Strings that are read before it is looked how long they are.
const STRINGS_AT_ONCE: u64 = 1 << 20;

/// Reads all strings.
///
/// # Errors
/// As [`TextSource::read_range`].
pub fn read_all_text(text: &dyn TextSource) -> Result<TextBuf, ReadError> {
    let len = text.num_elements();
    let mut out = TextBuf::new();
    // How many there are is what a file claims.
    usize::try_from(len)
        .ok()
        .filter(|_| len.saturating_mul(size_of::<usize>() as u64) <= memory::most_bytes())
        .and_then(|len| out.ends.try_reserve_exact(len).ok())
        .ok_or_else(|| beyond_memory(&format!("{len} strings")))?;
    for start in (0..len).step_by(STRINGS_AT_ONCE as usize) {
        text.read_range(start..len.min(start + STRINGS_AT_ONCE), &mut out)?;
        let bytes = out.bytes.len() as u64;
        if bytes > memory::most_bytes() {
            return Err(beyond_memory(&format!("{bytes} bytes of text and more")));
        }
    }
    Ok(out)
}
