//! Rewriting a matrix in another encoding, out of core: into unlinked files, in bounded memory.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::array::{SharedArray, beyond_memory, read_vec};
use crate::base::{DType, Progress, ReadError, Region};
use crate::concat::sparse::planned::Origin;
use crate::concat::sparse::stored::{Compressed, IndexType, SpillWriter};

/// Entries of the source read at a time.
const BATCH_ENTRIES: u64 = 1 << 20;
/// Bytes of a dense source read at a time.
const BATCH_BYTES: u64 = 16 << 20;
/// The least that a pass over the source rewrites.
const MIN_PASS_BYTES: u64 = 16 << 20;

/// The three files of a matrix that is being written.
struct Target {
    data: SpillWriter,
    indices: SpillWriter,
    indptr: SpillWriter,
    index_type: IndexType,
    nnz: u64,
}

impl Target {
    fn new(dir: &Path, dtype: DType, num_minor: u64) -> Result<Self, ReadError> {
        let index_type = IndexType::holding(num_minor);
        let mut indptr = SpillWriter::new(dir, DType::U64)?;
        indptr.write(&0_u64.to_le_bytes())?;
        Ok(Self {
            data: SpillWriter::new(dir, dtype)?,
            indices: SpillWriter::new(dir, index_type.dtype())?,
            indptr,
            index_type,
            nnz: 0,
        })
    }

    /// Ends a major slice that holds `len` entries.
    fn end_major(&mut self, len: u64) -> Result<(), ReadError> {
        self.nnz += len;
        self.indptr.write(&self.nnz.to_le_bytes())
    }

    fn finish(
        self,
        num_major: u64,
        num_minor: u64,
        origin: &Arc<Origin>,
    ) -> Result<Compressed, ReadError> {
        Ok(Compressed {
            data: self.data.finish()?,
            indices: self.indices.finish()?,
            indptr: self.indptr.finish()?,
            num_major,
            num_minor,
            nnz: self.nnz,
            origin: Arc::clone(origin),
        })
    }
}

