//! How numbers are stored, and what of a file is left to be filled.

use super::heap::PlacedText;
use crate::array::{SharedArray, len_bytes};
use crate::base::Dims;

/// How a numeric dataset is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// As one run of bytes.
    Contiguous,
    /// As encoded chunks.
    Chunked(Grid),
}

/// The grid and the filters of a chunked dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Extent of a chunk.
    pub shape: Dims,
    /// Whether bytes are shuffled before they are compressed.
    pub shuffles: bool,
    /// The compressing filter, the last one.
    pub filter: Filter,
}

/// A compressing filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// zlib at a level of 0 to 9.
    Gzip {
        /// Compression level.
        level: u8,
    },
    /// lzf, as h5py registers it.
    Lzf,
}

/// Numbers that the file has room for, in one run of bytes.
#[derive(Debug, Clone)]
pub struct PlacedNumbers {
    /// The dataset.
    pub element: String,
    /// What goes there: its elements in row-major order.
    pub source: SharedArray,
    /// Where they begin in the file.
    pub offset: u64,
    /// Numbers of the same group have the same number.
    pub parent: usize,
}

impl PlacedNumbers {
    /// Bytes of all numbers.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        len_bytes(&*self.source)
    }
}

/// What the file still lacks. All other bytes are there.
#[derive(Debug)]
pub struct Layout {
    /// Length of the file, which has it already.
    pub len_bytes: u64,
    /// Numbers, in the order of the tree. None is empty.
    pub numbers: Vec<PlacedNumbers>,
    /// Text, in the order of the tree.
    pub texts: Vec<PlacedText>,
}
