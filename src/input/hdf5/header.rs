//! Object headers and version 1 B-trees: finds the chunks of a dataset without the library.
//!
//! Only what nearly every file has: version 1 and 2 headers whose layout message is of version 3
//! (a version 1 B-tree). For anything else [`chunk_index`] says that it does not know, and the
//! library is asked. Format specification: IV.A (object headers), IV.A.2.i (layout message),
//! III.A.1 (B-tree).

use super::cursor::Cursor;
use super::storage::HdfFile;
use crate::base::ReadError;

/// A version 1 B-tree of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BTree {
    /// Address of the root node relative to the file's base; `None` when no chunk was ever written.
    pub(super) root: Option<u64>,
    /// Number of dimensions of a key: the dataset's and one more.
    pub(super) key_rank: usize,
}

/// One stored chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Row-major number in the grid of chunks.
    pub(super) index: u64,
    /// Offset in the file.
    pub(super) offset: u64,
    /// Bytes as stored.
    pub(super) len_bytes: u32,
    /// Filters that were left out.
    pub(super) mask: u32,
}

/// No room was given.
const UNDEFINED: u64 = u64::MAX;
const LAYOUT_MESSAGE: u16 = 0x08;
const CONTINUATION_MESSAGE: u16 = 0x10;
/// A header is read in pieces; more of them than this are not followed.
const MOST_PIECES: usize = 64;
/// A piece of a header larger than this is left to the library.
const LARGEST_PIECE: u64 = 1 << 20;

/// The chunk index of the dataset whose header lies at `address`; `None` when this module does not
/// know its kind.
///
/// # Errors
/// The file could not be read.
pub(super) fn chunk_index(file: &HdfFile, address: u64) -> Result<Option<BTree>, ReadError> {
    if !file.wide {
        return Ok(None);
    }
    let Some(offset) = file.base.checked_add(address) else { return Ok(None) };
    // Nearly every header fits, so that one read is enough.
    let head_len = file.source.len().saturating_sub(offset).min(1024) as usize;
    let head = file.source.read_vec_at(offset, head_len)?;
    let Some((first, old)) = first_piece(file, offset, head)? else { return Ok(None) };
    let mut pieces = vec![first];
    let mut next = 0;
    while let Some(piece) = pieces.get(next) {
        next += 1;
        match scan(piece, old) {
            Scan::Found(tree) => return Ok(tree),
            Scan::Continued(continuations) => {
                for (address, len) in continuations {
                    if pieces.len() >= MOST_PIECES || len > LARGEST_PIECE {
                        return Ok(None);
                    }
                    let at = file.base.saturating_add(address);
                    let bytes = file.source.read_vec_at(at, len as usize)?;
                    match piece_body(bytes, old) {
                        Some(body) => pieces.push(body),
                        None => return Ok(None),
                    }
                }
            }
        }
    }
    Ok(None)
}

/// How messages stand in a header.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Version 1: type (2), size (2), flags (1), reserved (3).
    Old,
    /// Version 2: type (1), size (2), flags (1), and a creation order (2) if it is tracked.
    New { order_tracked: bool },
}

/// The messages of a header's first piece.
fn first_piece(
    file: &HdfFile,
    offset: u64,
    head: Vec<u8>,
) -> Result<Option<(Vec<u8>, Form)>, ReadError> {
    let parsed = if head.starts_with(b"OHDR") { prefix_new(&head) } else { prefix_old(&head) };
    let Some((start, len, form)) = parsed else { return Ok(None) };
    if len > LARGEST_PIECE {
        return Ok(None);
    }
    let end = start + len as usize;
    if end <= head.len() {
        return Ok(Some((head[start..end].to_vec(), form)));
    }
    let body = file.source.read_vec_at(offset + start as u64, len as usize)?;
    Ok(Some((body, form)))
}

fn prefix_old(head: &[u8]) -> Option<(usize, u64, Form)> {
    let mut cursor = Cursor(head);
    (cursor.uint::<1>()? == 1).then_some(())?;
    cursor.take(7)?;
    let len = cursor.uint::<4>()?;
    // Four bytes align the messages to eight.
    Some((16, len, Form::Old))
}

fn prefix_new(head: &[u8]) -> Option<(usize, u64, Form)> {
    let mut cursor = Cursor(head);
    cursor.take(4)?;
    (cursor.uint::<1>()? == 2).then_some(())?;
    let flags = cursor.uint::<1>()?;
    if flags & 0x20 != 0 {
        cursor.take(16)?;
    }
    if flags & 0x10 != 0 {
        cursor.take(4)?;
    }
    let len = match flags & 3 {
        0 => cursor.uint::<1>()?,
        1 => cursor.uint::<2>()?,
        2 => cursor.uint::<4>()?,
        _ => cursor.uint::<8>()?,
    };
    let start = head.len() - cursor.0.len();
    Some((start, len, Form::New { order_tracked: flags & 4 != 0 }))
}

/// The messages of a continuation block.
fn piece_body(bytes: Vec<u8>, form: Form) -> Option<Vec<u8>> {
    match form {
        Form::Old => Some(bytes),
        // A signature before and a checksum after.
        Form::New { .. } => {
            let body = bytes.strip_prefix(b"OCHK")?;
            Some(body.get(..body.len().checked_sub(4)?)?.to_vec())
        }
    }
}

enum Scan {
    /// The layout message; `None` when it is of a kind that is not known.
    Found(Option<BTree>),
    /// It is not here; headers go on at these addresses, so many bytes each.
    Continued(Vec<(u64, u64)>),
}

