//! Describes one dataset: type, extent, layout, filters. Makes the lazy array.

use std::sync::Arc;

use hdf5_sys::{h5d, h5p, h5s, h5z};

use super::chunked::{self, Chunked};
use super::datatype::Datatype;
use super::fallback::Library;
use super::filters::Pipeline;
use super::fixed::FixedArray;
use super::heap::RECORD_BYTES;
use super::library::{Id, check};
use super::record;
use super::storage::{HdfFile, Layout, Storage};
use super::text::{FixedText, LibraryText, VlenText};
use super::values::{extent, volume};
use crate::base::Dims;
use crate::tree::Data;

/// The array of a dataset, without its data.
///
/// # Errors
/// The reason why it cannot be read.
pub(super) fn describe(
    file: &Arc<HdfFile>,
    dataset: &Id,
    path: &str,
    header: u64,
) -> Result<Data, String> {
    // SAFETY: plain library calls on a dataset.
    let (space, datatype_id, creation) = unsafe {
        (
            Id::new(h5d::H5Dget_space(dataset.raw()))?,
            Id::new(h5d::H5Dget_type(dataset.raw()))?,
            Id::new(h5d::H5Dget_create_plist(dataset.raw()))?,
        )
    };
    let Some(shape) = extent(&space)? else { return Ok(Data::Null) };
    let datatype = Datatype::of(datatype_id.raw())?;
    let described =
        Described { file, dataset, creation, datatype: &datatype, datatype_id, path, header };
    match &datatype {
        Datatype::Unsupported(reason) => Err(reason.clone()),
        Datatype::Reference => Err("arrays of references are not read".to_owned()),
        Datatype::Record { .. } => {
            let records = record::read(dataset, &datatype, &described.datatype_id, shape)?;
            Ok(Data::Record(Arc::new(records)))
        }
        Datatype::VlenText => match described.heap_references(&shape)? {
            Some(layout) => {
                let storage = Storage::new(file, path, shape, RECORD_BYTES, layout)?;
                Ok(Data::Text(Arc::new(VlenText::new(storage))))
            }
            None => Ok(Data::Text(Arc::new(LibraryText::new(described.library(&shape))))),
        },
        Datatype::FixedText { len_bytes, padding, ascii } => {
            let layout = described.layout(&shape, *len_bytes)?;
            let storage = Storage::new(file, path, shape, *len_bytes, layout)?;
            Ok(Data::Text(Arc::new(FixedText::new(storage, *padding, *ascii))))
        }
        Datatype::Fixed { dtype, swap_bytes, plain } => {
            let layout = if *plain {
                described.layout(&shape, dtype.size_bytes())?
            } else {
                Layout::Library(described.library(&shape))
            };
            let storage = Storage::new(file, path, shape, dtype.size_bytes(), layout)?;
            Ok(Data::Fixed(Arc::new(FixedArray::new(storage, *dtype, *swap_bytes))))
        }
    }
}

/// A dataset that is open in the library.
struct Described<'a> {
    file: &'a Arc<HdfFile>,
    dataset: &'a Id,
    creation: Id,
    datatype: &'a Datatype,
    datatype_id: Id,
    path: &'a str,
    header: u64,
}

