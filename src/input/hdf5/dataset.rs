//! Describes one dataset: type, extent, layout, filters. Makes the lazy array.

use std::sync::Arc;

use hdf5_sys::{h5d, h5p, h5s};

use super::datatype::Datatype;
use super::fallback::Library;
use super::fixed::FixedArray;
use super::library::{Id, check};
use super::record;
use super::storage::{HdfFile, Layout, Storage};
use super::text::{FixedText, LibraryText};
use super::values::{extent, volume};
use crate::tree::Data;

/// The array of a dataset, without its data.
///
/// # Errors
/// The reason why it cannot be read.
pub(super) fn describe(
    file: &Arc<HdfFile>,
    dataset: &Id,
    path: &str,
    _header: u64,
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
    let library = || Library::new(file, path, &shape, &datatype);
    match &datatype {
        Datatype::Unsupported(reason) => Err(reason.clone()),
        Datatype::Reference => Err("arrays of references are not read".to_owned()),
        Datatype::Record { .. } => {
            Ok(Data::Record(Arc::new(record::read(dataset, &datatype, &datatype_id, shape)?)))
        }
        Datatype::VlenText => Ok(Data::Text(Arc::new(LibraryText::new(library())))),
        Datatype::FixedText { len_bytes, padding, ascii } => {
            let layout = layout(dataset, &creation, &datatype, &datatype_id, &shape, library)?;
            let storage = Storage::new(file, path, shape, *len_bytes, layout)?;
            Ok(Data::Text(Arc::new(FixedText::new(storage, *padding, *ascii))))
        }
        Datatype::Fixed { dtype, swap_bytes, plain } => {
            let layout = if *plain {
                layout(dataset, &creation, &datatype, &datatype_id, &shape, library)?
            } else {
                Layout::Library(library())
            };
            let storage = Storage::new(file, path, shape, dtype.size_bytes(), layout)?;
            Ok(Data::Fixed(Arc::new(FixedArray::new(storage, *dtype, *swap_bytes))))
        }
    }
}

/// Where the elements of a dataset lie.
fn layout(
    dataset: &Id,
    creation: &Id,
    datatype: &Datatype,
    datatype_id: &Id,
    shape: &[u64],
    library: impl Fn() -> Library,
) -> Result<Layout, String> {
    // SAFETY: plain library calls with live arguments; the buffer has room for all elements.
    unsafe {
        match h5p::H5Pget_layout(creation.raw()) {
            h5d::H5D_COMPACT => {
                let count = volume(shape, datatype.memory_bytes(), COMPACT_BYTES)
                    .ok_or_else(|| "a compact dataset is larger than one can be".to_owned())?;
                let mut bytes = vec![0; count * datatype.memory_bytes()];
                check(h5d::H5Dread(
                    dataset.raw(),
                    datatype_id.raw(),
                    h5s::H5S_ALL,
                    h5s::H5S_ALL,
                    h5p::H5P_DEFAULT,
                    bytes.as_mut_ptr().cast(),
                ))?;
                Ok(Layout::Compact(bytes))
            }
            h5d::H5D_CONTIGUOUS if h5p::H5Pget_external_count(creation.raw()) == 0 => {
                // All ones: no room was ever given to it.
                match h5d::H5Dget_offset(dataset.raw()) {
                    u64::MAX => Ok(Layout::Fill(fill_value(creation, datatype, datatype_id)?)),
                    offset => Ok(Layout::Contiguous(offset)),
                }
            }
            _ => Ok(Layout::Library(library())),
        }
    }
}

/// The format's limit is 64 KiB.
const COMPACT_BYTES: usize = 1 << 17;

/// The bytes of one element that was never written.
fn fill_value(creation: &Id, datatype: &Datatype, datatype_id: &Id) -> Result<Vec<u8>, String> {
    let mut value = vec![0; datatype.memory_bytes()];
    let mut status = h5d::H5D_FILL_VALUE_DEFAULT;
    // SAFETY: the buffer has room for one value of the type.
    unsafe {
        check(h5p::H5Pfill_value_defined(creation.raw(), &raw mut status))?;
        if status == h5d::H5D_FILL_VALUE_USER_DEFINED {
            check(h5p::H5Pget_fill_value(
                creation.raw(),
                datatype_id.raw(),
                value.as_mut_ptr().cast(),
            ))?;
        }
    }
    Ok(value)
}
