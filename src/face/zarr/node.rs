//! The nodes of a store: groups and arrays, and where the bytes of their files come from.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::array::{SharedArray, SharedText};
use crate::base::Dims;

use super::layout::ChunkTree;

#[derive(Debug)]
pub struct ZarrNode {
    pub meta: Vec<MetaFile>,
    pub content: Content,
}

#[derive(Debug)]
pub struct MetaFile {
    pub name: &'static str,
    pub bytes: Arc<[u8]>,
}

#[derive(Debug)]
pub enum Content {
    /// Children by name: indices into `nodes`.
    Group(IndexMap<String, usize>),
    Array(ZarrArray),
}

#[derive(Debug)]
pub struct ZarrArray {
    pub chunks: ChunkTree,
    pub body: Body,
}

/// Where the bytes of chunk files come from.
#[derive(Debug)]
pub enum Body {
    /// A block of an array a file.
    Blocks { array: SharedArray, file: Dims },
    /// A shard of blocks a file.
    Shards { array: SharedArray, file: Dims, inner: Dims },
    /// A run of strings a file, of so many strings; the only chunk of a shard, perhaps.
    Text { text: SharedText, chunk_len: u64, is_shard: bool },
    /// One file of these bytes, or none.
    Literal(Arc<[u8]>),
}
