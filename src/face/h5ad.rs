//! The h5ad face: a [`Group`] as one HDF5 file.
//!
//! [`crate::h5ad`] lays the file out in memory: what is small is there, and of what is large only its
//! place. Numbers and long text are computed when they are read, so that the file takes next to no
//! room, and `materialize` without compression writes the same bytes.
//!
//! What a file is long is known only when all text was read once, which may take a while. So it is
//! laid out when somebody first asks for its length, not before, once for all who ask.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::made::Made;
use super::{Block, Entry, EntryId, EntryKind, Face, Listed, left};
use crate::base::said::with_words;
use crate::base::{Dims, ReadError};
use crate::h5ad::{Bounds, Draft, Layout, LayoutError, PlacedNumbers};
use crate::tree::{ElementError, Group};

/// The only entry.
const FILE: EntryId = EntryId(1);
/// Bytes of encoded text that are kept.
const CACHE_BYTES: usize = 64 << 20;

/// A tree presented as an `.h5ad` file.
#[derive(Debug)]
pub struct H5adFace {
    /// Until the file is laid out. Held while it is.
    tree: Mutex<Option<Group>>,
    laid_out: OnceLock<LaidOut>,
}

/// The file, as far as it is there, and where the rest comes from.
#[derive(Debug)]
struct LaidOut {
    file: File,
    layout: Layout,
    /// What is computed, by its place.
    pieces: Vec<Piece>,
    /// References and collections of portions of text.
    portions: Made<(usize, usize)>,
}

#[derive(Debug)]
struct Piece {
    range: Range<u64>,
    content: Content,
}

/// Which of the layout's numbers or texts.
#[derive(Debug, Clone, Copy)]
enum Content {
    Numbers(usize),
    Text(usize),
}

impl H5adFace {
    /// Presents a tree. Reads nothing.
    #[must_use]
    pub fn new(tree: Group) -> Self {
        Self { tree: Mutex::new(Some(tree)), laid_out: OnceLock::new() }
    }

    /// The file, which is laid out now unless it was before.
    fn laid_out(&self) -> Result<&LaidOut, ReadError> {
        if let Some(laid_out) = self.laid_out.get() {
            return Ok(laid_out);
        }
        // A panic elsewhere leaves the tree as it was.
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = tree.as_ref() {
            let made = LaidOut::new(group).map_err(read_error)?;
            // The lock is ours: nobody else has set it.
            let _ = self.laid_out.set(made);
            *tree = None;
        }
        drop(tree);
        self.laid_out.get().ok_or_else(|| {
            ReadError::io("", "", std::io::Error::other("the .h5ad file was laid out and is gone"))
        })
    }
}

fn read_error(error: LayoutError) -> ReadError {
    const CANNOT: &str = "the .h5ad file cannot be made";
    match error {
        LayoutError::Element(ElementError::Read { source, .. }) => source,
        LayoutError::Element(
            ElementError::Unreadable { element, why }
            | ElementError::Unrepresentable { element, why },
        ) => ReadError::unsupported("", element, format!("{CANNOT}: {why}")),
        LayoutError::Hdf5 { element, what } => {
            ReadError::io("", element, std::io::Error::other(format!("{CANNOT}: {what}")))
        }
        LayoutError::File(source) => ReadError::io("", "", with_words(CANNOT, source)),
        LayoutError::Cancelled => ReadError::Cancelled,
    }
}

impl LaidOut {
    fn new(tree: &Group) -> Result<Self, LayoutError> {
        let bounds = Bounds {
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_strings: u64::MAX,
            is_cancelled: &|| false,
        };
        let (layout, file) = Draft::in_memory(tree, &bounds)?.finish()?;
        let numbers = layout.numbers.iter().enumerate().map(|(n, numbers)| {
            let range = numbers.offset..numbers.offset.saturating_add(numbers.len_bytes());
            Piece { range, content: Content::Numbers(n) }
        });
        let texts = layout.texts.iter().enumerate().flat_map(|(n, text)| {
            [text.references(), text.heap()].map(|range| Piece { range, content: Content::Text(n) })
        });
        let mut pieces: Vec<Piece> =
            numbers.chain(texts).filter(|piece| !piece.range.is_empty()).collect();
        pieces.sort_by_key(|piece| piece.range.start);
        Ok(Self { file, layout, pieces, portions: Made::new(CACHE_BYTES) })
    }

