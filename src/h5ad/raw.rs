//! The library calls that have no safe wrapper, each made under the library's lock.

use std::ffi::c_void;

use hdf5::{Dataset, Datatype, h5check};
use hdf5_sys::h5d::{H5Dwrite, H5Dwrite_chunk};
use hdf5_sys::h5o::{H5O_INFO_BASIC, H5O_info2_t, H5Oget_info3};
use hdf5_sys::h5p::H5P_DEFAULT;
use hdf5_sys::h5s::H5S_ALL;

use super::error::LayoutError;

/// Writes all elements of a dataset from memory laid out as `memory_type`.
///
/// # Safety
/// `data` must hold every element of the dataset in that layout, and pointers in it must be valid.
pub(super) unsafe fn write_all(
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

/// Where the header of a dataset lies in its file.
pub(super) fn header_address(dataset: &Dataset) -> hdf5::Result<u64> {
    // SAFETY: zeros are as good as any bytes for what the library fills.
    let mut info: H5O_info2_t = unsafe { std::mem::zeroed() };
    hdf5::sync::sync(|| {
        // SAFETY: the id is open, and the library fills `info`.
        h5check(unsafe { H5Oget_info3(dataset.id(), &raw mut info, H5O_INFO_BASIC) })
    })?;
    // SAFETY: a token is 16 plain bytes, and that of the native file format begins with the address.
    let token: [u8; 16] = unsafe { std::mem::transmute(info.token) };
    let (address, _) = token.split_at(8);
    Ok(address.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte)))
}

/// Takes the encoded chunks of a dataset.
#[derive(Clone)]
pub struct ChunkWriter {
    pub(super) element: String,
    pub(super) dataset: Dataset,
}

impl ChunkWriter {
    /// Stores an encoded chunk. `skipped` has a bit set for each filter of the pipeline that was not
    /// applied.
    ///
    /// # Errors
    /// The library refuses, or the disk is full.
    pub fn write(&self, start: &[u64], skipped: u32, bytes: &[u8]) -> Result<(), LayoutError> {
        debug_assert_eq!(start.len(), self.dataset.ndim());
        hdf5::sync::sync(|| {
            // SAFETY: the id is open, `start` has the dataset's rank, `bytes` its length.
            h5check(unsafe {
                H5Dwrite_chunk(
                    self.dataset.id(),
                    H5P_DEFAULT,
                    skipped,
                    start.as_ptr(),
                    bytes.len(),
                    bytes.as_ptr().cast(),
                )
            })
        })
        .map(|_| ())
        .map_err(LayoutError::hdf5(&self.element))
    }
}
