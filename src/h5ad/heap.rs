//! Long text, laid out without the library: references to strings, and heaps that hold them.
//!
//! A dataset of variable-length text is an array of references of 16 bytes; the strings lie in global
//! heap collections (format specification, III.E). Both are a function of the strings, a portion of
//! them at a time, so that any portion is made alone, on any thread, once the portions before it
//! have been measured.

use std::ops::Range;

use crate::array::{SharedText, TextBuf};
use crate::base::ReadError;

/// Strings that are read, measured and encoded together.
pub(super) const PORTION_STRINGS: u64 = 1 << 13;
/// Bytes of a reference: the length, the address of the collection, and which of its objects.
const REFERENCE_BYTES: u64 = 16;
/// Readers load a collection whole for any of its strings: neither for one at a time, nor much more.
const COLLECTION_BYTES: u64 = 64 << 10;
/// The smallest collection that the library takes.
pub(super) const SMALLEST_COLLECTION_BYTES: u64 = 4096;
/// Bytes before the objects of a collection, and before the text of an object.
const HEADER_BYTES: u64 = 16;

/// Which collection a string goes to, and how large collections become.
#[derive(Debug, Default)]
struct Packing {
    /// Bytes of the open collection; 0 when there is none.
    used_bytes: u64,
}

impl Packing {
    /// Takes in a string; the size of the collection that was full and is closed before it, if any.
    fn add(&mut self, text_bytes: u64) -> Option<u64> {
        let object_bytes = HEADER_BYTES + text_bytes.next_multiple_of(8);
        let is_full = self.used_bytes > 0 && self.used_bytes + object_bytes > COLLECTION_BYTES;
        let closed = if is_full { self.close() } else { None };
        if self.used_bytes == 0 {
            self.used_bytes = HEADER_BYTES;
        }
        self.used_bytes += object_bytes;
        closed
    }

    /// Closes the open collection, if there is one, and tells its size.
    fn close(&mut self) -> Option<u64> {
        let used_bytes = std::mem::take(&mut self.used_bytes);
        (used_bytes > 0).then(|| used_bytes.max(SMALLEST_COLLECTION_BYTES))
    }
}

/// Bytes of the collections of a portion of strings.
pub(super) fn heap_bytes(text_bytes: impl Iterator<Item = u64>) -> u64 {
    let mut packing = Packing::default();
    let closed: u64 = text_bytes.filter(|&len| len > 0).filter_map(|len| packing.add(len)).sum();
    closed + packing.close().unwrap_or(0)
}

/// Makes the references and collections of one portion.
struct Encoder<'o> {
    packing: Packing,
    references: &'o mut Vec<u8>,
    heap: &'o mut Vec<u8>,
    /// Where the first byte of `heap` lies in the file.
    heap_at: u64,
    /// Where the open collection begins in `heap`, and how many objects it has.
    open_at: usize,
    num_objects: u32,
}

impl Encoder<'_> {
    fn push(&mut self, text: &[u8]) {
        if text.is_empty() {
            // As h5py leaves them: no object at all.
            self.references.extend_from_slice(&[0; REFERENCE_BYTES as usize]);
            return;
        }
        if let Some(size) = self.packing.add(text.len() as u64) {
            self.close(size);
        }
        if self.num_objects == 0 {
            self.open_at = self.heap.len();
            // A version, and the size once it is known.
            self.heap.extend_from_slice(b"GCOL\x01\0\0\0");
            self.heap.extend_from_slice(&[0; 8]);
        }
        self.num_objects += 1;
        // An index, and how often it is referred to, which the library leaves at 0.
        self.heap.extend_from_slice(&u64::from(self.num_objects).to_le_bytes());
        self.heap.extend_from_slice(&(text.len() as u64).to_le_bytes());
        self.heap.extend_from_slice(text);
        self.heap.resize(self.heap.len().next_multiple_of(8), 0);
        self.references.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.references.extend_from_slice(&(self.heap_at + self.open_at as u64).to_le_bytes());
        self.references.extend_from_slice(&self.num_objects.to_le_bytes());
    }

    /// Closes the open collection, which is to be of this size.
    fn close(&mut self, size: u64) {
        let size_at = self.open_at + 8;
        self.heap[size_at..size_at + 8].copy_from_slice(&size.to_le_bytes());
        let end = self.open_at + size as usize;
        let free = end - self.heap.len();
        // Object 0 is the room that is left; what cannot hold its header is not told.
        if free >= HEADER_BYTES as usize {
            self.heap.extend_from_slice(&[0; 8]);
            self.heap.extend_from_slice(&(free as u64).to_le_bytes());
        }
        self.heap.resize(end, 0);
        self.num_objects = 0;
    }
}

