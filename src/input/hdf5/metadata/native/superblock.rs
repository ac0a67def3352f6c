//! The superblock (format specification, II.A): where everything begins.

use crate::base::lookup3;
use crate::input::hdf5::cursor::Cursor;
use crate::input::hdf5::headers::{Known, Pages, UNDEFINED, expect};

/// What is needed of it.
#[derive(Debug, Clone, Copy)]
pub struct Superblock {
    /// Address of the root group's header.
    pub root: u64,
    /// Most names in a leaf of an old group, and most children of a node above.
    pub most_names: usize,
    pub most_children: usize,
}

/// Bytes of the longest one (version 1).
const LONGEST: u64 = 100;
/// Those of groups when nothing else is said.
const LEAF_K: usize = 4;
const NODE_K: usize = 16;

/// Reads the superblock, and tells the pages where the file ends.
pub fn read(pages: &mut Pages<'_>) -> Known<Superblock> {
    let bytes = pages.get(0, LONGEST.min(pages.end()))?.into_owned();
    let version = bytes.get(8).copied();
    let read = match version {
        Some(0 | 1) => old(&bytes),
        Some(2 | 3) => new(&bytes),
        _ => None,
    };
    let (superblock, base, end) = read.ok_or("the superblock is of an unknown kind")?;
    let file = pages.file;
    expect(base == file.base, "the file was moved")?;
    expect(end >= base && end <= file.source.len(), "the file is truncated")?;
    pages.end_at(end - base);
    Ok(superblock)
}

/// Version 0 or 1; also the base address and where the file ends.
fn old(bytes: &[u8]) -> Option<(Superblock, u64, u64)> {
    let mut cursor = Cursor(bytes);
    cursor.take(8)?;
    let version = cursor.uint::<1>()?;
    // Versions of what it leads to, and the sizes of addresses and lengths.
    (cursor.take(4)? == [0; 4]).then_some(())?;
    (cursor.take(3)? == [8, 8, 0]).then_some(())?;
    let leaf_k = cursor.uint::<2>()? as usize;
    let node_k = cursor.uint::<2>()? as usize;
    let flags = cursor.uint::<4>()?;
    if version == 1 {
        let chunk_k = cursor.uint::<2>()?;
        (chunk_k != 0 && cursor.uint::<2>()? == 0).then_some(())?;
    }
    let base = cursor.uint::<8>()?;
    let free_space = cursor.uint::<8>()?;
    let end = cursor.uint::<8>()?;
    let driver = cursor.uint::<8>()?;
    let _name = cursor.uint::<8>()?;
    let root = cursor.uint::<8>()?;
    let cached = cursor.uint::<4>()?;
    let usual = leaf_k != 0 && node_k != 0 && flags == 0 && cached <= 1;
    (usual && free_space == UNDEFINED && driver == UNDEFINED).then_some(())?;
    let superblock = Superblock { root, most_names: 2 * leaf_k, most_children: 2 * node_k };
    Some((superblock, base, end))
}

/// Version 2 or 3.
fn new(bytes: &[u8]) -> Option<(Superblock, u64, u64)> {
    let mut cursor = Cursor(bytes);
    cursor.take(9)?;
    // Sizes of addresses and lengths. A writer may have it open, which is told elsewhere.
    (cursor.take(2)? == [8, 8]).then_some(())?;
    (cursor.uint::<1>()? & !0x05 == 0).then_some(())?;
    let base = cursor.uint::<8>()?;
    let extension = cursor.uint::<8>()?;
    let end = cursor.uint::<8>()?;
    let root = cursor.uint::<8>()?;
    (extension == UNDEFINED).then_some(())?;
    let sum = u64::from(lookup3(bytes.get(..44)?));
    // A fuzzer cannot know sums.
    (cursor.uint::<4>()? == sum || cfg!(fuzzing)).then_some(())?;
    let superblock = Superblock { root, most_names: 2 * LEAF_K, most_children: 2 * NODE_K };
    Some((superblock, base, end))
}
