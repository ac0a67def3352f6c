//! The elements of one dataset as the file stores them: read by region, whatever the layout.

use std::ops::Range;
use std::sync::Arc;

use super::external::External;
use crate::array::{StoredChunk, copy_region};
use crate::base::{Dims, ReadError, Region};
use crate::input::hdf5::chunks::Chunked;
use crate::input::hdf5::elements::{Runs, fill};
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::library::Library;

/// Where the elements lie.
#[derive(Debug)]
pub enum Layout {
    /// Nowhere: every element is this one. Empty means zeros.
    Fill(Vec<u8>),
    /// Here.
    Compact(Vec<u8>),
    /// One after another from this offset of the file.
    Contiguous(u64),
    /// One after another, in other files.
    External(External),
    /// In chunks.
    Chunked(Arc<Chunked>),
    /// The library knows.
    Library(Library),
}

/// The elements of one dataset.
#[derive(Debug)]
pub struct Storage {
    pub file: Arc<HdfFile>,
    /// Absolute path of the dataset.
    pub element: String,
    pub shape: Dims,
    /// Bytes of one element as stored.
    pub element_bytes: usize,
    layout: Layout,
}

impl Storage {
    /// Checks that the layout can hold the extent.
    pub fn new(
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
            Layout::External(external) if external.len_bytes() < len_bytes => {
                return Err(format!(
                    "{} bytes lie in other files where {len_bytes} are expected",
                    external.len_bytes()
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
    pub fn grain(&self) -> Option<&[u64]> {
        match &self.layout {
            // Nobody can align to what does not fit into memory.
            Layout::Chunked(chunked) if !chunked.is_huge() => Some(chunked.chunk_shape()),
            _ => None,
        }
    }

    /// The elements of the only axis that are in one filtered chunk with `element`.
    pub fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        match (&self.layout, self.shape.as_slice()) {
            (Layout::Chunked(chunked), &[extent])
                if !chunked.is_unfiltered() && !chunked.is_huge() =>
            {
                let len = *chunked.chunk_shape().first()?;
                let start = element / len * len;
                Some(start..start.saturating_add(len).min(extent))
            }
            _ => None,
        }
    }

    /// True when elements lie in the file one after another, or nearly so: contiguous, or in
    /// unfiltered chunks along the only axis.
    pub fn is_stored_as_is(&self) -> bool {
        match &self.layout {
            Layout::Contiguous(_) => true,
            Layout::Chunked(chunked) => self.shape.len() == 1 && chunked.is_unfiltered(),
            _ => false,
        }
    }

    /// The stored bytes of the chunk that `region` is, if it is one.
    pub fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        match &self.layout {
            Layout::Chunked(chunked) => {
                chunked.stored_chunk(region).map_err(|error| error.within(&self.element))
            }
            _ => Ok(None),
        }
    }

    /// Fills `out` with the stored bytes of a region.
    pub fn read(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
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
            Layout::Contiguous(offset) => self
                .read_runs(region, out, |at, out| self.file.source.read_exact_at(offset + at, out)),
            Layout::External(external) => {
                self.read_runs(region, out, |at, out| external.read(at, out))
            }
            Layout::Chunked(chunked) => chunked.read(region, out),
            Layout::Library(library) => library.read(region, out),
        }
        .map_err(|error| error.within(&self.element))
    }

    /// Reads elements that lie one after another, by what reads at an offset from the first one.
    fn read_runs(
        &self,
        region: &Region,
        out: &mut [u8],
        read: impl Fn(u64, &mut [u8]) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let runs = Runs::new(&self.shape, region, self.element_bytes);
        runs.read(runs.run_bytes, out, |at| at, read)
    }
}
