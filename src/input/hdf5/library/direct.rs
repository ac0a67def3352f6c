//! Reads through the library in this process. Each opens the file anew: nothing bounds what the library
//! holds open.

use std::ffi::{c_int, c_uint, c_void};

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5d, h5p, h5s};

use super::door::{Id, check, locked, native_type, open_dataset, open_file};
use super::isolated::wire::{Spot, StoredChunks};
use super::pinned::{Complaint, Pinned};
use super::values::{Values, text_of};
use crate::array::TextBuf;
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::elements::push_text;

/// Fills `out` with fixed-width elements: as stored when they are plain, converted to this machine's
/// type when not.
///
/// # Errors
/// What the library says, or that the file was replaced.
pub fn elements(file: &Pinned, spot: &Spot, out: &mut [u8]) -> Result<(), Complaint> {
    with_dataset(file, &spot.element, |dataset| {
        let (file_space, memory_space) = spaces(dataset, spot)?;
        let stored = datatype_of(dataset)?;
        let memory_type = memory_type(&spot.datatype, &stored)?;
        if out.len() as u64 != num_elements(spot) * spot.datatype.memory_bytes() as u64 {
            return Err("the size of an element has changed".to_owned());
        }
        require_size(&spot.datatype, memory_type)?;
        // SAFETY: `out` has room for the selected elements, by the checks above.
        check(unsafe {
            h5d::H5Dread(
                dataset.raw(),
                memory_type,
                memory_space.raw(),
                file_space.raw(),
                h5p::H5P_DEFAULT,
                out.as_mut_ptr().cast(),
            )
        })
    })
}

/// Appends strings.
///
/// # Errors
/// What the library says, or one is not UTF-8.
pub fn text(file: &Pinned, spot: &Spot, out: &mut TextBuf) -> Result<(), Complaint> {
    with_dataset(file, &spot.element, |dataset| {
        let (file_space, memory_space) = spaces(dataset, spot)?;
        let stored = datatype_of(dataset)?;
        require_size(&spot.datatype, stored.raw())?;
        let count = num_elements(spot) as usize;
        // SAFETY: the buffer has room for `count` values of the type, by the check above.
        let values =
            Values::read(&spot.datatype, stored.raw(), &memory_space, count, |buffer| unsafe {
                h5d::H5Dread(
                    dataset.raw(),
                    stored.raw(),
                    memory_space.raw(),
                    file_space.raw(),
                    h5p::H5P_DEFAULT,
                    buffer,
                )
            })?;
        for value in values.bytes().chunks_exact(spot.datatype.memory_bytes().max(1)) {
            // SAFETY: the library wrote these values, which live as long as `values`.
            let text = unsafe { text_of(&spot.datatype, value) };
            push_text(out, text.unwrap_or_default())?;
        }
        Ok(())
    })
}

/// The chunks of a dataset as the library lists them.
///
/// # Errors
/// What the library says, or that the file was replaced.
pub fn chunks(file: &Pinned, element: &str, rank: usize) -> Result<StoredChunks, Complaint> {
    with_dataset(file, element, |dataset| {
        // SAFETY: plain library call on a dataset.
        let space = Id::new(unsafe { h5d::H5Dget_space(dataset.raw()) })?;
        require_rank(&space, rank)?;
        let mut found = Found { rank, chunks: StoredChunks::default() };
        // SAFETY: `found` lives during the call, which alone calls the callback.
        check(unsafe {
            h5d::H5Dchunk_iter(
                dataset.raw(),
                h5p::H5P_DEFAULT,
                Some(collect),
                (&raw mut found).cast(),
            )
        })?;
        Ok(found.chunks)
    })
}

struct Found {
    rank: usize,
    chunks: StoredChunks,
}

unsafe extern "C" fn collect(
    origin: *const u64,
    mask: c_uint,
    offset: u64,
    len_bytes: u64,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the library passes one number a dimension; `data` is the `Found` given above.
    unsafe {
        let found = &mut *data.cast::<Found>();
        found.chunks.origins.extend_from_slice(std::slice::from_raw_parts(origin, found.rank));
        found.chunks.places.push((offset, len_bytes, mask));
    }
    0
}

/// Runs `work` on the opened dataset, under the library's lock.
fn with_dataset<T>(
    file: &Pinned,
    element: &str,
    work: impl FnOnce(&Id) -> Result<T, String>,
) -> Result<T, Complaint> {
    locked(|| {
        let file = open_file(file)?;
        Ok(work(&open_dataset(&file, element)?)?)
    })
}

fn num_elements(spot: &Spot) -> u64 {
    spot.len.iter().fold(1, |count, &len| count.saturating_mul(len))
}

/// The file is opened anew for each read, and may be another one by now.
fn require_size(datatype: &Datatype, memory_type: hid_t) -> Result<(), String> {
    // SAFETY: the call only reads a type, and returns 0 for what is none.
    let size = unsafe { hdf5_sys::h5t::H5Tget_size(memory_type) };
    if size == datatype.memory_bytes() {
        Ok(())
    } else {
        Err("the size of an element has changed".to_owned())
    }
}

fn require_rank(space: &Id, expected: usize) -> Result<(), String> {
    // SAFETY: plain library call on a dataspace.
    let rank = unsafe { h5s::H5Sget_simple_extent_ndims(space.raw()) };
    if usize::try_from(rank) == Ok(expected) {
        Ok(())
    } else {
        Err("the rank has changed".to_owned())
    }
}

fn memory_type(datatype: &Datatype, stored: &Id) -> Result<hid_t, String> {
    match *datatype {
        Datatype::Fixed { dtype, plain: false, .. } => {
            native_type(dtype).ok_or_else(|| "the number is of an odd size".to_owned())
        }
        _ => Ok(stored.raw()),
    }
}

/// The region in the file, and room for it in memory.
fn spaces(dataset: &Id, spot: &Spot) -> Result<(Id, Id), String> {
    let Spot { start, len, .. } = spot;
    // SAFETY: the arrays given have the rank of the dataset, which is compared first.
    unsafe {
        let file_space = Id::new(h5d::H5Dget_space(dataset.raw()))?;
        if start.is_empty() && len.is_empty() {
            return Ok((file_space, Id::new(h5s::H5Screate(h5s::H5S_SCALAR))?));
        }
        require_rank(&file_space, start.len())?;
        require_rank(&file_space, len.len())?;
        check(h5s::H5Sselect_hyperslab(
            file_space.raw(),
            h5s::H5S_SELECT_SET,
            start.as_ptr(),
            std::ptr::null(),
            len.as_ptr(),
            std::ptr::null(),
        ))?;
        let rank = len.len() as c_int;
        let memory_space = Id::new(h5s::H5Screate_simple(rank, len.as_ptr(), std::ptr::null()))?;
        Ok((file_space, memory_space))
    }
}

fn datatype_of(dataset: &Id) -> Result<Id, String> {
    // SAFETY: plain library call on a dataset.
    Id::new(unsafe { h5d::H5Dget_type(dataset.raw()) })
}
