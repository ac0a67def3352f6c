//! The elements of one dataset as the file stores them: read by region, whatever the layout.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::chunked::Chunked;
use super::fallback::Library;
use crate::array::{StoredChunk, copy_region};
use crate::base::{Dims, ReadError, Region};
use crate::input::OpenError;
use crate::io::SourceFile;

/// An HDF5 file that is read without the library.
pub(super) struct HdfFile {
    pub(super) source: SourceFile,
    /// Where the superblock lies; addresses in the file count from here.
    pub(super) base: u64,
    /// Addresses and lengths take eight bytes, as in every file that a usual writer makes. If not,
    /// structures inside the file are left to the library.
    pub(super) wide: bool,
}

/// Nothing that differs from one opening to the next, so that trees can be compared by this.
impl std::fmt::Debug for HdfFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HdfFile")
            .field("path", &self.source.path())
            .field("base", &self.base)
            .field("wide", &self.wide)
            .finish_non_exhaustive()
    }
}

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

impl HdfFile {
    /// Finds the superblock (format specification, II.A).
    pub(super) fn new(source: SourceFile, path: &Path) -> Result<Self, OpenError> {
        let mut base = 0;
        let mut head = [0; 16];
        loop {
            if source.len().saturating_sub(base) < head.len() as u64 {
                return Err(OpenError::NotHdf5 { path: path.to_owned(), found: guess(&source) });
            }
            source.read_exact_at(base, &mut head).map_err(|error| match error {
                ReadError::Io { source, .. } => {
                    OpenError::Unreadable { path: path.to_owned(), source }
                }
                other => OpenError::Damaged { path: path.to_owned(), what: other.to_string() },
            })?;
            if head[..8] == SIGNATURE {
                break;
            }
            base = if base == 0 { 512 } else { base * 2 };
        }
        let sizes = if head[8] < 2 { [head[13], head[14]] } else { [head[9], head[10]] };
        Ok(Self { source, base, wide: sizes == [8, 8] })
    }
}

/// What a file that is no HDF5 file seems to be.
fn guess(source: &SourceFile) -> &'static str {
    let mut head = [0; 4];
    let len = source.len().min(4) as usize;
    if source.read_exact_at(0, &mut head[..len]).is_err() {
        return "";
    }
    match head {
        _ if len == 0 => " (it is empty)",
        [0x1f, 0x8b, ..] => " but gzip-compressed data (gunzip it first)",
        [b'P', b'K', 3 | 5, ..] => " but a zip archive (unpack it first)",
        _ => "",
    }
}

/// Where the elements lie.
#[derive(Debug)]
pub(super) enum Layout {
    /// Nowhere: every element is this one. Empty means zeros.
    Fill(Vec<u8>),
    /// Here.
    Compact(Vec<u8>),
    /// One after another from this offset of the file.
    Contiguous(u64),
    /// In chunks.
    Chunked(Arc<Chunked>),
    /// The library knows.
    Library(Library),
}

/// The elements of one dataset.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) file: Arc<HdfFile>,
    /// Absolute path of the dataset.
    pub(super) element: String,
    pub(super) shape: Dims,
    /// Bytes of one element as stored.
    pub(super) element_bytes: usize,
    layout: Layout,
}

/// Reads with holes between their runs fetch the holes too while a run and a hole are below this.
const SMALL_STRIDE_BYTES: u64 = 64 << 10;
/// Most bytes that such a read fetches at once.
const SPAN_BYTES: u64 = 1 << 20;

impl Storage {
    /// Checks that the layout can hold the extent.
    pub(super) fn new(
        file: &Arc<HdfFile>,
        element: &str,
        shape: Dims,
        element_bytes: usize,
        layout: Layout,
    ) -> Result<Self, String> {
        let len_bytes = shape
            .iter()
            .try_fold(element_bytes as u64, |product, &dim| product.checked_mul(dim))
            .ok_or_else(|| format!("the extent {shape:?} is impossible"))?;
        match &layout {
            Layout::Compact(bytes) if (bytes.len() as u64) < len_bytes => {
                return Err(format!(
                    "{} bytes are stored where {len_bytes} are expected",
                    bytes.len()
                ));
            }
            Layout::Contiguous(offset)
                if offset.checked_add(len_bytes).is_none_or(|end| end > file.source.len()) =>
            {
                return Err(format!(
                    "the data ({len_bytes} bytes at {offset}) reach past the end of the file, \
                     which is truncated"
                ));
            }
            _ => {}
        }
        Ok(Self {
            file: Arc::clone(file),
            element: element.to_owned(),
            shape,
            element_bytes,
            layout,
        })
    }

    /// The shape of the unit that is stored as one, if any.
    pub(super) fn grain(&self) -> Option<&[u64]> {
        match &self.layout {
            Layout::Chunked(chunked) => Some(chunked.chunk_shape()),
            _ => None,
        }
    }

