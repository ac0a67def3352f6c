//! Values as the library hands them over in memory.

use std::ffi::{CStr, c_char};

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5p, h5s};

use super::door::{Id, check};
use crate::base::Dims;
use crate::input::hdf5::datatype::Datatype;

/// The extent of a dataspace; `None` for the null one.
pub fn extent(space: &Id) -> Result<Option<Dims>, String> {
    // SAFETY: `space` is a dataspace, and `dims` has room for its rank.
    unsafe {
        match h5s::H5Sget_simple_extent_type(space.raw()) {
            h5s::H5S_NULL => Ok(None),
            h5s::H5S_SCALAR => Ok(Some(Dims::new())),
            h5s::H5S_SIMPLE => {
                let rank = h5s::H5Sget_simple_extent_ndims(space.raw());
                let mut dims = Dims::new();
                dims.resize(usize::try_from(rank).unwrap_or(0), 0);
                check(h5s::H5Sget_simple_extent_dims(
                    space.raw(),
                    dims.as_mut_ptr(),
                    std::ptr::null_mut(),
                ))?;
                Ok(Some(dims))
            }
            h5s::H5S_NO_CLASS => Err("the extent is of an unknown kind".to_owned()),
        }
    }
}

/// Number of elements and bytes of memory that an extent takes, if at most `limit_bytes`.
pub fn volume(dims: &[u64], element_bytes: usize, limit_bytes: usize) -> Option<usize> {
    let count = dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim))?;
    let bytes = count.checked_mul(element_bytes as u64)?;
    (bytes <= limit_bytes as u64).then_some(count as usize)
}

/// Memory that the library filled with values of a type, some of which may point to memory of the
/// library's that has to be given back.
pub struct Values<'a> {
    bytes: Vec<u8>,
    memory_type: hid_t,
    space: &'a Id,
    owns_pointers: bool,
}

impl<'a> Values<'a> {
    /// Reads values of `datatype` over `space` into memory by a call of the library's that is given
    /// the buffer.
    pub fn read(
        datatype: &Datatype,
        memory_type: hid_t,
        space: &'a Id,
        count: usize,
        read: impl FnOnce(*mut std::ffi::c_void) -> i32,
    ) -> Result<Self, String> {
        let owns_pointers = has_pointers(datatype);
        let bytes = vec![0; count * datatype.memory_bytes()];
        let mut values = Self { bytes, memory_type, space, owns_pointers };
        check(read(values.bytes.as_mut_ptr().cast()))?;
        Ok(values)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Values<'_> {
    fn drop(&mut self) {
        if self.owns_pointers {
            // SAFETY: the buffer was zeroed and then filled by the library with values of this type
            // over this space; null pointers are skipped.
            unsafe {
                hdf5_sys::h5t::H5Treclaim(
                    self.memory_type,
                    self.space.raw(),
                    h5p::H5P_DEFAULT,
                    self.bytes.as_mut_ptr().cast(),
                );
            }
        }
    }
}

fn has_pointers(datatype: &Datatype) -> bool {
    match datatype {
        Datatype::VlenText => true,
        Datatype::Record { members, .. } => members.iter().any(|m| has_pointers(&m.datatype)),
        _ => false,
    }
}

/// The text of one value of a string type in memory.
///
/// # Safety
/// `value` must be one value of `datatype` that the library wrote and has not taken back.
pub unsafe fn text_of<'a>(datatype: &Datatype, value: &'a [u8]) -> Option<&'a [u8]> {
    match datatype {
        Datatype::FixedText { padding, .. } => Some(padding.trim(value)),
        Datatype::VlenText => {
            let pointer = usize::from_ne_bytes(value.try_into().ok()?) as *const c_char;
            // SAFETY: the library writes null or a NUL-terminated string.
            Some(if pointer.is_null() {
                &[]
            } else {
                unsafe { CStr::from_ptr(pointer) }.to_bytes()
            })
        }
        _ => None,
    }
}
