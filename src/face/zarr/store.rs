//! A store as files and directories: ids by arithmetic, entries, and the bytes of any range.

use std::ops::Range;
use std::sync::Arc;

use crate::base::ReadError;
use crate::face::{Block, Entry, EntryId, EntryKind, Face, FaceError, Listed, left};

use super::layout::Place;
use super::names;
use super::node::{Body, Content, ZarrArray, ZarrNode};
use super::options::ZarrFormat;
use super::shard::{Shard, encode_index, index_bytes};
use super::text::{self, TextChunks};

/// A tree presented as a zarr store.
#[derive(Debug)]
pub struct ZarrFace {
    /// In the order of their ids; the root is first.
    pub(super) nodes: Vec<ZarrNode>,
    /// The first id of each node.
    pub(super) first_ids: Vec<u64>,
    pub(super) num_entries: u64,
    pub(super) total_bytes: u64,
    pub(super) format: ZarrFormat,
    pub(super) text: TextChunks,
    pub(super) left_out: Vec<FaceError>,
}

impl ZarrFace {
    /// Why elements were left out, each naming its own.
    #[must_use]
    pub fn left_out(&self) -> &[FaceError] {
        &self.left_out
    }

    /// Takes them away.
    pub fn take_left_out(&mut self) -> Vec<FaceError> {
        std::mem::take(&mut self.left_out)
    }

    /// The node and place of an id.
    fn locate(&self, id: EntryId) -> Option<(usize, &ZarrNode, Place)> {
        if id.0 == 0 || id.0 > self.num_entries {
            return None;
        }
        let index = self.first_ids.partition_point(|&first| first <= id.0) - 1;
        let node = self.nodes.get(index)?;
        let offset = id.0 - self.first_ids.get(index)?;
        let num_fixed = 1 + node.meta.len() as u64;
        let place = match (offset, &node.content) {
            (0, _) => Place::Node,
            (n, _) if n < num_fixed => Place::Meta(n as usize - 1),
            (_, Content::Group(_)) => return None,
            (n, Content::Array(array)) => array.chunks.place(n - num_fixed)?,
        };
        Some((index, node, place))
    }

    /// The id of a place of a node.
    fn id(&self, index: usize, place: Place) -> EntryId {
        let first = self.first_ids[index];
        let node = &self.nodes[index];
        EntryId(match (place, &node.content) {
            (Place::Node, _) | (Place::ChunkDir { .. } | Place::Chunk(_), Content::Group(_)) => {
                first
            }
            (Place::Meta(n), _) => first + 1 + n as u64,
            (_, Content::Array(array)) => {
                first + 1 + node.meta.len() as u64 + array.chunks.offset(place)
            }
        })
    }

    /// The entry of a place, without the length of text that was not made yet.
    fn known_entry(&self, index: usize, place: Place) -> Entry {
        let node = &self.nodes[index];
        let id = self.id(index, place);
        let kind = match (place, &node.content) {
            (Place::Node, Content::Group(children)) => {
                EntryKind::Directory { num_subdirectories: children.len() as u64 }
            }
            (Place::Node, Content::Array(array)) => {
                let has_directory = matches!(
                    (self.format, array.chunks.top()),
                    (ZarrFormat::V3, Some(Place::ChunkDir { .. }))
                );
                EntryKind::Directory { num_subdirectories: u64::from(has_directory) }
            }
            (Place::Meta(n), _) => {
                EntryKind::File { len_bytes: node.meta.get(n).map(|file| file.bytes.len() as u64) }
            }
            (Place::ChunkDir { level, .. }, Content::Array(array)) => {
                let grid = &array.chunks.grid;
                let holds_directories = level + 1 < grid.len();
                EntryKind::Directory {
                    num_subdirectories: if holds_directories { grid[level] } else { 0 },
                }
            }
            (Place::Chunk(chunk), Content::Array(array)) => {
                EntryKind::File { len_bytes: self.known_len(id, array, chunk) }
            }
            (Place::ChunkDir { .. } | Place::Chunk(_), Content::Group(_)) => {
                EntryKind::Directory { num_subdirectories: 0 }
            }
        };
        Entry { id, kind }
    }

    /// The entry of a place; makes text to know its length.
    fn full_entry(&self, index: usize, place: Place) -> Result<Entry, ReadError> {
        let mut entry = self.known_entry(index, place);
        if let (EntryKind::File { len_bytes: len @ None }, Place::Chunk(chunk)) =
            (&mut entry.kind, place)
            && let Content::Array(array) = &self.nodes[index].content
            && let Some(bytes) = self.text_chunk(entry.id, &array.body, chunk)?
        {
            *len = Some(bytes.len() as u64);
        }
        Ok(entry)
    }

