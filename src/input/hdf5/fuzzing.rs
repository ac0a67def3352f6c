//! Doors for coverage-guided fuzzing (`fuzz/`), which compiles this crate with `cfg(fuzzing)`: parts of
//! HDF5 files by themselves. None may panic, hang, or take memory without end, whatever the bytes;
//! what is made of them is for other tests.

use std::path::Path;
use std::sync::Arc;

use super::chunks::{Grid, Pipeline};
use super::file::HdfFile;
use super::headers::{BTree, layout};
use super::metadata::native::{datatype, extent};
use super::others::Others;
use super::values::{HeapReader, Meaning, RECORD_BYTES, is_endless, objects};
use crate::io::Context;

/// Filters by number and parameters, then the size of a chunk, then its bytes.
pub fn filters(bytes: &[u8]) {
    const KNOWN: [i32; 9] = [1, 2, 3, 32000, 32001, 32004, 32008, 32015, 4];
    let Some((&[count, mask, size, number, shift], mut rest)) = bytes.split_first_chunk::<5>()
    else {
        return;
    };
    let mut filters = Vec::new();
    for index in 0..usize::from(count % 4) {
        let Some((&[parameter, codec], after)) = rest.split_first_chunk::<2>() else { return };
        rest = after;
        let number = KNOWN[(usize::from(number) + index * usize::from(shift)) % KNOWN.len()];
        let parameter = u32::from(parameter);
        filters.push((number, vec![parameter, 0, parameter, u32::from(codec), parameter]));
    }
    let Some(pipeline) = Pipeline::new(&filters) else { return };
    let mask = u32::from(mask);
    let _ = pipeline.passable(mask);
    let mut out = vec![0; usize::from(size) * 16];
    let _ = pipeline.decode(rest, mask, &mut out);
}

/// A datatype message.
pub fn datatype_message(bytes: &[u8]) {
    let _ = datatype(bytes);
}

/// A dataspace message.
pub fn dataspace_message(bytes: &[u8]) {
    let _ = extent(bytes);
}

/// A layout message.
pub fn layout_message(bytes: &[u8]) {
    let _ = layout(bytes);
}

/// A collection of the global heap.
pub fn collection(bytes: &[u8]) {
    let _ = objects(bytes);
}

/// The index of the chunks of a dataset of so many dimensions, whose root begins the file.
pub fn chunk_index(path: &Path, rank: usize, context: &Arc<Context>) {
    let shape = vec![1000_u64; rank];
    if let Ok(file) = file(path, context)
        && let Some(grid) = Grid::new(&shape, &vec![10; rank])
    {
        let tree = BTree { root: Some(0), key_rank: rank + 1 };
        let _ = tree.chunks(&file, grid.num_chunks(), &|origin| grid.place(origin));
    }
}

/// The value that a record points to in a file that holds collections.
pub fn heap_value(path: &Path, record: &[u8; RECORD_BYTES], context: &Arc<Context>) {
    if let Ok(file) = file(path, context) {
        let mut heap = HeapReader::new(&file, Meaning::Data);
        let _ = heap.value(record);
        let _ = heap.sound_value(record);
        let _ = is_endless(&file);
    }
}

/// A file without a superblock.
fn file(path: &Path, context: &Arc<Context>) -> std::io::Result<HdfFile> {
    Ok(HdfFile {
        source: context.file(path)?,
        context: Arc::clone(context),
        others: Others::new(context),
        base: 0,
        wide: true,
    })
}
