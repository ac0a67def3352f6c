//! Parts of a major-aligned stack: the contract, and those whose entries need no rewriting.

use std::cell::RefCell;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use crate::array::{SharedArray, StoredChunk};
use crate::base::parallel::is_sequential;
use crate::base::{DType, ReadError, Region};
use crate::concat::sparse::stored::{
    ColumnMap, Compressed, IndexType, copy_shifted, load_minors, map_in_place, shift_in_place,
};

/// Entries converted at a time, about: source and result of one batch stay in the second-level cache.
const BATCH: u64 = 32 << 10;
/// Stored units of more entries are not converted as a whole, or buffers would become large.
const MAX_GRAIN: u64 = 1 << 20;

/// Consecutive major slices of the result.
///
/// Entries are numbered within the part. Values have the dtype of the result.
pub trait Part: Debug + Send + Sync {
    /// Number of major slices.
    fn num_major(&self) -> u64;

    /// Number of entries.
    fn nnz(&self) -> u64;

    /// Where major slices begin; the range may include `num_major`, where the last one ends.
    fn offsets(&self, range: Range<u64>) -> Result<Vec<u64>, ReadError>;

    /// Fills `out` with the minor indices of entries.
    fn read_minors(
        &self,
        range: Range<u64>,
        to: IndexType,
        out: &mut [u8],
    ) -> Result<(), ReadError>;

    /// Fills `out` with the values of entries.
    fn read_values(&self, range: Range<u64>, out: &mut [u8]) -> Result<(), ReadError>;

    /// The entries whose values are decoded together with that of `entry`, if known.
    fn values_decoded_with(&self, _entry: u64) -> Option<Range<u64>> {
        None
    }

    /// The entries whose minor indices are decoded together with that of `entry`, if known.
    fn minors_decoded_with(&self, _entry: u64) -> Option<Range<u64>> {
        None
    }

    /// The array whose elements are the values, unchanged.
    fn plain_values(&self) -> Option<&SharedArray> {
        None
    }

    /// The array whose elements are the minor indices, unchanged.
    fn plain_minors(&self, _to: IndexType) -> Option<&SharedArray> {
        None
    }
}

/// The stored chunk of a part's plain array, which may be longer than the part's entries.
pub(super) fn plain_chunk(
    array: Option<&SharedArray>,
    range: Range<u64>,
) -> Result<Option<StoredChunk>, ReadError> {
    array.map_or(Ok(None), |array| array.stored_chunk(&Region::line(range)))
}

