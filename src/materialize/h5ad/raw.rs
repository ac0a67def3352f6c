//! The library calls that have no safe wrapper, each made under the library's lock.

use std::ffi::c_void;

use hdf5::{Dataset, Datatype, h5check};
use hdf5_sys::h5d::{H5Dwrite, H5Dwrite_chunk};
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::{H5S_ALL, H5S_SELECT_SET, H5Sclose, H5Screate_simple, H5Sselect_hyperslab};

/// Writes all elements of a dataset from memory laid out as `memory_type`.
///
/// # Safety
/// `data` must hold every element of the dataset in that layout, and pointers in it must be valid.
pub unsafe fn write_all(
    dataset: &Dataset,
    memory_type: &Datatype,
    data: *const c_void,
) -> hdf5::Result<()> {
    hdf5::sync::sync(|| {
        // SAFETY: the ids are open; the caller vouches for `data`.
        h5check(unsafe {
            H5Dwrite(dataset.id(), memory_type.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, data)
        })
    })
    .map(|_| ())
}

/// Writes `rows` of the first axis of a dataset, and all of the other axes.
///
/// # Safety
/// As for [`write_all`], for the elements selected.
pub unsafe fn write_rows(
    dataset: &Dataset,
    memory_type: &Datatype,
    rows: std::ops::Range<u64>,
    shape: &[u64],
    data: *const c_void,
) -> hdf5::Result<()> {
    let mut start = vec![0; shape.len()];
    let mut count = shape.to_vec();
    start[0] = rows.start;
    count[0] = rows.end - rows.start;
    let elements: u64 = count.iter().product();
    let space = dataset.space()?;
    hdf5::sync::sync(|| {
        // SAFETY: `start`, `count` have the dataset's rank; the memory space is closed right
        // after use; the caller vouches for `data`.
        unsafe {
            h5check(H5Sselect_hyperslab(
                space.id(),
                H5S_SELECT_SET,
                start.as_ptr(),
                std::ptr::null(),
                count.as_ptr(),
                std::ptr::null(),
            ))?;
            let memory_space = h5check(H5Screate_simple(1, &elements, std::ptr::null()))?;
            let written = h5check(H5Dwrite(
                dataset.id(),
                memory_type.id(),
                memory_space,
                space.id(),
                H5P_DEFAULT,
                data,
            ));
            H5Sclose(memory_space);
            written
        }
    })
    .map(|_| ())
}

/// Stores an encoded chunk. `skipped` has a bit set for each filter of the pipeline that was not
/// applied.
pub fn write_chunk(
    dataset: &Dataset,
    chunk_start: &[u64],
    skipped: u32,
    bytes: &[u8],
) -> hdf5::Result<()> {
    debug_assert_eq!(chunk_start.len(), dataset.ndim());
    hdf5::sync::sync(|| {
        // SAFETY: the id is open, `chunk_start` has the dataset's rank, `bytes` its length.
        h5check(unsafe {
            H5Dwrite_chunk(
                dataset.id(),
                H5P_DEFAULT,
                skipped,
                chunk_start.as_ptr(),
                bytes.len(),
                bytes.as_ptr().cast(),
            )
        })
    })
    .map(|_| ())
}