fn scan(piece: &[u8], form: Form) -> Scan {
    let mut cursor = Cursor(piece);
    let mut continued = Vec::new();
    while let Some((kind, flags, body)) = message(&mut cursor, form) {
        match kind {
            // A shared message lies elsewhere.
            LAYOUT_MESSAGE if flags & 2 != 0 => return Scan::Found(None),
            LAYOUT_MESSAGE => return Scan::Found(layout(body)),
            CONTINUATION_MESSAGE => {
                let mut body = Cursor(body);
                if let (Some(address), Some(len)) = (body.uint::<8>(), body.uint::<8>()) {
                    continued.push((address, len));
                }
            }
            _ => {}
        }
    }
    Scan::Continued(continued)
}

fn message<'a>(cursor: &mut Cursor<'a>, form: Form) -> Option<(u16, u64, &'a [u8])> {
    let (kind, len, flags) = match form {
        Form::Old => {
            let head = (cursor.uint::<2>()?, cursor.uint::<2>()?, cursor.uint::<1>()?);
            cursor.take(3)?;
            head
        }
        Form::New { order_tracked } => {
            let head = (cursor.uint::<1>()?, cursor.uint::<2>()?, cursor.uint::<1>()?);
            if order_tracked {
                cursor.take(2)?;
            }
            head
        }
    };
    Some((kind as u16, flags, cursor.take(len as usize)?))
}

/// A layout message of version 3 and class 2 (chunked).
fn layout(body: &[u8]) -> Option<BTree> {
    let mut body = Cursor(body);
    let (version, class) = (body.uint::<1>()?, body.uint::<1>()?);
    if (version, class) != (3, 2) {
        return None;
    }
    let key_rank = body.uint::<1>()? as usize;
    let root = body.uint::<8>()?;
    (2..=33)
        .contains(&key_rank)
        .then_some(BTree { root: (root != UNDEFINED).then_some(root), key_rank })
}

impl BTree {
    /// All chunks that the tree holds, in the order of their keys. `number` turns a chunk's first
    /// element into its number in the grid.
    ///
    /// # Errors
    /// The file could not be read, or the tree contradicts itself.
    pub(super) fn chunks(
        self,
        file: &HdfFile,
        most: u64,
        place: &dyn Fn(&[u64]) -> Place,
    ) -> Result<Vec<Chunk>, ReadError> {
        let mut out = Vec::new();
        if let Some(root) = self.root {
            let mut walk = Walk { tree: self, file, most, nodes: 0, place, out: &mut out };
            walk.node(root, None)?;
        }
        Ok(out)
    }
}

/// What begins at an element of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A chunk, by number.
    Chunk(u64),
    /// A chunk outside of the extent.
    Outside,
    /// None: it is within a chunk.
    Between,
}

struct Walk<'a> {
    tree: BTree,
    file: &'a HdfFile,
    most: u64,
    nodes: u64,
    place: &'a dyn Fn(&[u64]) -> Place,
    out: &'a mut Vec<Chunk>,
}

impl Walk<'_> {
    fn damaged(&self, what: &str) -> ReadError {
        ReadError::corrupt(self.file.source.path(), "", format!("the chunk index {what}"))
    }

    fn node(&mut self, address: u64, expected_level: Option<u8>) -> Result<(), ReadError> {
        const HEAD_BYTES: usize = 24;
        let source = &self.file.source;
        self.nodes += 1;
        // Levels go down at each step and so end; this ends a tree whose branches meet again.
        if self.nodes > source.len() / HEAD_BYTES as u64 {
            return Err(self.damaged("has more nodes than fit into the file"));
        }
        let at = self.file.base.saturating_add(address);
        let mut head = [0; HEAD_BYTES];
        source.read_exact_at(at, &mut head)?;
        let level = head[5];
        if head[..4] != *b"TREE" || head[4] != 1 {
            return Err(self.damaged("has a node without its signature"));
        }
        if expected_level.is_some_and(|expected| expected != level) {
            return Err(self.damaged("has a node of the wrong level"));
        }
        let count = usize::from(u16::from_le_bytes([head[6], head[7]]));
        let key_bytes = 8 + 8 * self.tree.key_rank;
        let entry_bytes = key_bytes + 8;
        let entries = source.read_vec_at(at + HEAD_BYTES as u64, count * entry_bytes)?;
        for entry in entries.chunks_exact(entry_bytes) {
            let mut cursor = Cursor(entry);
            let (Some(len), Some(mask)) = (cursor.uint::<4>(), cursor.uint::<4>()) else { break };
            let mut origin = crate::base::Dims::new();
            for _ in 0..self.tree.key_rank {
                origin.extend(cursor.uint::<8>());
            }
            // The last one is an offset within an element, always 0.
            origin.pop();
            let Some(child) = cursor.uint::<8>() else { break };
            if level > 0 {
                self.node(child, Some(level - 1))?;
                continue;
            }
            let index = match (self.place)(&origin) {
                Place::Chunk(index) => index,
                // Such chunks remain when a dataset was made smaller.
                Place::Outside => continue,
                Place::Between => {
                    return Err(self.damaged("has a chunk that begins within another"));
                }
            };
            if self.out.len() as u64 >= self.most {
                return Err(self.damaged("names a chunk twice"));
            }
            self.out.push(Chunk {
                index,
                offset: self.file.base.saturating_add(child),
                len_bytes: len as u32,
                mask: mask as u32,
            });
        }
        Ok(())
    }
}
