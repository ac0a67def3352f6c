//! Numbering of entries: which file or directory an id stands for, by arithmetic.
//!
//! Every node has a run of ids: its directory, its metadata files, and (for arrays) the levels of
//! its chunk tree. In zarr v3 the chunk `c/1/0` lies in directories `c` and `c/1`; level `l` has
//! one entry for each index along the first `l` axes, and the last level holds the files. In
//! zarr v2 there are only files, named `1.0`.

use crate::base::Dims;
use crate::face::FaceError;

use super::options::ZarrFormat;

/// What an id stands for within its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The node's directory.
    Node,
    /// Its n-th metadata file.
    Meta(usize),
    /// A directory of chunks: the level, and its flat index there.
    ChunkDir { level: usize, index: u64 },
    /// A file of the chunk grid, by flat index.
    Chunk(u64),
}

/// The chunk tree of one array.
#[derive(Debug, Default)]
pub struct ChunkTree {
    /// Files along each axis.
    pub grid: Dims,
    /// For each level its number of entries; empty when there are no chunks at all.
    levels: Vec<u64>,
    /// The axis after which the first level comes: 0 in v3, the rank in v2.
    first_level: usize,
}

impl ChunkTree {
    /// The tree of an array of this `shape` in files of extent `file`.
    ///
    /// # Errors
    /// More chunks than ids can count.
    pub fn new(
        path: &str,
        shape: &[u64],
        file: &[u64],
        format: ZarrFormat,
    ) -> Result<Self, FaceError> {
        let grid: Dims = shape.iter().zip(file).map(|(n, chunk)| n.div_ceil(*chunk)).collect();
        if grid.contains(&0) {
            return Ok(Self { grid, levels: Vec::new(), first_level: 0 });
        }
        let first_level = match format {
            ZarrFormat::V2 => grid.len(),
            ZarrFormat::V3 => 0,
        };
        let mut levels = Vec::with_capacity(grid.len() + 1);
        let mut num = 1u64;
        for level in 0..=grid.len() {
            if level > 0 {
                num =
                    num.checked_mul(grid[level - 1]).filter(|&n| n < 1 << 40).ok_or_else(|| {
                        FaceError::Unpresentable {
                            path: path.to_owned(),
                            what: "more chunks than can be numbered\n  hint: choose larger chunks"
                                .to_owned(),
                        }
                    })?;
            }
            if level >= first_level {
                levels.push(num);
            }
        }
        Ok(Self { grid, levels, first_level })
    }

    /// Ids that the tree takes.
    pub fn num_ids(&self) -> u64 {
        self.levels.iter().sum()
    }

    /// Number of chunk files.
    pub fn num_files(&self) -> u64 {
        self.levels.last().copied().unwrap_or(0)
    }

    /// What the id at this offset within the tree stands for.
    pub fn place(&self, offset: u64) -> Option<Place> {
        let mut offset = offset;
        for (i, &num) in self.levels.iter().enumerate() {
            if offset < num {
                return Some(self.at(self.first_level + i, offset));
            }
            offset -= num;
        }
        None
    }

    /// The place at a level.
    fn at(&self, level: usize, index: u64) -> Place {
        if level == self.grid.len() {
            Place::Chunk(index)
        } else {
            Place::ChunkDir { level, index }
        }
    }

    /// The offset of a place, which must be one of the tree.
    pub fn offset(&self, place: Place) -> u64 {
        let (level, index) = match place {
            Place::Node | Place::Meta(_) => return 0,
            Place::ChunkDir { level, index } => (level, index),
            Place::Chunk(index) => (self.grid.len(), index),
        };
        self.levels.iter().take(level.saturating_sub(self.first_level)).sum::<u64>() + index
    }

    /// The top of the tree, `c`, when there is one.
    pub fn top(&self) -> Option<Place> {
        (!self.levels.is_empty()).then(|| self.at(0, 0))
    }

    /// The `n`-th entry of a directory of chunks.
    pub fn child(&self, level: usize, index: u64, n: u64) -> Option<Place> {
        let num = *self.grid.get(level)?;
        (n < num).then(|| self.at(level + 1, index * num + n))
    }

    /// The first element of a chunk file's block, for files of extent `file`.
    pub fn start(&self, chunk: u64, file: &[u64]) -> Dims {
        let mut rest = chunk;
        let mut start: Dims = self.grid.iter().map(|_| 0).collect();
        for d in (0..self.grid.len()).rev() {
            start[d] = rest % self.grid[d] * file[d];
            rest /= self.grid[d];
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_and_places_go_both_ways() {
        for format in [ZarrFormat::V2, ZarrFormat::V3] {
            for shape in [&[][..], &[7], &[7, 3], &[4, 3, 9]] {
                let file: Vec<u64> = shape.iter().map(|_| 2).collect();
                let tree = ChunkTree::new("x", shape, &file, format).unwrap();
                for offset in 0..tree.num_ids() {
                    let place = tree.place(offset).unwrap();
                    assert_eq!(tree.offset(place), offset);
                }
                assert_eq!(tree.place(tree.num_ids()), None);
            }
        }
    }

    #[test]
    fn no_elements_no_chunks() {
        let tree = ChunkTree::new("x", &[0, 3], &[1, 3], ZarrFormat::V3).unwrap();
        assert_eq!((tree.num_ids(), tree.top()), (0, None));
    }
}
