//! The global heap, where variable-length strings lie (format specification, III.E).

use std::num::NonZeroUsize;
use std::ops::Range;

use lru::LruCache;

use crate::array::zeroed;
use crate::base::ReadError;
use crate::input::hdf5::file::HdfFile;
use crate::io::Source;

/// Bytes of a variable-length value as stored: length (4), address of the collection (8), number of
/// the object in it (4).
pub const RECORD_BYTES: usize = 16;
/// Most of a collection's head, and all of most collections.
const FIRST_READ_BYTES: u64 = 4096;
/// Bytes of a collection's header, and of an object's.
const HEADER_BYTES: usize = 16;
/// Collections that are kept while strings are read: neighbours mostly share one.
const KEPT_COLLECTIONS: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// What a collection begins with, and its version.
const SIGNATURE: &[u8] = b"GCOL\x01";
/// A search of all collections of a file, and how much of it is read at once.
const MOST_SEARCHED_BYTES: u64 = 256 << 20;
const SEARCHED_BYTES: u64 = 1 << 20;

/// Most bytes that are read at once while collections follow each other in the file.
const LARGEST_WINDOW_BYTES: u64 = 128 << 10;

/// Reads objects of the heap. Made for one read; keeps some collections.
pub struct HeapReader<'a> {
    file: &'a HdfFile,
    collections: LruCache<u64, Collection>,
    /// The collection of the last value, and its address; not among the others.
    last: Option<(u64, Collection)>,
    window: Window,
}

/// A piece of the file in which collections are looked for before they are read.
#[derive(Default)]
struct Window {
    /// Offset in the file.
    at: u64,
    bytes: Vec<u8>,
    meaning: Meaning,
}

/// What the text of a heap is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Meaning {
    /// Values of datasets.
    #[default]
    Data,
    /// Values of attributes, by which a file is recognized.
    Metadata,
}

impl Meaning {
    fn read(self, source: &dyn Source, at: u64, out: &mut [u8]) -> Result<(), ReadError> {
        match self {
            Self::Data => source.read_exact_at(at, out),
            Self::Metadata => source.read_metadata_at(at, out),
        }
    }
}

/// One collection: its bytes, and where each object lies in them.
struct Collection {
    bytes: Vec<u8>,
    /// By object number; empty where there is none.
    objects: Vec<Range<usize>>,
    state: State,
}