    fn known_len(&self, id: EntryId, array: &ZarrArray, chunk: u64) -> Option<u64> {
        match &array.body {
            Body::Blocks { array: source, file } => {
                Some(file.iter().product::<u64>() * source.dtype().size_bytes() as u64)
            }
            Body::Shards { array: source, file, inner } => {
                let start = array.chunks.start(chunk, file);
                Some(Shard::new(&**source, start, file, inner).len_bytes())
            }
            Body::Text { .. } => self.text.known_len(id),
            Body::Literal(bytes) => Some(bytes.len() as u64),
        }
    }

    /// The file of a run of strings; nothing for other arrays.
    fn text_chunk(
        &self,
        id: EntryId,
        body: &Body,
        chunk: u64,
    ) -> Result<Option<Arc<[u8]>>, ReadError> {
        let Body::Text { text, chunk_len, is_shard } = body else { return Ok(None) };
        let bytes = self.text.get(id, || {
            let mut bytes = text::encode(&**text, chunk * chunk_len, *chunk_len)?;
            if *is_shard {
                let index = encode_index(&[Some(0..bytes.len() as u64)]);
                bytes.extend_from_slice(&index);
            }
            Ok(bytes)
        })?;
        Ok(Some(bytes))
    }

    fn read_chunk(
        &self,
        id: EntryId,
        array: &ZarrArray,
        chunk: u64,
        at: u64,
        out: &mut [u8],
    ) -> Result<usize, ReadError> {
        match &array.body {
            Body::Blocks { array: source, file } => {
                let start = array.chunks.start(chunk, file);
                let block = Block::new(&**source, start, file.clone());
                let len = left(block.len_bytes(), at, out.len());
                if len == 0 {
                    return Ok(0);
                }
                block.read_at(at, &mut out[..len])?;
                Ok(len)
            }
            Body::Shards { array: source, file, inner } => {
                let start = array.chunks.start(chunk, file);
                let shard = Shard::new(&**source, start, file, inner);
                let len = left(shard.len_bytes(), at, out.len());
                if len == 0 {
                    return Ok(0);
                }
                shard.read_at(at, &mut out[..len])?;
                Ok(len)
            }
            Body::Text { .. } => {
                let bytes = self.text_chunk(id, &array.body, chunk)?;
                Ok(bytes.map_or(0, |bytes| copy(&bytes, at, out)))
            }
            Body::Literal(bytes) => Ok(copy(bytes, at, out)),
        }
    }

    /// Where the chunks of a shard lie in its file, in bytes, by their place in its index; `None` in
    /// it for chunks that are not stored. Nothing for files that are no shards.
    ///
    /// # Errors
    /// Those of the text that a shard of it holds.
    pub fn shard_chunks(
        &self,
        file: EntryId,
    ) -> Result<Option<Vec<Option<Range<u64>>>>, ReadError> {
        let Some((_, ZarrNode { content: Content::Array(array), .. }, Place::Chunk(chunk))) =
            self.locate(file)
        else {
            return Ok(None);
        };
        match &array.body {
            Body::Shards { array: source, file, inner } => {
                let start = array.chunks.start(chunk, file);
                Ok(Some(Shard::new(&**source, start, file, inner).chunk_ranges()))
            }
            Body::Text { is_shard: true, .. } => {
                let len_bytes =
                    self.text_chunk(file, &array.body, chunk)?.map_or(0, |bytes| bytes.len());
                let chunk_bytes = (len_bytes as u64).saturating_sub(index_bytes(1));
                Ok(Some(vec![Some(0..chunk_bytes)]))
            }
            _ => Ok(None),
        }
    }

    /// The place of a name in a directory.
    fn find(
        &self,
        index: usize,
        node: &ZarrNode,
        dir: Place,
        name: &str,
    ) -> Option<(usize, Place)> {
        match (dir, &node.content) {
            (Place::Node, content) => {
                if let Some(n) = node.meta.iter().position(|file| file.name == name) {
                    return Some((index, Place::Meta(n)));
                }
                match (content, self.format) {
                    (Content::Group(children), _) => Some((*children.get(name)?, Place::Node)),
                    (Content::Array(array), ZarrFormat::V3) => {
                        let top = (name == "c").then(|| array.chunks.top()).flatten()?;
                        Some((index, top))
                    }
                    (Content::Array(array), ZarrFormat::V2) => {
                        let chunk = names::parse_v2_key(name, &array.chunks.grid)
                            .filter(|&chunk| chunk < array.chunks.num_files())?;
                        Some((index, Place::Chunk(chunk)))
                    }
                }
            }
            (Place::ChunkDir { level, index: at }, Content::Array(array)) => {
                let place = array.chunks.child(level, at, names::parse_index(name)?)?;
                Some((index, place))
            }
            _ => None,
        }
    }

