//! The only door to libhdf5: its lock, identifiers that close themselves, and its errors as text.
//!
//! Everything that calls the library does so inside [`locked`].

use std::ffi::{CStr, CString, c_uint, c_void};
use std::path::Path;

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5d, h5e, h5f, h5i, h5p, h5t};

/// Runs `work` under the library's global lock. The lock is reentrant.
pub fn locked<T>(work: impl FnOnce() -> T) -> T {
    hdf5::sync::sync(work)
}

/// An identifier that is released when it goes.
#[derive(Debug)]
pub struct Id(hid_t);

impl Id {
    /// Takes over an identifier that a library call returned; the library's complaint when it is
    /// not one.
    pub fn new(id: hid_t) -> Result<Self, String> {
        if id < 0 { Err(last_error()) } else { Ok(Self(id)) }
    }

    pub const fn raw(&self) -> hid_t {
        self.0
    }
}

impl Drop for Id {
    fn drop(&mut self) {
        locked(|| {
            // SAFETY: `self.0` is an identifier whose reference this value owns.
            unsafe { h5i::H5Idec_ref(self.0) };
        });
    }
}

/// Turns a negative return code into the library's complaint.
pub fn check(code: i32) -> Result<(), String> {
    if code < 0 { Err(last_error()) } else { Ok(()) }
}

/// The most specific message of the library's error stack of this thread.
fn last_error() -> String {
    unsafe extern "C" fn first(
        _n: c_uint,
        error: *const h5e::H5E_error2_t,
        data: *mut c_void,
    ) -> i32 {
        // SAFETY: the library passes a valid error, and `data` is the String given below.
        unsafe {
            let message = &mut *data.cast::<String>();
            let desc = (*error).desc;
            if message.is_empty() && !desc.is_null() {
                *message = CStr::from_ptr(desc).to_string_lossy().into_owned();
            }
        }
        0
    }
    let mut message = String::new();
    locked(|| {
        // SAFETY: the callback is only called during the call, while `message` lives.
        unsafe {
            h5e::H5Ewalk2(
                h5e::H5E_DEFAULT,
                h5e::H5E_direction_t::H5E_WALK_UPWARD,
                Some(first),
                (&raw mut message).cast(),
            );
            h5e::H5Eclear2(h5e::H5E_DEFAULT);
        }
    });
    if message.is_empty() { "libhdf5 failed".to_owned() } else { message }
}

/// Opens a file for reading, without taking a lock on it: a source may lie on a file system without
/// locks, or be open elsewhere.
pub fn open_file(path: &Path) -> Result<Id, String> {
    use std::os::unix::ffi::OsStrExt;
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| "the path has a NUL byte")?;
    locked(|| {
        // SAFETY: plain library calls with live arguments.
        unsafe {
            let access = Id::new(h5p::H5Pcreate(*h5p::H5P_CLS_FILE_ACCESS))?;
            check(h5p::H5Pset_file_locking(access.raw(), 0, 1))?;
            let open = |access| Id::new(h5f::H5Fopen(path.as_ptr(), h5f::H5F_ACC_RDONLY, access));
            // A file that this process has open already must be opened in the same way again.
            open(access.raw()).or_else(|why| open(h5p::H5P_DEFAULT).map_err(|_| why))
        }
    })
}

/// Opens a dataset by its absolute path.
pub fn open_dataset(file: &Id, path: &str) -> Result<Id, String> {
    let path = CString::new(path).map_err(|_| "the name has a NUL byte")?;
    // SAFETY: plain library call with live arguments.
    locked(|| Id::new(unsafe { h5d::H5Dopen2(file.raw(), path.as_ptr(), h5p::H5P_DEFAULT) }))
}

/// The library's memory type of a fixed-width element type, in this machine's byte order.
pub fn native_type(dtype: crate::base::DType) -> Option<hid_t> {
    use crate::base::DType;
    Some(match dtype {
        DType::I8 => *h5t::H5T_NATIVE_INT8,
        DType::I16 => *h5t::H5T_NATIVE_INT16,
        DType::I32 => *h5t::H5T_NATIVE_INT32,
        DType::I64 => *h5t::H5T_NATIVE_INT64,
        DType::U8 => *h5t::H5T_NATIVE_UINT8,
        DType::U16 => *h5t::H5T_NATIVE_UINT16,
        DType::U32 => *h5t::H5T_NATIVE_UINT32,
        DType::U64 => *h5t::H5T_NATIVE_UINT64,
        DType::F32 => *h5t::H5T_NATIVE_FLOAT,
        DType::F64 => *h5t::H5T_NATIVE_DOUBLE,
        DType::Bool | DType::F16 | DType::C64 | DType::C128 => return None,
    })
}
