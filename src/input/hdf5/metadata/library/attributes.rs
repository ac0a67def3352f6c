//! Attributes, of every kind that writers of AnnData files use.

use std::ffi::{CStr, CString, c_char, c_void};

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5, h5a, h5i, h5o, h5p, h5r};
use serde_json::Value;

use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::headers::ATTRIBUTE_ORDER_TRACKED;
use crate::input::hdf5::library::{
    Id, Values, check, extent, native_type, text_of, type_of, volume,
};
use crate::input::hdf5::metadata::attrs::{numbers, texts};
use crate::tree::{Attr, Attrs};

/// An attribute larger than this is not one that anybody meant.
const LARGEST_BYTES: usize = 64 << 20;

/// All attributes of an object, in the order in which h5py lists them. One that cannot be read is a
/// JSON null.
pub fn read_all(object: &Id) -> Result<Attrs, String> {
    let mut attrs = Attrs::new();
    for name in names(object)? {
        let value = CString::new(name.as_slice())
            .map_err(|_| String::new())
            // SAFETY: plain library call with live arguments.
            .and_then(|name| {
                Id::new(unsafe { h5a::H5Aopen(object.raw(), name.as_ptr(), h5p::H5P_DEFAULT) })
            })
            .and_then(|attribute| read(&attribute))
            .unwrap_or_else(|reason| {
                log::debug!("attribute {}: {reason}", String::from_utf8_lossy(&name));
                Attr::Json(Value::Null)
            });
        attrs.insert(String::from_utf8_lossy(&name).into_owned(), value);
    }
    Ok(attrs)
}

/// Mirrors the library's `H5O_native_info_t`, whose fields the binding keeps private.
#[repr(C)]
struct NativeInfo {
    header: h5o::H5O_hdr_info_t,
    meta_size: [u64; 4],
}

/// What the library calls for each link or attribute that it iterates over: adds the name to a vector.
///
/// # Safety
/// `name` ends with NUL, and `data` is a `Vec<Vec<u8>>` that nobody else uses meanwhile.
pub(super) unsafe extern "C" fn collect_name<Info>(
    _object: hid_t,
    name: *const c_char,
    _info: *const Info,
    data: *mut c_void,
) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { (*data.cast::<Vec<Vec<u8>>>()).push(CStr::from_ptr(name).to_bytes().to_vec()) };
    0
}

/// h5py lists attributes in the order of their creation where it is tracked, else by name.
fn names(object: &Id) -> Result<Vec<Vec<u8>>, String> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    // SAFETY: `NativeInfo` has the layout that the library fills; the callback is only called while
    // `found` lives.
    unsafe {
        let mut info: NativeInfo = std::mem::zeroed();
        check(h5o::H5Oget_native_info(
            object.raw(),
            (&raw mut info).cast(),
            h5o::H5O_NATIVE_INFO_HDR,
        ))?;
        let tracked = info.header.version > 1 && info.header.flags & ATTRIBUTE_ORDER_TRACKED != 0;
        let index = if tracked { h5::H5_INDEX_CRT_ORDER } else { h5::H5_INDEX_NAME };
        check(h5a::H5Aiterate2(
            object.raw(),
            index,
            h5::H5_ITER_INC,
            std::ptr::null_mut(),
            Some(collect_name),
            (&raw mut found).cast(),
        ))?;
    }
    Ok(found)
}

fn read(attribute: &Id) -> Result<Attr, String> {
    // SAFETY: plain library calls on an attribute.
    let (space, datatype_id) = unsafe {
        (Id::new(h5a::H5Aget_space(attribute.raw()))?, Id::new(h5a::H5Aget_type(attribute.raw()))?)
    };
    let Some(dims) = extent(&space)? else {
        return Ok(Attr::Json(Value::Null));
    };
    let datatype = type_of(datatype_id.raw())?;
    if let Datatype::Unsupported(reason) = datatype {
        return Err(reason);
    }
    let count = volume(&dims, datatype.memory_bytes(), LARGEST_BYTES)
        .ok_or_else(|| "the attribute is too large".to_owned())?;
    if count == 0 {
        return Ok(Attr::StrList(Vec::new()));
    }
    let memory_type = match datatype {
        Datatype::Fixed { dtype, plain: false, .. } => {
            native_type(dtype).ok_or_else(|| "the number is of an odd size".to_owned())?
        }
        _ => datatype_id.raw(),
    };
    // SAFETY: the buffer has room for `count` values of the memory type.
    let values = Values::read(&datatype, memory_type, &space, count, |buffer| unsafe {
        h5a::H5Aread(attribute.raw(), memory_type, buffer)
    })?;
    let each = values.bytes().chunks_exact(datatype.memory_bytes().max(1));
    match &datatype {
        Datatype::FixedText { .. } | Datatype::VlenText => {
            // SAFETY: these are values of `datatype`, alive until `values` goes.
            let text = each.filter_map(|value| unsafe { text_of(&datatype, value) });
            Ok(texts(text.map(|text| String::from_utf8_lossy(text).into_owned()).collect(), &dims))
        }
        Datatype::Fixed { dtype, swap_bytes, .. } => {
            Ok(numbers(values.bytes().to_vec(), *dtype, *swap_bytes, &dims))
        }
        Datatype::Reference => references(attribute, each, dims.is_empty()),
        Datatype::Record { .. } | Datatype::Unsupported(_) => {
            Err("compound attributes are not read".to_owned())
        }
    }
}

fn references<'a>(
    attribute: &Id,
    each: impl Iterator<Item = &'a [u8]>,
    is_scalar: bool,
) -> Result<Attr, String> {
    let mut paths = each.map(|value| resolve(attribute, value)).collect::<Result<Vec<_>, _>>()?;
    Ok(if is_scalar || paths.len() == 1 {
        Attr::Reference(paths.pop().unwrap_or_default())
    } else {
        Attr::StrList(paths)
    })
}

/// The absolute path of what an object reference points to.
fn resolve(location: &Id, reference: &[u8]) -> Result<String, String> {
    // SAFETY: `reference` is the library's 8 bytes of an object reference, and each buffer is as
    // long as the library is told.
    unsafe {
        let object = Id::new(h5r::H5Rdereference2(
            location.raw(),
            h5p::H5P_DEFAULT,
            h5r::H5R_type_t::H5R_OBJECT1,
            reference.as_ptr().cast(),
        ))?;
        let len = usize::try_from(h5i::H5Iget_name(object.raw(), std::ptr::null_mut(), 0))
            .map_err(|_| "a reference points to something without a name".to_owned())?;
        let mut name = vec![0_u8; len + 1];
        h5i::H5Iget_name(object.raw(), name.as_mut_ptr().cast(), name.len());
        name.truncate(len);
        String::from_utf8(name).map_err(|_| "a reference points to no UTF-8 name".to_owned())
    }
}