    /// The `n`-th name and place of a directory.
    fn nth(
        &self,
        index: usize,
        node: &ZarrNode,
        dir: Place,
        n: u64,
    ) -> Option<(String, usize, Place)> {
        let num_meta = node.meta.len() as u64;
        match (dir, &node.content) {
            (Place::Node, _) if n < num_meta => {
                let file = node.meta.get(n as usize)?;
                Some((file.name.to_owned(), index, Place::Meta(n as usize)))
            }
            (Place::Node, Content::Group(children)) => {
                let (name, &child) = children.get_index(usize::try_from(n - num_meta).ok()?)?;
                Some((name.clone(), child, Place::Node))
            }
            (Place::Node, Content::Array(array)) => match self.format {
                ZarrFormat::V3 => {
                    let top = (n == num_meta).then(|| array.chunks.top()).flatten()?;
                    Some(("c".to_owned(), index, top))
                }
                ZarrFormat::V2 => {
                    let chunk = n - num_meta;
                    (chunk < array.chunks.num_files()).then(|| {
                        let key = names::v2_key(chunk, &array.chunks.grid);
                        (key, index, Place::Chunk(chunk))
                    })
                }
            },
            (Place::ChunkDir { level, index: at }, Content::Array(array)) => {
                Some((n.to_string(), index, array.chunks.child(level, at, n)?))
            }
            _ => None,
        }
    }
}

impl Face for ZarrFace {
    fn root(&self) -> EntryId {
        EntryId(1)
    }

    fn known_root(&self) -> Entry {
        self.known_entry(0, Place::Node)
    }

    fn num_entries(&self) -> u64 {
        self.num_entries
    }

    fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    fn entry(&self, id: EntryId) -> Result<Option<Entry>, ReadError> {
        let Some((index, _, place)) = self.locate(id) else { return Ok(None) };
        self.full_entry(index, place).map(Some)
    }

    fn lookup(&self, dir: EntryId, name: &str) -> Result<Option<Entry>, ReadError> {
        let Some((index, node, dir)) = self.locate(dir) else { return Ok(None) };
        let Some((index, place)) = self.find(index, node, dir, name) else { return Ok(None) };
        self.full_entry(index, place).map(Some)
    }

    fn list(&self, dir: EntryId, from: u64) -> Option<Box<dyn Iterator<Item = Listed> + '_>> {
        let (index, node, dir) = self.locate(dir)?;
        if matches!(dir, Place::Meta(_) | Place::Chunk(_)) {
            return None;
        }
        Some(Box::new((from..).map_while(move |n| {
            let (name, index, place) = self.nth(index, node, dir, n)?;
            Some(Listed { name, entry: self.known_entry(index, place) })
        })))
    }

    fn read_at(&self, file: EntryId, at: u64, out: &mut [u8]) -> Result<usize, ReadError> {
        match self.locate(file) {
            Some((_, node, Place::Meta(n))) => {
                Ok(node.meta.get(n).map_or(0, |file| copy(&file.bytes, at, out)))
            }
            Some((_, ZarrNode { content: Content::Array(array), .. }, Place::Chunk(chunk))) => {
                self.read_chunk(file, array, chunk, at, out)
            }
            _ => Ok(0),
        }
    }

    fn decoded_with(&self, file: EntryId, at: u64) -> Option<Range<u64>> {
        let (_, node, place) = self.locate(file)?;
        let (Content::Array(array), Place::Chunk(chunk)) = (&node.content, place) else {
            return None;
        };
        // The chunks of a shard along the only axis lie in the file as in the array.
        let (Body::Blocks { array: source, file } | Body::Shards { array: source, file, .. }) =
            &array.body
        else {
            return None;
        };
        let &[first] = array.chunks.start(chunk, file).as_slice() else { return None };
        let end = (first + file[0]).min(source.shape()[0]);
        let element_bytes = source.dtype().size_bytes() as u64;
        let element = first.checked_add(at / element_bytes).filter(|&element| element < end)?;
        let decoded = source.decoded_with(element)?;
        let in_file = |element: u64| (element.clamp(first, end) - first) * element_bytes;
        Some(in_file(decoded.start)..in_file(decoded.end))
    }

    fn is_stored_as_is(&self, file: EntryId) -> bool {
        match self.locate(file) {
            Some((_, ZarrNode { content: Content::Array(array), .. }, Place::Chunk(_))) => {
                match &array.body {
                    Body::Blocks { array: source, .. } | Body::Shards { array: source, .. } => {
                        source.is_stored_as_is()
                    }
                    Body::Text { .. } | Body::Literal(_) => false,
                }
            }
            _ => false,
        }
    }
}

fn copy(bytes: &[u8], at: u64, out: &mut [u8]) -> usize {
    let len = left(bytes.len() as u64, at, out.len());
    if len > 0 {
        out[..len].copy_from_slice(&bytes[at as usize..at as usize + len]);
    }
    len
}
