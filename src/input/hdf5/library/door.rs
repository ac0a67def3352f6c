//! The only door to libhdf5: its lock, identifiers that close themselves, and its errors as text.
//!
//! Everything that calls the library does so inside [`locked`].

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5d, h5e, h5f, h5i, h5p, h5t};

use super::pinned::{Complaint, Pinned};

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
///
/// # Errors
/// What the library says; [`Complaint::Replaced`] when what it opened is another file.
pub fn open_file(pinned: &Pinned) -> Result<Id, Complaint> {
    let path = CString::new(pinned.path().as_os_str().as_bytes())
        .map_err(|_| "the path has a NUL byte")?;
    locked(|| {
        // SAFETY: plain library calls with live arguments.
        unsafe {
            let access = Id::new(h5p::H5Pcreate(*h5p::H5P_CLS_FILE_ACCESS))?;
            check(h5p::H5Pset_file_locking(access.raw(), 0, 1))?;
            let open = |access| Id::new(h5f::H5Fopen(path.as_ptr(), h5f::H5F_ACC_RDONLY, access));
            // A file that this process has open already must be opened in the same way again.
            let file = open(access.raw()).or_else(|why| open(h5p::H5P_DEFAULT).map_err(|_| why));
            let file = match file {
                Ok(file) => file,
                Err(_) if !stands(pinned) => return Err(Complaint::Replaced),
                Err(why) => return Err(why.into()),
            };
            let mut handle: *mut c_void = std::ptr::null_mut();
            check(h5f::H5Fget_vfd_handle(file.raw(), h5p::H5P_DEFAULT, &raw mut handle))?;
            // The driver of plain files, which is the default one, hands out its descriptor.
            if handle.is_null() || !pinned.is_behind(*handle.cast::<c_int>()) {
                return Err(Complaint::Replaced);
            }
            Ok(file)
        }
    })
}

/// True when the path still names the file.
fn stands(pinned: &Pinned) -> bool {
    use std::os::fd::AsRawFd;
    std::fs::File::open(pinned.path()).is_ok_and(|file| pinned.is_behind(file.as_raw_fd()))
}

/// How objects are opened: no link is followed into another file. The library would open whatever
/// file a link names.
pub fn within_file() -> Result<Id, String> {
    refusing(*h5p::H5P_CLS_LINK_ACCESS, std::ptr::null())
}

/// What a link into another file names: the file, and the object in it.
pub type Elsewhere = std::cell::RefCell<Option<(Vec<u8>, Vec<u8>)>>;

/// As [`within_file`]; where the last link led that was not followed is noted in `noted`, which has to
/// live as long as the list.
pub fn within_file_noting(noted: &Elsewhere) -> Result<Id, String> {
    refusing(*h5p::H5P_CLS_LINK_ACCESS, noted)
}

fn refusing(class: hid_t, noted: *const Elsewhere) -> Result<Id, String> {
    extern "C" fn refuse(
        _file: *const c_char,
        _group: *const c_char,
        other: *const c_char,
        object: *const c_char,
        _flags: *mut c_uint,
        _access: hid_t,
        noted: *mut c_void,
    ) -> i32 {
        if !noted.is_null() && !other.is_null() && !object.is_null() {
            // SAFETY: the library passes texts; `noted` is what the list was made with.
            unsafe {
                let text = |text| CStr::from_ptr(text).to_bytes().to_vec();
                (*noted.cast::<Elsewhere>()).replace(Some((text(other), text(object))));
            }
        }
        -1
    }
    locked(|| {
        // SAFETY: plain library calls with live arguments; the callback has the signature asked for.
        unsafe {
            let access = Id::new(h5p::H5Pcreate(class))?;
            check(h5p::H5Pset_elink_cb(access.raw(), Some(refuse), noted.cast_mut().cast()))?;
            Ok(access)
        }
    })
}

/// Opens a dataset by its absolute path, which does not lead out of the file.
pub fn open_dataset(file: &Id, path: &str) -> Result<Id, String> {
    let path = CString::new(path).map_err(|_| "the name has a NUL byte")?;
    locked(|| {
        let access = refusing(*h5p::H5P_CLS_DATASET_ACCESS, std::ptr::null())?;
        // SAFETY: plain library call with live arguments.
        Id::new(unsafe { h5d::H5Dopen2(file.raw(), path.as_ptr(), access.raw()) })
    })
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