thread_local! {
    static BUFFER: RefCell<(Vec<u8>, Vec<u32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// A source's entries as they are, but for an index shift or a rising table, and a cast.
#[derive(Debug)]
pub struct Direct {
    pub matrix: Compressed,
    /// The values in the dtype of the result.
    pub values: SharedArray,
    /// Added to every minor index.
    pub shift: u64,
    /// Where minor indices go, when they change otherwise; rising and without loss.
    pub map: Option<Arc<ColumnMap>>,
}

impl Direct {
    /// True when indices of the source take the room of those of the result, so that they can be
    /// changed where they have been read to.
    fn is_in_place(&self, to: IndexType) -> bool {
        self.matrix.indices.dtype() == DType::I32
            && to == IndexType::Narrow
            && (self.map.is_none() || self.shift == 0)
    }

    fn is_plain(&self, to: IndexType) -> bool {
        self.is_in_place(to) && self.map.is_none()
    }

    /// Entries of a batch, whose ends are multiples of it: whole stored units, unless those are
    /// large. A unit that is wanted whole is decoded straight to where it goes.
    fn batch(&self) -> u64 {
        match self.matrix.indices.grain() {
            Some(&[grain]) if (1..=MAX_GRAIN).contains(&grain) => (BATCH / grain).max(1) * grain,
            _ => BATCH,
        }
    }

    fn read_in_place(&self, range: Range<u64>, out: &mut [u8]) -> Result<(), ReadError> {
        let matrix = &self.matrix;
        let start = range.start;
        matrix.indices.read_into(&Region::line(range), out)?;
        match &self.map {
            None => shift_in_place(out, matrix.num_minor, self.shift),
            Some(map) => map_in_place(out, &map.table),
        }
        .map_err(|bad| matrix.bad_minor(&bad, start))
    }

    fn read_batch(
        &self,
        range: Range<u64>,
        to: IndexType,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let matrix = &self.matrix;
        let dtype = matrix.indices.dtype();
        let start = range.start;
        // Taken out, not borrowed: reading may call back on this thread.
        let (mut bytes, mut minors) = BUFFER.take();
        bytes.resize((range.end - start) as usize * dtype.size_bytes(), 0);
        let read = matrix.indices.read_into(&Region::line(range), &mut bytes).and_then(|()| {
            let bound = matrix.num_minor;
            match &self.map {
                None => copy_shifted(dtype, &bytes, bound, self.shift, to, out),
                Some(map) => {
                    load_minors(dtype, &bytes, map.table.len() as u32, &mut minors).map(|()| {
                        let targets =
                            minors.iter().map(|&minor| u64::from(map.table[minor as usize]));
                        to.write(targets, out);
                    })
                }
            }
            .map_err(|bad| matrix.bad_minor(&bad, start))
        });
        BUFFER.set((bytes, minors));
        read
    }
}

impl Part for Direct {
    fn num_major(&self) -> u64 {
        self.matrix.num_major
    }

    fn nnz(&self) -> u64 {
        self.matrix.nnz
    }

    fn offsets(&self, range: Range<u64>) -> Result<Vec<u64>, ReadError> {
        self.matrix.offsets(range)
    }

    fn read_minors(
        &self,
        range: Range<u64>,
        to: IndexType,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let in_place = self.is_in_place(to);
        // The source spreads a long read over all cores, unless they are busy anyway.
        if in_place && !is_sequential() {
            return self.read_in_place(range, out);
        }
        let (batch, mut start, mut rest) = (self.batch(), range.start, out);
        while start < range.end {
            let end = ((start / batch + 1) * batch).min(range.end);
            let (out, after) = rest.split_at_mut((end - start) as usize * to.size_bytes());
            if in_place {
                self.read_in_place(start..end, out)?;
            } else {
                self.read_batch(start..end, to, out)?;
            }
            (start, rest) = (end, after);
        }
        Ok(())
    }

    fn read_values(&self, range: Range<u64>, out: &mut [u8]) -> Result<(), ReadError> {
        self.values.read_into(&Region::line(range), out)
    }

    fn values_decoded_with(&self, entry: u64) -> Option<Range<u64>> {
        self.values.decoded_with(entry)
    }

    fn minors_decoded_with(&self, entry: u64) -> Option<Range<u64>> {
        self.matrix.indices.decoded_with(entry)
    }

    fn plain_values(&self) -> Option<&SharedArray> {
        Some(&self.values)
    }

    fn plain_minors(&self, to: IndexType) -> Option<&SharedArray> {
        (self.is_plain(to) && self.shift == 0).then_some(&self.matrix.indices)
    }
}

/// Major slices that all hold the same columns: none, or every one.
#[derive(Debug)]
pub struct Uniform {
    pub num_major: u64,
    /// Entries of each slice.
    pub width: u64,
    /// First minor index.
    pub shift: u64,
    pub values: UniformValues,
}

/// Values of a [`Uniform`] part.
#[derive(Debug)]
pub enum UniformValues {
    /// The bytes of the one value; unused when the width is 0.
    Same(Vec<u8>),
    /// A dense matrix of `num_major × width` in the dtype of the result.
    Dense(SharedArray),
}

impl Uniform {
    /// `num_major` slices without entries.
    pub const fn blank(num_major: u64) -> Self {
        Self { num_major, width: 0, shift: 0, values: UniformValues::Same(Vec::new()) }
    }
}

impl Part for Uniform {
    fn num_major(&self) -> u64 {
        self.num_major
    }

    fn nnz(&self) -> u64 {
        // Checked when the part was made.
        self.num_major * self.width
    }

    fn offsets(&self, range: Range<u64>) -> Result<Vec<u64>, ReadError> {
        Ok(range.map(|major| major * self.width).collect())
    }

    fn read_minors(
        &self,
        range: Range<u64>,
        to: IndexType,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        if self.width > 0 {
            let (width, shift) = (self.width, self.shift);
            to.write(range.map(|entry| entry % width + shift), out);
        }
        Ok(())
    }

    fn read_values(&self, range: Range<u64>, out: &mut [u8]) -> Result<(), ReadError> {
        match &self.values {
            UniformValues::Same(value) => {
                for target in out.chunks_exact_mut(value.len().max(1)) {
                    target.copy_from_slice(value);
                }
                Ok(())
            }
            UniformValues::Dense(array) => read_flat(array, self.width, range, out),
        }
    }
}

/// Elements of a matrix `width` wide, counted in row-major order.
fn read_flat(
    array: &SharedArray,
    width: u64,
    range: Range<u64>,
    mut out: &mut [u8],
) -> Result<(), ReadError> {
    let element_bytes = array.dtype().size_bytes();
    let mut start = range.start;
    while start < range.end {
        let (row, column) = (start / width, start % width);
        let whole_rows = (range.end - start) / width;
        let (rows, columns) = if column == 0 && whole_rows > 0 {
            (whole_rows, width)
        } else {
            (1, (width - column).min(range.end - start))
        };
        let region = Region::new([row, column].as_slice(), [rows, columns].as_slice());
        let (head, rest) = out.split_at_mut((rows * columns) as usize * element_bytes);
        array.read_into(&region, head)?;
        out = rest;
        start += rows * columns;
    }
    Ok(())
}