impl Described<'_> {
    fn library(&self, shape: &[u64]) -> Library {
        Library::new(self.file, self.path, shape, self.datatype)
    }

    /// Where the references to the global heap lie; `None` when only the library can follow them.
    fn heap_references(&self, shape: &[u64]) -> Result<Option<Layout>, String> {
        let known = match self.layout(shape, RECORD_BYTES)? {
            Layout::Fill(value) if value.is_empty() => Some(Layout::Fill(value)),
            Layout::Contiguous(offset) => Some(Layout::Contiguous(offset)),
            Layout::Chunked(chunked) if !chunked.needs_library() => Some(Layout::Chunked(chunked)),
            _ => None,
        };
        Ok(known.filter(|_| self.file.wide))
    }

    /// Where the elements lie, each of which takes so many bytes.
    fn layout(&self, shape: &[u64], element_bytes: usize) -> Result<Layout, String> {
        let creation = self.creation.raw();
        // SAFETY: plain library calls with live arguments.
        let (layout, external) =
            unsafe { (h5p::H5Pget_layout(creation), h5p::H5Pget_external_count(creation)) };
        match layout {
            h5d::H5D_COMPACT => self.compact(shape),
            h5d::H5D_CONTIGUOUS if external == 0 => {
                // SAFETY: as above.
                match unsafe { h5d::H5Dget_offset(self.dataset.raw()) } {
                    // No room was ever given to it. (The library adds the base address even then.)
                    offset if offset.wrapping_sub(self.file.base) == u64::MAX => {
                        Ok(Layout::Fill(self.fill_value()?))
                    }
                    offset => Ok(Layout::Contiguous(offset)),
                }
            }
            h5d::H5D_CHUNKED => self.chunked(shape, element_bytes),
            _ => Ok(Layout::Library(self.library(shape))),
        }
    }

    fn compact(&self, shape: &[u64]) -> Result<Layout, String> {
        let each = self.datatype.memory_bytes();
        let count = volume(shape, each, COMPACT_BYTES)
            .ok_or_else(|| "a compact dataset is larger than one can be".to_owned())?;
        let mut bytes = vec![0; count * each];
        // SAFETY: the buffer has room for all elements.
        check(unsafe {
            h5d::H5Dread(
                self.dataset.raw(),
                self.datatype_id.raw(),
                h5s::H5S_ALL,
                h5s::H5S_ALL,
                h5p::H5P_DEFAULT,
                bytes.as_mut_ptr().cast(),
            )
        })?;
        Ok(Layout::Compact(bytes))
    }

    fn chunked(&self, shape: &[u64], element_bytes: usize) -> Result<Layout, String> {
        let mut chunk = Dims::from_elem(0, shape.len());
        let rank = shape.len() as i32;
        // SAFETY: the array has room for the rank given.
        check(unsafe { h5p::H5Pget_chunk(self.creation.raw(), rank, chunk.as_mut_ptr()) })?;
        let filters = self.filters()?;
        let pipeline = Pipeline::new(&filters);
        if pipeline.is_none() {
            self.expect_available(&filters)?;
        }
        let chunked = Chunked::new(chunked::Description {
            file: Arc::clone(self.file),
            header: self.header,
            shape: shape.into(),
            chunk,
            element_bytes,
            pipeline,
            fill: self.fill_value()?,
            library: self.library(shape),
        })?;
        Ok(Layout::Chunked(Arc::new(chunked)))
    }

    /// An error for a filter that the library does not have either.
    fn expect_available(&self, filters: &[(i32, Vec<u32>)]) -> Result<(), String> {
        for (number, _) in filters {
            // SAFETY: plain library call.
            let ours = Pipeline::new(&[(*number, Vec::new())]).is_some();
            if !ours && unsafe { h5z::H5Zfilter_avail(*number) } <= 0 {
                return Err(format!(
                    "it is compressed by the HDF5 filter {number}, which is not supported\n  hint: \
                     write it again with gzip or lzf (for example with h5repack)"
                ));
            }
        }
        Ok(())
    }

    /// Number and parameters of each filter, in the order in which they were applied.
    fn filters(&self) -> Result<Vec<(i32, Vec<u32>)>, String> {
        let creation = self.creation.raw();
        // SAFETY: plain library call; the arrays below are as long as the library is told.
        let count = unsafe { h5p::H5Pget_nfilters(creation) };
        (0..u32::try_from(count).unwrap_or(0))
            .map(|index| {
                let (mut flags, mut config) = (0, 0);
                let mut parameters = vec![0_u32; 32];
                let mut len = parameters.len();
                let number = unsafe {
                    h5p::H5Pget_filter2(
                        creation,
                        index,
                        &raw mut flags,
                        &raw mut len,
                        parameters.as_mut_ptr(),
                        0,
                        std::ptr::null_mut(),
                        &raw mut config,
                    )
                };
                check(number)?;
                parameters.truncate(len);
                Ok((number, parameters))
            })
            .collect()
    }

    /// The bytes of one element that was never written; none when they are zeros.
    fn fill_value(&self) -> Result<Vec<u8>, String> {
        let mut status = h5d::H5D_FILL_VALUE_DEFAULT;
        // SAFETY: the buffer has room for one value of the type.
        unsafe {
            check(h5p::H5Pfill_value_defined(self.creation.raw(), &raw mut status))?;
            if status != h5d::H5D_FILL_VALUE_USER_DEFINED {
                return Ok(Vec::new());
            }
            let mut value = vec![0; self.datatype.memory_bytes()];
            if *self.datatype == Datatype::VlenText {
                // A pointer; that it is not empty is all that is asked.
                return Ok(value);
            }
            check(h5p::H5Pget_fill_value(
                self.creation.raw(),
                self.datatype_id.raw(),
                value.as_mut_ptr().cast(),
            ))?;
            Ok(value)
        }
    }
}

/// The format's limit is 64 KiB.
const COMPACT_BYTES: usize = 1 << 17;
