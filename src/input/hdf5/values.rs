//! Values as the library hands them over in memory, turned into ours.

use std::ffi::{CStr, c_char};

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5p, h5s};

use super::datatype::Datatype;
use super::library::{Id, check};
use crate::array::TextBuf;
use crate::base::{DType, Dims};

/// The extent of a dataspace; `None` for the null one.
pub(super) fn extent(space: &Id) -> Result<Option<Dims>, String> {
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
pub(super) fn volume(dims: &[u64], element_bytes: usize, limit_bytes: usize) -> Option<usize> {
    let count = dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim))?;
    let bytes = count.checked_mul(element_bytes as u64)?;
    (bytes <= limit_bytes as u64).then_some(count as usize)
}

/// Memory that the library filled with values of a type, some of which may point to memory of the
/// library's that has to be given back.
pub(super) struct Values<'a> {
    bytes: Vec<u8>,
    memory_type: hid_t,
    space: &'a Id,
    owns_pointers: bool,
}

impl<'a> Values<'a> {
    /// Reads values of `datatype` over `space` into memory by a call of the library's that is given
    /// the buffer.
    pub(super) fn read(
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

    pub(super) fn bytes(&self) -> &[u8] {
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
pub(super) unsafe fn text_of<'a>(datatype: &Datatype, value: &'a [u8]) -> Option<&'a [u8]> {
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

/// Appends UTF-8 text.
pub(super) fn push_text(out: &mut TextBuf, text: &[u8]) -> Result<(), String> {
    out.push(std::str::from_utf8(text).map_err(|_| {
        format!("the text \"{}\" is not UTF-8", String::from_utf8_lossy(text).escape_debug())
    })?);
    Ok(())
}

/// Reverses each group of `group` bytes; nothing for 1.
pub(super) fn swap_in_place(bytes: &mut [u8], group: usize) {
    match group {
        0 | 1 => {}
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|value| value.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|value| value.reverse()),
        8 => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|value| value.reverse()),
        _ => bytes.chunks_exact_mut(group).for_each(<[u8]>::reverse),
    }
}

/// A real number or integer from its little-endian bytes.
pub(super) enum Number {
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Complex(f64, f64),
}

impl Number {
    pub(super) fn of(dtype: DType, bytes: &[u8]) -> Self {
        let mut wide = [0_u8; 8];
        let len = bytes.len().min(8);
        wide[..len].copy_from_slice(&bytes[..len]);
        let unsigned = u64::from_le_bytes(wide);
        let shift = 64 - 8 * len as u32;
        match dtype {
            DType::Bool => Self::Bool(unsigned != 0),
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => {
                Self::Int(((unsigned << shift) as i64) >> shift)
            }
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => {
                i64::try_from(unsigned).map_or(Self::Unsigned(unsigned), Self::Int)
            }
            DType::F16 => Self::Float(half::f16::from_bits(unsigned as u16).to_f64()),
            DType::F32 => Self::Float(f64::from(f32::from_bits(unsigned as u32))),
            DType::F64 => Self::Float(f64::from_bits(unsigned)),
            DType::C64 | DType::C128 => {
                let half = if dtype == DType::C64 { DType::F32 } else { DType::F64 };
                let (re, im) = bytes.split_at(bytes.len() / 2);
                match (Self::of(half, re), Self::of(half, im)) {
                    (Self::Float(re), Self::Float(im)) => Self::Complex(re, im),
                    _ => Self::Float(f64::NAN),
                }
            }
        }
    }
}
