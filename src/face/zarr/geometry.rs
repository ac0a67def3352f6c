//! How arrays are cut into chunks and shards.

use std::num::NonZeroU64;

use crate::base::Dims;

/// Elements of a chunk of a one-dimensional array, by default: 4 MiB of `float32`.
const DEFAULT_ELEMS: u64 = 1 << 20;
/// Bytes that a chunk of an array of higher rank is filled up to, by default.
const DEFAULT_BLOCK_BYTES: u64 = 4 << 20;
/// The same inside shards, whose point is small units.
const SHARD_ELEMS: u64 = 1 << 16;
const SHARD_BLOCK_BYTES: u64 = 256 << 10;
/// Strings of a chunk at most: a chunk of text is made as a whole to know its length.
const MAX_TEXT_ELEMS: u64 = 1 << 16;
/// Bytes that a chunk or shard may have.
pub const MAX_CHUNK_BYTES: u64 = 1 << 40;

/// Chunk sizes asked for; what is left out gets a default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Geometry {
    /// Rows of a chunk of an array of rank 2 or more, each row whole.
    pub rows: Option<NonZeroU64>,
    /// Elements of a chunk of a one-dimensional array, such as the values of a sparse matrix.
    pub elems: Option<NonZeroU64>,
    /// Bytes of a shard, about; `None` for a file a chunk.
    pub shard_bytes: Option<NonZeroU64>,
}

/// How one array is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// Extent of a file's block: a chunk, or a shard of chunks.
    pub file: Dims,
    /// Extent of the chunks in a shard, which divides `file`; `None` for a chunk a file.
    pub inner: Option<Dims>,
}

impl Geometry {
    /// How an array of fixed-width elements is cut.
    #[must_use]
    pub fn cut(&self, shape: &[u64], element_bytes: usize) -> Cut {
        let element_bytes = element_bytes as u64;
        let (elems, block_bytes) = match self.shard_bytes {
            None => (DEFAULT_ELEMS, DEFAULT_BLOCK_BYTES),
            Some(_) => (SHARD_ELEMS, SHARD_BLOCK_BYTES),
        };
        let mut chunk: Dims = shape.iter().map(|&n| n.max(1)).collect();
        match (shape.len(), self.rows) {
            (0, _) => return Cut { file: chunk, inner: None },
            (1, _) => {
                let elems = self.elems.map_or(elems, NonZeroU64::get);
                chunk[0] = chunk[0].min(elems).min(MAX_CHUNK_BYTES / element_bytes);
            }
            (_, Some(rows)) => {
                fill_up(&mut chunk[1..], MAX_CHUNK_BYTES / element_bytes);
                let row_bytes = chunk[1..].iter().product::<u64>() * element_bytes;
                chunk[0] = chunk[0].min(rows.get()).min(MAX_CHUNK_BYTES / row_bytes).max(1);
            }
            (_, None) => fill_up(&mut chunk, block_bytes / element_bytes),
        }
        let Some(shard_bytes) = self.shard_bytes else {
            return Cut { file: chunk, inner: None };
        };
        let chunk_bytes = chunk.iter().product::<u64>() * element_bytes;
        let shard_bytes = shard_bytes.get().min(MAX_CHUNK_BYTES);
        // Shards of one chunk, too: readers may ask that every array has shards, as anndata's tests do.
        let in_shard = (shard_bytes / chunk_bytes).min(shape[0].div_ceil(chunk[0])).max(1);
        let mut file = chunk.clone();
        file[0] *= in_shard;
        Cut { file, inner: Some(chunk) }
    }

    /// How an array of text is cut: along its first axis only, so that a chunk is one run. A shard
    /// holds one chunk, for the places of others would only be known when all are made.
    #[must_use]
    pub fn cut_text(&self, shape: &[u64]) -> Cut {
        let mut chunk: Dims = shape.iter().map(|&n| n.max(1)).collect();
        if let Some((rows, inner)) = chunk.split_first_mut() {
            let row_elems = inner.iter().fold(1u64, |product, &n| product.saturating_mul(n));
            let elems = self.elems.map_or(MAX_TEXT_ELEMS, |n| n.get().min(MAX_TEXT_ELEMS));
            *rows = (*rows).min(elems / row_elems).max(1);
        }
        let is_sharded = self.shard_bytes.is_some() && !shape.is_empty();
        Cut { inner: is_sharded.then(|| chunk.clone()), file: chunk }
    }
}

/// Shrinks an extent to about `elems` elements, keeping the last axes whole as long as they fit.
fn fill_up(extent: &mut [u64], elems: u64) {
    let mut left = elems.max(1);
    for n in extent.iter_mut().rev() {
        *n = (*n).min(left);
        left /= *n;
        left = left.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(geometry: Geometry, shape: &[u64]) -> (Vec<u64>, Option<Vec<u64>>) {
        let cut = geometry.cut(shape, 4);
        (cut.file.to_vec(), cut.inner.map(|inner| inner.to_vec()))
    }

    #[test]
    fn defaults() {
        let default = Geometry::default();
        assert_eq!(cut(default, &[]), (vec![], None));
        assert_eq!(cut(default, &[0]), (vec![1], None));
        assert_eq!(cut(default, &[7]), (vec![7], None));
        assert_eq!(cut(default, &[9 << 20]), (vec![1 << 20], None));
        assert_eq!(cut(default, &[100_000, 1000]), (vec![1048, 1000], None));
        assert_eq!(cut(default, &[0, 3]), (vec![1, 3], None));
        assert_eq!(cut(default, &[5, 3 << 20]), (vec![1, 1 << 20], None));
        assert_eq!(cut(default, &[1 << 20, 4, 4]), (vec![1 << 16, 4, 4], None));
    }

    #[test]
    fn rows_and_elems() {
        let geometry =
            Geometry { rows: NonZeroU64::new(10), elems: NonZeroU64::new(100), shard_bytes: None };
        assert_eq!(cut(geometry, &[1000, 50]), (vec![10, 50], None));
        assert_eq!(cut(geometry, &[1000]), (vec![100], None));
        assert_eq!(geometry.cut_text(&[1000, 7]).file.to_vec(), [14, 7]);
        assert_eq!(geometry.cut_text(&[1000, 700]).file.to_vec(), [1, 700]);
    }

    #[test]
    fn shards_are_multiples_of_their_chunks() {
        let geometry = Geometry { shard_bytes: NonZeroU64::new(1 << 20), ..Geometry::default() };
        assert_eq!(cut(geometry, &[1 << 24]), (vec![4 << 16], Some(vec![1 << 16])));
    }

    #[test]
    fn every_array_has_shards_when_they_are_asked_for() {
        let geometry = Geometry { shard_bytes: NonZeroU64::new(1 << 10), ..Geometry::default() };
        assert_eq!(cut(geometry, &[100]), (vec![100], Some(vec![100])));
        assert_eq!(cut(geometry, &[0]), (vec![1], Some(vec![1])));
        assert_eq!(cut(geometry, &[0, 3]), (vec![1, 3], Some(vec![1, 3])));
        // A chunk that is larger than the shard which was asked for.
        assert_eq!(cut(geometry, &[1 << 20]), (vec![1 << 16], Some(vec![1 << 16])));
        assert_eq!(cut(geometry, &[]), (vec![], None));
        let text = |shape| geometry.cut_text(shape).inner.map(|inner| inner.to_vec());
        assert_eq!((text(&[5]), text(&[0]), text(&[])), (Some(vec![5]), Some(vec![1]), None));
    }
}
