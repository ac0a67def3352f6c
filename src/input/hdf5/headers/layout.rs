//! The layout message (format specification, IV.A.2.i): where a dataset's elements lie.

use super::known::{UNDEFINED, Unknown};
use super::objects::{Object, kind};
use super::pages::Pages;
use crate::base::{Dims, ReadError};
use crate::input::hdf5::cursor::Cursor;
use crate::input::hdf5::file::HdfFile;

/// A version 1 B-tree of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BTree {
    /// Address of the root node relative to the file's base; `None` when no chunk was ever written.
    pub root: Option<u64>,
    /// Number of dimensions of a key: the dataset's and one more.
    pub key_rank: usize,
}

/// A layout message.
pub enum Layout {
    Compact(Vec<u8>),
    Contiguous {
        address: u64,
        len_bytes: u64,
    },
    Chunked {
        /// The extent of a chunk; the last dimension is the bytes of an element.
        chunk: Dims,
        /// Where to find them; `None` when that is no version 1 B-tree.
        tree: Option<BTree>,
    },
}

pub fn layout(body: &[u8]) -> Option<Layout> {
    let mut cursor = Cursor(body);
    let version = cursor.uint::<1>().filter(|version| (3..=5).contains(version))?;
    match (version, cursor.uint::<1>()?) {
        (_, 0) => {
            let len = cursor.uint::<2>()?;
            Some(Layout::Compact(cursor.take(len as usize)?.to_vec()))
        }
        (_, 1) => {
            let (address, len_bytes) = (cursor.uint::<8>()?, cursor.uint::<8>()?);
            Some(Layout::Contiguous { address, len_bytes })
        }
        (3, 2) => {
            let rank = cursor.uint::<1>()?;
            let root = Some(cursor.uint::<8>()?).filter(|&root| root != UNDEFINED);
            let chunk = dims(&mut cursor, rank, 4)?;
            Some(Layout::Chunked { chunk, tree: Some(BTree { root, key_rank: rank as usize }) })
        }
        (4 | 5, 2) => {
            // A partial chunk at the edge may have been left unfiltered (1); a single chunk may be
            // filtered (2).
            (cursor.uint::<1>()? & !2 == 0).then_some(())?;
            let rank = cursor.uint::<1>()?;
            let width = cursor.uint::<1>().filter(|width| (1..=8).contains(width))?;
            let chunk = dims(&mut cursor, rank, width as usize)?;
            // The kind of the index.
            let is_known = (1..=5).contains(&cursor.uint::<1>()?);
            is_known.then_some(Layout::Chunked { chunk, tree: None })
        }
        _ => None,
    }
}

fn dims(cursor: &mut Cursor<'_>, rank: u64, width: usize) -> Option<Dims> {
    (2..=33).contains(&rank).then_some(())?;
    let mut dims = Dims::new();
    for _ in 0..rank {
        dims.push(cursor.uint_of(width).filter(|&dim| dim != 0)?);
    }
    Some(dims)
}

/// The index of the chunks of the dataset whose header lies at `address`; `None` when this module
/// does not know the header, or the index is no version 1 B-tree. Then the library is asked.
///
/// # Errors
/// The file could not be read, or has changed.
pub fn chunk_tree(file: &HdfFile, address: u64) -> Result<Option<BTree>, ReadError> {
    if !file.wide {
        return Ok(None);
    }
    match Object::read(&mut Pages::new(file), address) {
        Ok(object) => Ok(tree_of(&object)),
        Err(Unknown::Unread(error)) => Err(error),
        Err(why) => {
            let path = file.source.path().display();
            log::debug!("{path}: the header at {address} is left to libhdf5: {why}");
            Ok(None)
        }
    }
}

/// The index of a dataset's chunks; `None` when it is no version 1 B-tree.
fn tree_of(object: &Object) -> Option<BTree> {
    match layout(object.only(kind::LAYOUT).ok()??)? {
        Layout::Chunked { tree, .. } => tree,
        _ => None,
    }
}