    /// The elements of the only axis that are in one filtered chunk with `element`.
    pub(super) fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        match (&self.layout, self.shape.as_slice()) {
            (Layout::Chunked(chunked), &[extent]) if !chunked.is_unfiltered() => {
                let len = *chunked.chunk_shape().first()?;
                let start = element / len * len;
                Some(start..start.saturating_add(len).min(extent))
            }
            _ => None,
        }
    }

    /// True when elements lie in the file one after another, or nearly so: contiguous, or in
    /// unfiltered chunks along the only axis.
    pub(super) fn is_stored_as_is(&self) -> bool {
        match &self.layout {
            Layout::Contiguous(_) => true,
            Layout::Chunked(chunked) => self.shape.len() == 1 && chunked.is_unfiltered(),
            _ => false,
        }
    }

    /// The stored bytes of the chunk that `region` is, if it is one.
    pub(super) fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        match &self.layout {
            Layout::Chunked(chunked) => {
                chunked.stored_chunk(region).map_err(|error| error.within(&self.element))
            }
            _ => Ok(None),
        }
    }

    /// Fills `out` with the stored bytes of a region.
    pub(super) fn read(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        debug_assert!(region.fits(&self.shape), "{}: {region:?}", self.element);
        debug_assert_eq!(out.len() as u64, region.num_elements() * self.element_bytes as u64);
        if out.is_empty() {
            return Ok(());
        }
        match &self.layout {
            Layout::Fill(value) => {
                fill(out, value);
                Ok(())
            }
            Layout::Compact(bytes) => {
                copy_region(bytes, &self.shape, region, self.element_bytes, out);
                Ok(())
            }
            Layout::Contiguous(offset) => self.read_contiguous(*offset, region, out),
            Layout::Chunked(chunked) => chunked.read(region, out),
            Layout::Library(library) => library.read(region, out),
        }
        .map_err(|error| error.within(&self.element))
    }

    fn read_contiguous(
        &self,
        offset: u64,
        region: &Region,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        let runs = Runs::new(&self.shape, region, self.element_bytes);
        let source = &self.file.source;
        if runs.count == 1 || runs.run_bytes >= SMALL_STRIDE_BYTES {
            for (run, out) in out.chunks_exact_mut(runs.run_bytes as usize).enumerate() {
                source.read_exact_at(offset + runs.start(run as u64), out)?;
            }
            return Ok(());
        }
        let mut span = Vec::new();
        let mut run = 0;
        while run < runs.count {
            let first = runs.start(run);
            let mut next = run + 1;
            let mut end = first + runs.run_bytes;
            while next < runs.count {
                let start = runs.start(next);
                if start - end > SMALL_STRIDE_BYTES || start + runs.run_bytes - first > SPAN_BYTES {
                    break;
                }
                end = start + runs.run_bytes;
                next += 1;
            }
            span.resize((end - first) as usize, 0);
            source.read_exact_at(offset + first, &mut span)?;
            let bytes = (run * runs.run_bytes) as usize..(next * runs.run_bytes) as usize;
            for (i, out) in out[bytes].chunks_exact_mut(runs.run_bytes as usize).enumerate() {
                let at = (runs.start(run + i as u64) - first) as usize;
                out.copy_from_slice(&span[at..at + out.len()]);
            }
            run = next;
        }
        Ok(())
    }
}

/// The contiguous runs of bytes that a region of a row-major array consists of, all equally long.
pub(super) struct Runs<'a> {
    pub(super) run_bytes: u64,
    pub(super) count: u64,
    shape: &'a [u64],
    region: &'a Region,
    /// Axes before this one are walked, the others lie within a run.
    axis: usize,
    element_bytes: u64,
}

impl<'a> Runs<'a> {
    pub(super) fn new(shape: &'a [u64], region: &'a Region, element_bytes: usize) -> Self {
        let mut axis = shape.len();
        while axis > 0 && region.len()[axis - 1] == shape[axis - 1] {
            axis -= 1;
        }
        let axis = axis.saturating_sub(1);
        let run_elements: u64 = region.len()[axis.min(shape.len())..].iter().product();
        let count = region.len()[..axis].iter().product();
        let element_bytes = element_bytes as u64;
        Self { run_bytes: run_elements * element_bytes, count, shape, region, axis, element_bytes }
    }

    /// Offset from the array's first byte of the byte that is `at` bytes into the region.
    pub(super) fn at(&self, at: u64) -> u64 {
        self.start(at / self.run_bytes) + at % self.run_bytes
    }

    /// Offset of a run from the array's first byte.
    pub(super) fn start(&self, run: u64) -> u64 {
        let (mut rest, mut at, mut stride) = (run, 0, 1);
        for axis in (0..self.shape.len()).rev() {
            let mut index = self.region.start()[axis];
            if axis < self.axis {
                let len = self.region.len()[axis];
                index += rest % len;
                rest /= len;
            }
            at += index * stride;
            stride *= self.shape[axis];
        }
        at * self.element_bytes
    }
}

/// Repeats `value` over `out`; zeros when it is empty.
pub(super) fn fill(out: &mut [u8], value: &[u8]) {
    if value.iter().all(|&b| b == 0) {
        out.fill(0);
    } else {
        for element in out.chunks_exact_mut(value.len()) {
            element.copy_from_slice(value);
        }
    }
}

/// The regions that a range of row-major positions consists of, in order.
pub(super) fn regions(shape: &[u64], range: std::ops::Range<u64>) -> Vec<Region> {
    if range.is_empty() {
        return Vec::new();
    }
    match shape.len() {
        0 => return vec![Region::whole(shape)],
        1 => return vec![Region::line(range)],
        _ => {}
    }
    let row: u64 = shape[1..].iter().product();
    let mut out = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let index = at / row;
        let within = at % row;
        if within == 0 && range.end - at >= row {
            let rows = index..range.end / row;
            at = rows.end * row;
            out.push(Region::rows(rows, shape));
            continue;
        }
        let end = (range.end - index * row).min(row);
        for inner in regions(&shape[1..], within..end) {
            let below = |first: u64, rest: &[u64]| -> Dims {
                std::iter::once(first).chain(rest.iter().copied()).collect()
            };
            out.push(Region::new(below(index, inner.start()), below(1, inner.len())));
        }
        at = index * row + end;
    }
    out
}
