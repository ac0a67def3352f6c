//! Version 1 B-trees, the index of chunks that nearly every file has: finds the chunks of a dataset
//! without the library. Format specification: III.A.1.

use crate::base::{Dims, ReadError};
use crate::input::hdf5::cursor::Cursor;
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::headers::BTree;
use crate::io::read_metadata_vec_at;

/// One stored chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Row-major number in the grid of chunks.
    pub index: u64,
    /// Offset in the file.
    pub offset: u64,
    /// Bytes as stored.
    pub len_bytes: u32,
    /// Filters that were left out.
    pub mask: u32,
}

impl BTree {
    /// All chunks that the tree holds, in the order of their keys. `place` tells what begins at an
    /// element; the dataset has no more than `most` chunks.
    ///
    /// # Errors
    /// The file could not be read, or the tree contradicts itself.
    pub fn chunks(
        self,
        file: &HdfFile,
        most: u64,
        place: &dyn Fn(&[u64]) -> Place,
    ) -> Result<Vec<Chunk>, ReadError> {
        let mut out = Vec::new();
        if let Some(root) = self.root {
            let mut walk = Walk { tree: self, file, most, nodes: 0, place, out: &mut out };
            walk.node(root, None, None)?;
        }
        Ok(out)
    }
}

/// What begins at an element of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A chunk, by number.
    Chunk(u64),
    /// A chunk outside of the extent.
    Outside,
    /// None: it is within a chunk.
    Between,
}

/// A key: what is said of a chunk (or of the first one of a node), and where it begins.
struct Key {
    len_bytes: u32,
    mask: u32,
    /// First element, and an offset within it.
    at: Dims,
}

impl Key {
    fn read(cursor: &mut Cursor, rank: usize) -> Option<Self> {
        let (len, mask) = (cursor.uint::<4>()?, cursor.uint::<4>()?);
        let at = (0..rank).map(|_| cursor.uint::<8>()).collect::<Option<Dims>>()?;
        Some(Self { len_bytes: len as u32, mask: mask as u32, at })
    }
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

    /// `expected_level` and `bounds` are what the parents say of it: where its chunks begin at least, and
    /// before what.
    fn node(
        &mut self,
        address: u64,
        expected_level: Option<u8>,
        bounds: Option<(&Dims, &Dims)>,
    ) -> Result<(), ReadError> {
        const HEAD_BYTES: usize = 24;
        let source = &self.file.source;
        self.nodes += 1;
        // Levels go down at each step and so end; this ends a tree whose branches meet again.
        if self.nodes > source.len() / HEAD_BYTES as u64 {
            return Err(self.damaged("has more nodes than fit into the file"));
        }
        let at = self.file.base.saturating_add(address);
        let mut head = [0; HEAD_BYTES];
        source.read_metadata_at(at, &mut head)?;
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
        let entries = read_metadata_vec_at(
            &**source,
            at + HEAD_BYTES as u64,
            count * entry_bytes + key_bytes,
        )?;
        let mut cursor = Cursor(&entries);
        let Some(mut next) = Key::read(&mut cursor, self.tree.key_rank) else { return Ok(()) };
        for _ in 0..count {
            let key = next;
            let Some(child) = cursor.uint::<8>() else { break };
            let Some(behind) = Key::read(&mut cursor, self.tree.key_rank) else { break };
            next = behind;
            // The library searches, and does not find what lies elsewhere.
            let low = bounds.map_or(&key.at, |(low, _)| low.max(&key.at));
            let high = bounds.map_or(&next.at, |(_, high)| high.min(&next.at));
            if key.at >= next.at || level == 0 && !(low..high).contains(&&key.at) {
                return Err(self.damaged("is not in order"));
            }
            if level > 0 {
                self.node(child, Some(level - 1), Some((low, high)))?;
                continue;
            }
            // The last one is an offset within an element.
            let Some((0, origin)) = key.at.split_last() else {
                return Err(self.damaged("has a chunk that begins within an element"));
            };
            let index = match (self.place)(origin) {
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
                len_bytes: key.len_bytes,
                mask: key.mask,
            });
        }
        Ok(())
    }
}