/// True when libhdf5 must not be asked about a file: it holds a collection that is
/// [`State::Endless`], or collections that lie in each other. Files of more than
/// [`MOST_SEARCHED_BYTES`] are not searched.
///
/// # Errors
/// The file could not be read.
pub fn is_endless(file: &HdfFile) -> Result<bool, ReadError> {
    let len = file.source.len();
    if len > MOST_SEARCHED_BYTES {
        return Ok(false);
    }
    let mut window = Window::default();
    let mut in_collections = 0;
    for start in (0..len).step_by(SEARCHED_BYTES as usize) {
        let size = (SEARCHED_BYTES + SIGNATURE.len() as u64 - 1).min(len - start);
        let piece = crate::io::read_vec_at(&*file.source, start, size as usize)?;
        for at in memchr::memmem::find_iter(&piece, SIGNATURE) {
            let Some(address) = (start + at as u64).checked_sub(file.base) else { continue };
            // What is no collection, though it begins like one, is met elsewhere if it matters.
            let Ok(collection) = Collection::read(file, address, &mut window) else { continue };
            in_collections += collection.bytes.len() as u64;
            if collection.state == State::Endless || in_collections > len {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a collection is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Objects and free space fill it.
    Whole,
    /// They do not.
    Damaged,
    /// Something of no size at all, behind which libhdf5 would look for objects for ever
    /// (`H5HG__cache_heap_deserialize`).
    Endless,
}

impl<'a> HeapReader<'a> {
    pub fn new(file: &'a HdfFile, meaning: Meaning) -> Self {
        let collections = LruCache::new(KEPT_COLLECTIONS);
        let window = Window { meaning, ..Window::default() };
        Self { file, collections, last: None, window }
    }

    /// The bytes that a record points to; none for the null record.
    ///
    /// # Errors
    /// The file could not be read, or the heap contradicts itself.
    pub fn value(&mut self, record: &[u8; RECORD_BYTES]) -> Result<&[u8], ReadError> {
        let Some(at) = Place::of(record) else { return Ok(&[]) };
        self.load(at.address)?;
        self.last
            .as_ref()
            .and_then(|(_, collection)| collection.object(at.number)?.get(..at.len))
            .ok_or_else(|| damaged(self.file, at.address, "lacks an object that is referred to"))
    }

    /// As [`Self::value`], but with an error for all that the library takes for damage, and `None`
    /// where it must not be asked.
    ///
    /// # Errors
    /// The file could not be read, or the heap contradicts itself or the record.
    pub fn sound_value(&mut self, record: &[u8; RECORD_BYTES]) -> Result<Option<&[u8]>, ReadError> {
        let at = Place::parse(record);
        // An empty text may be an object too.
        if at.address == 0 {
            return Ok(Some(&[]));
        }
        self.load(at.address)?;
        let collection = self.last.as_ref().map(|(_, collection)| collection);
        if collection.is_some_and(|collection| collection.state == State::Endless) {
            return Ok(None);
        }
        collection
            .filter(|collection| collection.state == State::Whole && at.number > 0)
            .and_then(|collection| collection.object(at.number))
            .filter(|object| object.len() == at.len)
            .map(Some)
            .ok_or_else(|| damaged(self.file, at.address, "contradicts itself"))
    }

    /// Makes the collection at an address the last one.
    fn load(&mut self, address: u64) -> Result<(), ReadError> {
        if self.last.as_ref().is_none_or(|(at, _)| *at != address) {
            let collection = match self.collections.pop(&address) {
                Some(collection) => collection,
                None => Collection::read(self.file, address, &mut self.window)?,
            };
            if let Some((at, old)) = self.last.replace((address, collection)) {
                self.collections.put(at, old);
            }
        }
        Ok(())
    }
}

/// Bytes of the value that a record points to.
pub fn stored_len(record: &[u8; RECORD_BYTES]) -> u64 {
    Place::of(record).map_or(0, |place| place.len as u64)
}

/// What a record says.
struct Place {
    len: usize,
    /// Of the collection.
    address: u64,
    /// Of the object in it.
    number: usize,
}

impl Place {
    /// `None` for nothing.
    fn of(record: &[u8; RECORD_BYTES]) -> Option<Self> {
        Some(Self::parse(record)).filter(|place| place.len != 0 && place.address != 0)
    }

    fn parse(record: &[u8; RECORD_BYTES]) -> Self {
        let [l0, l1, l2, l3, address @ .., n0, n1, n2, n3] = *record;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let address = u64::from_le_bytes(address);
        let number = u32::from_le_bytes([n0, n1, n2, n3]) as usize;
        Self { len, address, number }
    }
}

impl Window {
    /// The bytes at an offset, `len` of them if they are here. A window that is left at its end is
    /// followed by one of twice the size.
    fn get(&mut self, file: &HdfFile, at: u64, len: u64) -> Result<&[u8], ReadError> {
        let end = self.at + self.bytes.len() as u64;
        if at < self.at || at.saturating_add(len) > end {
            let follows = at >= self.at && at <= end.saturating_add(FIRST_READ_BYTES);
            let size = if follows { self.bytes.len() as u64 * 2 } else { 0 };
            let size = size.clamp(FIRST_READ_BYTES, LARGEST_WINDOW_BYTES).max(len);
            let size = size.min(file.source.len().saturating_sub(at));
            self.bytes.clear();
            self.bytes = zeroed(size, 1)?;
            self.meaning.read(&*file.source, at, &mut self.bytes)?;
            self.at = at;
        }
        let rest = self.bytes.get((at - self.at) as usize..).unwrap_or_default();
        Ok(&rest[..rest.len().min(len as usize)])
    }
}

fn damaged(file: &HdfFile, address: u64, what: &str) -> ReadError {
    ReadError::corrupt(file.source.path(), "", format!("the heap collection at {address} {what}"))
}

impl Collection {
    fn read(file: &HdfFile, address: u64, window: &mut Window) -> Result<Self, ReadError> {
        let at = file.base.saturating_add(address);
        let available = file.source.len().saturating_sub(at);
        if available < HEADER_BYTES as u64 {
            return Err(damaged(file, address, "lies past the end of the file"));
        }
        let mut bytes = window.get(file, at, available.min(FIRST_READ_BYTES))?.to_vec();
        let size = match bytes.split_first_chunk::<8>() {
            Some((head, rest)) if head.starts_with(SIGNATURE) => {
                rest.first_chunk::<8>().map_or(0, |size| u64::from_le_bytes(*size))
            }
            _ => return Err(damaged(file, address, "has no signature")),
        };
        if size > available.min(LARGEST_COLLECTION) {
            return Err(damaged(file, address, "claims more bytes than it can have"));
        }
        if size > bytes.len() as u64 {
            let read = bytes.len();
            let mut whole = zeroed(size, 1)?;
            whole[..read].copy_from_slice(&bytes);
            window.meaning.read(&*file.source, at + read as u64, &mut whole[read..])?;
            bytes = whole;
        }
        bytes.truncate(size as usize);
        let (objects, state) = objects(&bytes);
        Ok(Self { bytes, objects, state })
    }

    fn object(&self, number: usize) -> Option<&[u8]> {
        self.bytes.get(self.objects.get(number)?.clone())
    }
}

/// A collection has at most so many bytes: what holds one string, whose length is a number of 32
/// bits.
const LARGEST_COLLECTION: u64 = (4 << 30) + (1 << 16);
/// A collection has at least so many bytes.
const SMALLEST_COLLECTION: usize = 4096;

/// Where the objects of a collection lie, and whether they and the free space fill it. Free space
/// (number 0) is the last of them; its size includes the header.
pub fn objects(bytes: &[u8]) -> (Vec<Range<usize>>, State) {
    let whole = |holds: bool| {
        if holds && bytes.len() >= SMALLEST_COLLECTION { State::Whole } else { State::Damaged }
    };
    let mut objects = Vec::new();
    let mut at = HEADER_BYTES;
    let mut is_sound = true;
    while let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk::<HEADER_BYTES>()) {
        let [n0, n1, _, _, _, _, _, _, size @ ..] = *head;
        let number = usize::from(u16::from_le_bytes([n0, n1]));
        let size = u64::from_le_bytes(size);
        // How far the library goes on, whatever it finds: it does not mind an overflow.
        let step = match number {
            0 => size,
            _ => (size.wrapping_add(7) & !7).wrapping_add(HEADER_BYTES as u64),
        };
        if step == 0 {
            return (objects, State::Endless);
        }
        let within = |len: u64| {
            let end = at.checked_add(usize::try_from(len).ok()?)?;
            Some(end).filter(|&end| end <= bytes.len())
        };
        let next = within(step);
        if number == 0 {
            if next == Some(bytes.len()) {
                return (objects, whole(is_sound && size.is_multiple_of(8)));
            }
            is_sound = false;
        } else if let Some(end) = size.checked_add(HEADER_BYTES as u64).and_then(within) {
            if objects.len() <= number {
                objects.resize(number + 1, 0..0);
            }
            objects[number] = at + HEADER_BYTES..end;
        } else {
            is_sound = false;
        }
        let Some(next) = next else { return (objects, State::Damaged) };
        at = next;
    }
    // Less than a header is left.
    (objects, whole(is_sound))
}