/// A long text array whose heap is measured.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub source: SharedText,
    /// Where the collections of each portion begin, and where the last one ends, counted from the
    /// first.
    pub portion_starts: Vec<u64>,
    /// No portion takes less.
    is_exact: bool,
}

impl Measured {
    /// Of the sizes of all portions, which are bounds unless they are exact.
    pub fn new(
        source: SharedText,
        portion_bytes: impl Iterator<Item = u64>,
        is_exact: bool,
    ) -> Self {
        let mut end = 0;
        let ends = portion_bytes.map(|bytes| {
            end += bytes;
            end
        });
        let portion_starts = std::iter::once(0).chain(ends).collect();
        Self { source, portion_starts, is_exact }
    }

    pub fn references_bytes(&self) -> u64 {
        self.source.num_elements() * REFERENCE_BYTES
    }

    pub fn heap_bytes(&self) -> u64 {
        self.portion_starts.last().copied().unwrap_or(0)
    }
}

/// Text that the file has room for: an array of references, and their heap.
#[derive(Debug, Clone)]
pub struct PlacedText {
    /// The dataset.
    pub element: String,
    pub(super) text: Measured,
    pub(super) references_at: u64,
    pub(super) heap_at: u64,
}

impl PlacedText {
    /// Where the references lie in the file.
    #[must_use]
    pub fn references(&self) -> Range<u64> {
        self.references_at..self.references_at + self.text.references_bytes()
    }

    /// Where the heap lies in the file; empty when all strings are.
    #[must_use]
    pub fn heap(&self) -> Range<u64> {
        self.heap_at..self.heap_at + self.text.heap_bytes()
    }

    /// How many portions there are, each of which is made alone.
    #[must_use]
    pub fn num_portions(&self) -> usize {
        self.text.portion_starts.len() - 1
    }

    /// Where the references of a portion lie in the file.
    #[must_use]
    pub fn references_of(&self, portion: usize) -> Range<u64> {
        let strings = strings_of(portion, self.text.source.num_elements());
        let at = |string: u64| self.references_at + string * REFERENCE_BYTES;
        at(strings.start)..at(strings.end)
    }

    /// Where the collections of a portion lie in the file.
    #[must_use]
    pub fn heap_of(&self, portion: usize) -> Range<u64> {
        let starts = &self.text.portion_starts;
        self.heap_at + starts[portion]..self.heap_at + starts[portion + 1]
    }

    /// The portion that has a byte of the file, which lies in the references or the heap.
    #[must_use]
    pub fn portion_at(&self, at: u64) -> usize {
        if self.references().contains(&at) {
            return ((at - self.references_at) / REFERENCE_BYTES / PORTION_STRINGS) as usize;
        }
        let starts = &self.text.portion_starts;
        let after = starts.partition_point(|&start| self.heap_at + start <= at);
        after.clamp(1, self.num_portions()) - 1
    }

    /// Replaces what the buffers hold by the references and the collections of a portion. At most so
    /// many strings are read at once.
    ///
    /// # Errors
    /// Those of the source; it is not what it was when it was measured.
    pub fn encode(
        &self,
        portion: usize,
        max_strings: u64,
        references: &mut Vec<u8>,
        heap: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        references.clear();
        heap.clear();
        let mut encoder = Encoder {
            packing: Packing::default(),
            references,
            heap,
            heap_at: self.heap_of(portion).start,
            open_at: 0,
            num_objects: 0,
        };
        let strings = strings_of(portion, self.text.source.num_elements());
        each_part(strings, max_strings, |part| {
            let mut buffer = TextBuf::new();
            self.text.source.read_range(part, &mut buffer)?;
            buffer.iter().for_each(|text| encoder.push(text.as_bytes()));
            Ok(())
        })?;
        if let Some(size) = encoder.packing.close() {
            encoder.close(size);
        }
        let expected = self.heap_of(portion);
        let room_bytes = expected.end - expected.start;
        if heap.len() as u64 > room_bytes || self.text.is_exact && heap.len() as u64 != room_bytes {
            let what = "its strings are not those that were read before";
            return Err(ReadError::corrupt("", &self.element, what));
        }
        heap.resize(room_bytes as usize, 0);
        Ok(())
    }
}

/// Which strings a portion has.
pub(super) fn strings_of(portion: usize, num_strings: u64) -> Range<u64> {
    let start = portion as u64 * PORTION_STRINGS;
    start..num_strings.min(start + PORTION_STRINGS)
}

/// Calls `work` with the range in parts of at most `max_strings`, in order.
pub(super) fn each_part<E>(
    strings: Range<u64>,
    max_strings: u64,
    mut work: impl FnMut(Range<u64>) -> Result<(), E>,
) -> Result<(), E> {
    let mut start = strings.start;
    while start < strings.end {
        let end = strings.end.min(start.saturating_add(max_strings.max(1)));
        work(start..end)?;
        start = end;
    }
    Ok(())
}
