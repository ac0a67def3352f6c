//! The table of a dataset's chunks: loaded on first touch, kept in the block cache.

use std::sync::Arc;

use super::tree::{Chunk, Place};
use crate::base::{Dims, ReadError};
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::headers::chunk_tree;
use crate::input::hdf5::library::Library;
use crate::io::Block;

/// How an extent is cut into chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Extent of a chunk.
    pub chunk: Dims,
    /// Number of chunks along each dimension.
    pub counts: Dims,
}

impl Grid {
    /// `None` when a chunk has no extent or the numbers do not fit.
    pub fn new(shape: &[u64], chunk: &[u64]) -> Option<Self> {
        if chunk.contains(&0) || shape.len() != chunk.len() {
            return None;
        }
        let counts: Dims = shape.iter().zip(chunk).map(|(len, c)| len.div_ceil(*c)).collect();
        counts.iter().try_fold(1_u64, |product, &count| product.checked_mul(count))?;
        Some(Self { chunk: chunk.into(), counts })
    }

    /// Number of chunks.
    pub fn num_chunks(&self) -> u64 {
        self.counts.iter().product()
    }

    /// Row-major number of the chunk at these coordinates.
    pub fn number(&self, coordinates: &[u64]) -> u64 {
        coordinates.iter().zip(&self.counts).fold(0, |number, (at, count)| number * count + at)
    }

    /// What begins at this element.
    pub fn place(&self, origin: &[u64]) -> Place {
        if origin.iter().zip(&self.chunk).any(|(at, chunk)| !at.is_multiple_of(*chunk)) {
            return Place::Between;
        }
        self.number_at(origin).map_or(Place::Outside, Place::Chunk)
    }

    /// Number of the chunk that begins at this element, if it is one of the grid's.
    pub fn number_at(&self, origin: &[u64]) -> Option<u64> {
        let mut number = 0;
        for ((at, chunk), count) in origin.iter().zip(&self.chunk).zip(&self.counts) {
            let coordinate = at / chunk;
            if at % chunk != 0 || coordinate >= *count {
                return None;
            }
            number = number * count + coordinate;
        }
        Some(number)
    }
}

/// Stored chunks by number. One takes 24 bytes, so that a table can live in the block cache.
#[derive(Debug, Clone)]
pub struct Table(Block);

const ENTRY_BYTES: usize = 24;

impl Table {
    pub const fn new(block: Block) -> Self {
        Self(block)
    }

    /// Reads the table of a dataset: by ourselves where the file has the usual index, else through
    /// the library.
    pub fn load(
        file: &Arc<HdfFile>,
        header: u64,
        grid: &Grid,
        library: &Library,
    ) -> Result<Vec<u8>, ReadError> {
        let mut chunks = match Self::own_walk(file, header, grid)? {
            Some(chunks) => chunks,
            None => Self::library_walk(grid, library)?,
        };
        if !chunks.is_sorted_by_key(|chunk| chunk.index) {
            chunks.sort_by_key(|chunk| chunk.index);
        }
        Ok(encode(&chunks))
    }

    /// The chunks by our own walk of a version 1 B-tree; `None` when the index is
    /// of another kind, or the dataset's header is not one that we know.
    pub fn own_walk(
        file: &HdfFile,
        header: u64,
        grid: &Grid,
    ) -> Result<Option<Vec<Chunk>>, ReadError> {
        chunk_tree(file, header)?
            .filter(|tree| tree.key_rank == grid.chunk.len() + 1)
            .map(|tree| tree.chunks(file, grid.num_chunks(), &|origin| grid.place(origin)))
            .transpose()
    }

    /// The chunks as the library lists them.
    pub fn library_walk(grid: &Grid, library: &Library) -> Result<Vec<Chunk>, ReadError> {
        let found = library.chunks()?;
        // A dataset without dimensions has no chunks.
        let origins = found.origins.chunks_exact(grid.chunk.len().max(1));
        let chunk = |(origin, &(offset, len_bytes, mask)): (&[u64], &(u64, u64, u32))| {
            let index = grid.number_at(origin)?;
            let len_bytes = u32::try_from(len_bytes).ok()?;
            Some(Chunk { index, offset, len_bytes, mask })
        };
        Ok(origins.zip(&found.places).filter_map(chunk).collect())
    }

    fn len(&self) -> usize {
        self.0.len() / ENTRY_BYTES
    }

    fn at(&self, position: usize) -> Option<Chunk> {
        let entry = self.0.get(position * ENTRY_BYTES..)?.first_chunk::<ENTRY_BYTES>()?;
        let (index, rest) = entry.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (len_bytes, rest) = rest.split_first_chunk::<4>()?;
        Some(Chunk {
            index: u64::from_le_bytes(*index),
            offset: u64::from_le_bytes(*offset),
            len_bytes: u32::from_le_bytes(*len_bytes),
            mask: u32::from_le_bytes(*rest.first_chunk::<4>()?),
        })
    }

    /// The chunk of this number, if it was ever written.
    pub fn get(&self, index: u64) -> Option<Chunk> {
        // In a dataset without holes the number is the position.
        let guess = usize::try_from(index).ok().and_then(|position| self.at(position));
        if let Some(chunk) = guess.filter(|chunk| chunk.index == index) {
            return Some(chunk);
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let chunk = self.at(middle)?;
            match chunk.index.cmp(&index) {
                std::cmp::Ordering::Equal => return Some(chunk),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

fn encode(chunks: &[Chunk]) -> Vec<u8> {
    let mut out = Vec::with_capacity(chunks.len() * ENTRY_BYTES);
    for chunk in chunks {
        out.extend_from_slice(&chunk.index.to_le_bytes());
        out.extend_from_slice(&chunk.offset.to_le_bytes());
        out.extend_from_slice(&chunk.len_bytes.to_le_bytes());
        out.extend_from_slice(&chunk.mask.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_begins_on_the_grid_or_is_damage() {
        let grid = Grid::new(&[10, 7], &[4, 3]).unwrap();
        assert_eq!(grid.place(&[8, 6]), Place::Chunk(8));
        assert_eq!(grid.place(&[12, 0]), Place::Outside);
        assert_eq!(grid.place(&[8, 5]), Place::Between);
        assert_eq!(grid.place(&[13, 0]), Place::Between);
    }
}