/// The non-zero elements of a dense matrix by rows (`csr_matrix(dense)`): NaN counts, -0 does not.
pub(super) fn dense_to_rows(
    array: &SharedArray,
    origin: &Arc<Origin>,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<Compressed, ReadError> {
    let &[num_rows, num_columns] = array.shape() else {
        return Err(origin.corrupt("", "is not a matrix"));
    };
    let dtype = array.dtype();
    let unit = dtype.size_bytes();
    let mut target = Target::new(dir, dtype, num_columns)?;
    let row_bytes = num_columns.saturating_mul(unit as u64).max(1);
    let band = (BATCH_BYTES / row_bytes).max(1);
    let index_type = target.index_type;
    let mut start = 0;
    while start < num_rows {
        progress.go_on()?;
        let end = (start + band).min(num_rows);
        if num_columns == 0 {
            (start..end).try_for_each(|_| target.end_major(0))?;
            start = end;
            continue;
        }
        let bytes = read_vec(array.as_ref(), &Region::rows(start..end, array.shape()))?;
        let rows: Vec<(Vec<u8>, Vec<u8>)> = bytes
            .par_chunks_exact(row_bytes as usize)
            .map(|row| nonzero_elements(row, dtype, index_type))
            .collect();
        for (indices, data) in rows {
            target.indices.write(&indices)?;
            target.data.write(&data)?;
            target.end_major((data.len() / unit) as u64)?;
        }
        progress.advance(bytes.len() as u64);
        start = end;
    }
    target.finish(num_rows, num_columns, origin)
}

/// Columns and values of the non-zero elements of a row.
fn nonzero_elements(row: &[u8], dtype: DType, index_type: IndexType) -> (Vec<u8>, Vec<u8>) {
    let unit = dtype.size_bytes();
    let mut columns = Vec::new();
    let mut data = Vec::new();
    for (column, element) in row.chunks_exact(unit).enumerate() {
        if !is_zero(element, dtype) {
            columns.push(column as u64);
            data.extend_from_slice(element);
        }
    }
    let mut indices = vec![0; columns.len() * index_type.size_bytes()];
    index_type.write(columns.into_iter(), &mut indices);
    (indices, data)
}

/// True for 0 and -0.
fn is_zero(element: &[u8], dtype: DType) -> bool {
    let half = element.len() / 2;
    let (last, rest) = match element.split_last() {
        Some(split) => split,
        None => return true,
    };
    let sign_free = last & 0x7F == 0;
    match dtype {
        DType::F16 | DType::F32 | DType::F64 => sign_free && rest.iter().all(|&byte| byte == 0),
        DType::C64 => {
            is_zero(&element[..half], DType::F32) && is_zero(&element[half..], DType::F32)
        }
        DType::C128 => {
            is_zero(&element[..half], DType::F64) && is_zero(&element[half..], DType::F64)
        }
        _ => element.iter().all(|&byte| byte == 0),
    }
}

/// The same matrix compressed along its other axis (`tocsr` of CSC, `tocsc` of CSR). Entries of a
/// slice come out in the order of the source's slices, so sorted; duplicates stay.
///
/// Reads `indices` once to count, then the source once for every `memory_bytes` of entries.
pub fn transposed(
    source: &Compressed,
    memory_bytes: u64,
    dir: &Path,
    progress: &dyn Progress,
) -> Result<Compressed, ReadError> {
    let counts = count_minors(source, progress)?;
    let dtype = source.dtype();
    let mut target = Target::new(dir, dtype, source.num_major)?;
    let entry_bytes = (dtype.size_bytes() + target.index_type.size_bytes()) as u64;
    let max_entries = memory_bytes.max(MIN_PASS_BYTES) / entry_bytes;
    let mut start = 0;
    while start < counts.len() {
        let mut entries = counts[start];
        let mut end = start + 1;
        while end < counts.len() && entries + counts[end] <= max_entries {
            entries += counts[end];
            end += 1;
        }
        scatter_pass(source, start..end, &counts, entries, &mut target, progress)?;
        for &count in &counts[start..end] {
            target.end_major(count)?;
        }
        progress.advance(entries * dtype.size_bytes() as u64);
        start = end;
    }
    target.finish(source.num_minor, source.num_major, &source.origin)
}

/// Number of entries under each minor index.
fn count_minors(source: &Compressed, progress: &dyn Progress) -> Result<Vec<u64>, ReadError> {
    // How many there are is a claim of the file. What is only asked for is never touched.
    let num_minor = usize::try_from(source.num_minor).unwrap_or(usize::MAX);
    Vec::<u64>::new()
        .try_reserve_exact(num_minor)
        .map_err(|_| beyond_memory(&format!("{num_minor} counts")))?;
    let mut counts = vec![0_u64; num_minor];
    let (mut bytes, mut minors) = (Vec::new(), Vec::new());
    let mut start = 0;
    while start < source.nnz {
        progress.go_on()?;
        let end = (start + BATCH_ENTRIES).min(source.nnz);
        source.minors(start..end, &mut bytes, &mut minors)?;
        for &minor in &minors {
            counts[minor as usize] += 1;
        }
        progress.advance((end - start) * source.index_bytes() as u64);
        start = end;
    }
    Ok(counts)
}

/// Collects the entries whose minor index lies in `band` and appends them to the target.
fn scatter_pass(
    source: &Compressed,
    band: Range<usize>,
    counts: &[u64],
    entries: u64,
    target: &mut Target,
    progress: &dyn Progress,
) -> Result<(), ReadError> {
    if entries == 0 {
        return Ok(());
    }
    let unit = source.dtype().size_bytes();
    let mut cursors = Vec::with_capacity(band.len());
    let mut sum = 0;
    for &count in &counts[band.clone()] {
        cursors.push(sum);
        sum += count as usize;
    }
    let mut majors = vec![0_u32; entries as usize];
    let mut values = vec![0_u8; entries as usize * unit];
    let (mut bytes, mut minors, mut batch_values) = (Vec::new(), Vec::new(), Vec::new());
    let mut major = 0_u64;
    let mut offsets = OffsetsWindow::new(source)?;
    let mut start = 0;
    while start < source.nnz {
        progress.go_on()?;
        let end = (start + BATCH_ENTRIES).min(source.nnz);
        source.minors(start..end, &mut bytes, &mut minors)?;
        batch_values.resize(minors.len() * unit, 0);
        source.data.read_into(&Region::line(start..end), &mut batch_values)?;
        let mut at = start;
        while at < end {
            while offsets.end_of(major)? <= at {
                major += 1;
            }
            let stop = offsets.end_of(major)?.min(end);
            let local = (at - start) as usize..(stop - start) as usize;
            let run = minors[local.clone()]
                .iter()
                .zip(batch_values[local.start * unit..].chunks_exact(unit));
            for (&minor, value) in run {
                let Some(cursor) =
                    (minor as usize).checked_sub(band.start).and_then(|at| cursors.get_mut(at))
                else {
                    continue;
                };
                // A source that changed since the count could overrun its slice.
                let (Some(slot), Some(bytes)) =
                    (majors.get_mut(*cursor), values.get_mut(*cursor * unit..(*cursor + 1) * unit))
                else {
                    return Err(source.origin.corrupt("indices", "changed while it was read"));
                };
                *slot = major as u32;
                bytes.copy_from_slice(value);
                *cursor += 1;
            }
            at = stop;
        }
        start = end;
    }
    let mut indices = vec![0; majors.len() * target.index_type.size_bytes()];
    target.index_type.write(majors.into_iter().map(u64::from), &mut indices);
    target.indices.write(&indices)?;
    target.data.write(&values)
}

/// Ends of major slices, asked for in rising order.
struct OffsetsWindow<'a> {
    source: &'a Compressed,
    start: u64,
    offsets: Vec<u64>,
}

impl<'a> OffsetsWindow<'a> {
    const LEN: u64 = 64 << 10;

    fn new(source: &'a Compressed) -> Result<Self, ReadError> {
        let mut window = Self { source, start: 0, offsets: Vec::new() };
        window.load(0)?;
        Ok(window)
    }

    fn load(&mut self, major: u64) -> Result<(), ReadError> {
        let end = (major + Self::LEN).min(self.source.num_major + 1);
        self.offsets = self.source.offsets(major.min(end)..end)?;
        self.start = major;
        Ok(())
    }

    /// Where a major slice ends; the end of the matrix for one that does not exist.
    fn end_of(&mut self, major: u64) -> Result<u64, ReadError> {
        if major >= self.source.num_major {
            return Ok(u64::MAX);
        }
        if major + 1 < self.start || major + 1 >= self.start + self.offsets.len() as u64 {
            self.load(major)?;
        }
        Ok(self.offsets.get((major + 1 - self.start) as usize).copied().unwrap_or(u64::MAX))
    }
}