    /// The first piece that ends behind a byte of the file.
    fn piece_from(&self, at: u64) -> Option<&Piece> {
        self.pieces.get(self.pieces.partition_point(|piece| piece.range.end <= at))
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> Result<usize, ReadError> {
        let len = left(self.layout.len_bytes, at, out.len());
        let (mut rest, mut at) = (&mut out[..len], at);
        while !rest.is_empty() {
            let (computed, end) = match self.piece_from(at) {
                Some(piece) if piece.range.start <= at => (Some(piece), piece.range.end),
                next => (None, next.map_or(u64::MAX, |piece| piece.range.start)),
            };
            let len = left(end, at, rest.len());
            let (part, after) = rest.split_at_mut(len);
            match computed {
                Some(piece) => self.compute(piece, at, part)?,
                None => self.file.read_exact_at(part, at).map_err(|error| {
                    ReadError::io("", "", with_words("the layout of the .h5ad file", error))
                })?,
            }
            at += len as u64;
            rest = after;
        }
        Ok(len)
    }

    fn compute(&self, piece: &Piece, at: u64, out: &mut [u8]) -> Result<(), ReadError> {
        match piece.content {
            Content::Numbers(n) => {
                let PlacedNumbers { source, offset, .. } = &self.layout.numbers[n];
                let start: Dims = source.shape().iter().map(|_| 0).collect();
                Block::new(&**source, start, source.shape().into()).read_at(at - offset, out)
            }
            Content::Text(n) => self.compute_text(n, at, out),
        }
    }

    /// Text is made a portion at a time: its references and its collections together, since readers
    /// want the one and then the other.
    fn compute_text(&self, n: usize, mut at: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let text = &self.layout.texts[n];
        let mut rest = out;
        while !rest.is_empty() {
            let portion = text.portion_at(at);
            let bytes = self.portions.get((n, portion), || {
                let (mut bytes, mut heap) = (Vec::new(), Vec::new());
                text.encode(portion, u64::MAX, &mut bytes, &mut heap)?;
                bytes.append(&mut heap);
                Ok(bytes)
            })?;
            let references = text.references_of(portion);
            let (references_bytes, heap_bytes) =
                bytes.split_at((references.end - references.start) as usize);
            let (from, start) = if references.contains(&at) {
                (references_bytes, references.start)
            } else {
                (heap_bytes, text.heap_of(portion).start)
            };
            let from = &from[(at - start) as usize..];
            let len = from.len().min(rest.len());
            let (part, after) = rest.split_at_mut(len);
            part.copy_from_slice(&from[..len]);
            at += len as u64;
            rest = after;
        }
        Ok(())
    }
}

impl Face for H5adFace {
    fn root(&self) -> EntryId {
        FILE
    }

    fn known_root(&self) -> Entry {
        let len_bytes = self.laid_out.get().map(|laid_out| laid_out.layout.len_bytes);
        Entry { id: FILE, kind: EntryKind::File { len_bytes } }
    }

    fn num_entries(&self) -> u64 {
        FILE.0
    }

    fn total_bytes(&self) -> u64 {
        self.laid_out.get().map_or(0, |laid_out| laid_out.layout.len_bytes)
    }

    fn entry(&self, id: EntryId) -> Result<Option<Entry>, ReadError> {
        if id != FILE {
            return Ok(None);
        }
        let len_bytes = Some(self.laid_out()?.layout.len_bytes);
        Ok(Some(Entry { id, kind: EntryKind::File { len_bytes } }))
    }

    fn lookup(&self, _dir: EntryId, _name: &str) -> Result<Option<Entry>, ReadError> {
        Ok(None)
    }

    fn list(&self, _dir: EntryId, _from: u64) -> Option<Box<dyn Iterator<Item = Listed> + '_>> {
        None
    }

    fn read_at(&self, file: EntryId, at: u64, out: &mut [u8]) -> Result<usize, ReadError> {
        if file != FILE {
            return Ok(0);
        }
        self.laid_out()?.read_at(at, out)
    }

    fn decoded_with(&self, _file: EntryId, at: u64) -> Option<Range<u64>> {
        let laid_out = self.laid_out.get()?;
        let piece = laid_out.piece_from(at).filter(|piece| piece.range.start <= at)?;
        let Content::Numbers(n) = piece.content else { return None };
        let PlacedNumbers { source, offset, .. } = &laid_out.layout.numbers[n];
        if source.shape().len() != 1 {
            return None;
        }
        let element_bytes = source.dtype().size_bytes() as u64;
        let decoded = source.decoded_with((at - offset) / element_bytes)?;
        let in_file = |element: u64| {
            (offset + element * element_bytes).clamp(piece.range.start, piece.range.end)
        };
        Some(in_file(decoded.start)..in_file(decoded.end))
    }

    fn takes_long(&self, file: EntryId) -> bool {
        file == FILE && self.laid_out.get().is_none()
    }
}
