//! String datasets as lazy text.

use std::ops::Range;

use super::heap::{HeapReader, Meaning, RECORD_BYTES, stored_len};
use super::storage::Storage;
use crate::array::{TextBuf, TextSource, zeroed};
use crate::base::{ReadError, Region};
use crate::input::hdf5::datatype::Padding;
use crate::input::hdf5::elements::regions;
use crate::input::hdf5::library::Library;

/// Bytes of fixed-length strings that are fetched at once.
const FETCH_BYTES: u64 = 1 << 20;
/// Memory is set aside for so many bytes of text at most: lengths are claims.
const MOST_RESERVED: u64 = 64 << 20;

/// A dataset of fixed-length strings.
#[derive(Debug)]
pub struct FixedText {
    storage: Storage,
    padding: Padding,
    ascii: bool,
}

impl FixedText {
    pub const fn new(storage: Storage, padding: Padding, ascii: bool) -> Self {
        Self { storage, padding, ascii }
    }
}

impl TextSource for FixedText {
    fn shape(&self) -> &[u64] {
        &self.storage.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let width = self.storage.element_bytes;
        each_fetch(&self.storage.shape, range, FETCH_BYTES / width.max(1) as u64, |first, part| {
            let mut fields = zeroed(part.num_elements(), width)?;
            self.storage.read(part, &mut fields)?;
            for (index, field) in fields.chunks_exact(width.max(1)).enumerate() {
                push(&self.storage, out, first + index as u64, self.padding.trim(field))?;
            }
            Ok(())
        })
    }

    fn is_fixed_ascii(&self) -> bool {
        self.ascii
    }
}

/// Appends one string, or says which one is not UTF-8.
pub fn push(
    storage: &Storage,
    out: &mut TextBuf,
    index: u64,
    text: &[u8],
) -> Result<(), ReadError> {
    let Ok(text) = std::str::from_utf8(text) else {
        let shown = String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned();
        return Err(ReadError::corrupt(
            storage.file.source.path(),
            &storage.element,
            format!("string {index} (\"{}\") is not UTF-8", shown.escape_debug()),
        ));
    };
    out.push(text);
    Ok(())
}

/// Calls `fetch` for each part of a range of row-major positions, with the first position of the
/// part; a part has at most `most` elements.
pub fn each_fetch(
    shape: &[u64],
    range: Range<u64>,
    most: u64,
    mut fetch: impl FnMut(u64, &Region) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut at = range.start;
    while at < range.end {
        let end = range.end.min(at.saturating_add(most.max(1)));
        for region in regions(shape, at..end) {
            fetch(at, &region)?;
            at += region.num_elements();
        }
    }
    Ok(())
}

/// A dataset of variable-length strings in the global heap.
#[derive(Debug)]
pub struct VlenText {
    storage: Storage,
}

impl VlenText {
    /// Over the references to the heap.
    pub const fn new(storage: Storage) -> Self {
        Self { storage }
    }
}

impl TextSource for VlenText {
    fn shape(&self) -> &[u64] {
        &self.storage.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let mut heap = HeapReader::new(&self.storage.file, Meaning::Data);
        each_references(&self.storage, range, |first, records| {
            out.reserve(records.len());
            let len: u64 = records.iter().map(stored_len).sum();
            out.reserve_bytes(len.min(MOST_RESERVED) as usize);
            for (index, record) in records.iter().enumerate() {
                let value =
                    heap.value(record).map_err(|error| error.within(&self.storage.element))?;
                // As C strings, which is what the library makes of them.
                let text = Padding::NullTerminated.trim(value);
                push(&self.storage, out, first + index as u64, text)?;
            }
            Ok(())
        })
    }

    /// What references say; strings end before if they hold a NUL. A claim that the file is too short
    /// for is not believed.
    fn len_bounds(&self, range: Range<u64>) -> Result<Option<Vec<u64>>, ReadError> {
        let mut bounds = Vec::new();
        each_references(&self.storage, range, |_, records| {
            bounds.extend(records.iter().map(stored_len));
            Ok(())
        })?;
        let fit = bounds.iter().sum::<u64>() <= self.storage.file.source.len();
        Ok(fit.then_some(bounds))
    }
}

/// Calls `each` with the references of a part of a dataset, and the first position of the part.
fn each_references(
    storage: &Storage,
    range: Range<u64>,
    mut each: impl FnMut(u64, &[[u8; RECORD_BYTES]]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let most = FETCH_BYTES / RECORD_BYTES as u64;
    each_fetch(&storage.shape, range, most, |first, part| {
        let mut records = vec![0; part.num_elements() as usize * RECORD_BYTES];
        storage.read(part, &mut records)?;
        each(first, records.as_chunks().0)
    })
}

/// A dataset of strings that the library reads.
#[derive(Debug)]
pub struct LibraryText {
    library: Library,
}

impl LibraryText {
    pub const fn new(library: Library) -> Self {
        Self { library }
    }
}

impl TextSource for LibraryText {
    fn shape(&self) -> &[u64] {
        &self.library.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        each_fetch(&self.library.shape, range, 1 << 16, |_, part| self.library.read_text(part, out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Dims;
    use crate::input::hdf5::file::HdfFile;
    use crate::input::hdf5::values::Layout;
    use crate::io::{Context, Limits};

    #[test]
    fn a_string_that_claims_more_than_there_is_memory_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.h5");
        ::hdf5::File::create(&path).unwrap().close().unwrap();
        let file = HdfFile::open(&path, &Context::new(Limits::default())).unwrap();
        let (shape, layout) = (Dims::from_elem(1, 1), Layout::Fill(Vec::new()));
        let storage =
            Storage::new(&std::sync::Arc::new(file), "/x", shape, 1 << 60, layout).unwrap();
        let text = FixedText::new(storage, Padding::Null, false);
        let error = text.read_range(0..1, &mut TextBuf::new()).unwrap_err().to_string();
        assert!(error.contains("have to be in memory at once"), "{error}");
    }
}
