//! Datatypes as the library describes them.

use std::ffi::CStr;

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5, h5t};

use super::door::{Id, check};
use crate::base::{DType, Dims};
use crate::input::hdf5::datatype::{
    Datatype, Integer, Member, Order, Padding, array, bit_field, enumeration, float, integer,
    is_byte, record, sequence, unsupported,
};

/// Describes a type of the library's.
pub fn type_of(id: hid_t) -> Result<Datatype, String> {
    // SAFETY: `id` is a datatype.
    let (class, size) = unsafe { (h5t::H5Tget_class(id), h5t::H5Tget_size(id)) };
    Ok(match class {
        h5t::H5T_INTEGER => integer_of(id, size),
        h5t::H5T_BITFIELD => bit_field(size, order(id)),
        h5t::H5T_FLOAT => float_of(id, size),
        h5t::H5T_ENUM => enumeration_of(id)?,
        h5t::H5T_STRING => string(id, size),
        h5t::H5T_COMPLEX => complex_number(id, size)?,
        h5t::H5T_COMPOUND => compound(id, size)?,
        h5t::H5T_REFERENCE if size == 8 => Datatype::Reference,
        h5t::H5T_REFERENCE => unsupported("region or attribute reference", size),
        h5t::H5T_VLEN => sequence(),
        h5t::H5T_ARRAY => array(),
        h5t::H5T_OPAQUE => unsupported("opaque value", size),
        h5t::H5T_TIME => unsupported("time", size),
        _ => unsupported("value of an unknown class", size),
    })
}

fn order(id: hid_t) -> Order {
    // SAFETY: `id` is a datatype.
    let big = unsafe { h5t::H5Tget_order(id) } == h5t::H5T_ORDER_BE;
    if big { Order::Big } else { Order::Little }
}

fn integer_of(id: hid_t, size: usize) -> Datatype {
    // SAFETY: `id` is an integer type.
    let (sign, precision, offset) =
        unsafe { (h5t::H5Tget_sign(id), h5t::H5Tget_precision(id), h5t::H5Tget_offset(id)) };
    let signed = sign == h5t::H5T_SGN_2;
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    integer(&Integer { size, signed, precision, offset, order: order(id) })
}

fn float_of(id: hid_t, size: usize) -> Datatype {
    let mut at = [0_usize; 5];
    let [sign, exponent, exponent_size, mantissa, mantissa_size] = &mut at;
    // SAFETY: `id` is a floating-point type and all results are live.
    let bias = unsafe {
        h5t::H5Tget_fields(id, sign, exponent, exponent_size, mantissa, mantissa_size);
        h5t::H5Tget_ebias(id)
    };
    float(size, at, bias, order(id))
}

fn enumeration_of(id: hid_t) -> Result<Datatype, String> {
    // SAFETY: `id` is an enumeration.
    let base = Id::new(unsafe { h5t::H5Tget_super(id) })?;
    let base = type_of(base.raw())?;
    // SAFETY: as above.
    let count = unsafe { h5t::H5Tget_nmembers(id) };
    if count != 2 || !is_byte(&base) {
        return Ok(base);
    }
    let members: Vec<(Vec<u8>, u8)> = (0..2)
        .filter_map(|index| {
            let mut value = 0_u8;
            // SAFETY: as above; member values of a one-byte enumeration take one byte.
            let got = unsafe { h5t::H5Tget_member_value(id, index, (&raw mut value).cast()) };
            (got >= 0).then(|| (member_name(id, index).unwrap_or_default().into_bytes(), value))
        })
        .collect();
    Ok(enumeration(base, &members))
}

fn string(id: hid_t, size: usize) -> Datatype {
    // SAFETY: `id` is a string type.
    unsafe {
        if h5t::H5Tis_variable_str(id) > 0 {
            return Datatype::VlenText;
        }
        let padding = match h5t::H5Tget_strpad(id) {
            h5t::H5T_STR_NULLTERM => Padding::NullTerminated,
            h5t::H5T_STR_SPACEPAD => Padding::Space,
            _ => Padding::Null,
        };
        let ascii = h5t::H5Tget_cset(id) == h5t::H5T_CSET_ASCII;
        Datatype::FixedText { len_bytes: size, padding, ascii }
    }
}

fn compound(id: hid_t, size_bytes: usize) -> Result<Datatype, String> {
    // SAFETY: `id` is a compound.
    let count = unsafe { h5t::H5Tget_nmembers(id) };
    let mut members = Vec::new();
    for index in 0..u32::try_from(count).unwrap_or(0) {
        // SAFETY: as above, and `index` is below the number of members.
        let (offset_bytes, member) =
            unsafe { (h5t::H5Tget_member_offset(id, index), h5t::H5Tget_member_type(id, index)) };
        let mut member = Id::new(member)?;
        let mut inner_shape = Dims::new();
        // SAFETY: `member` is a datatype.
        if unsafe { h5t::H5Tget_class(member.raw()) } == h5t::H5T_ARRAY {
            // SAFETY: it is an array type; a rank is at most 32.
            unsafe {
                let rank = h5t::H5Tget_array_ndims(member.raw());
                inner_shape.resize(usize::try_from(rank).unwrap_or(0), 0);
                check(h5t::H5Tget_array_dims2(member.raw(), inner_shape.as_mut_ptr()))?;
                member = Id::new(h5t::H5Tget_super(member.raw()))?;
            }
        }
        members.push(Member {
            name: member_name(id, index)?,
            offset_bytes,
            inner_shape,
            datatype: type_of(member.raw())?,
        });
    }
    Ok(record(size_bytes, members))
}

/// The complex class that HDF5 2.0 introduced.
fn complex_number(id: hid_t, size: usize) -> Result<Datatype, String> {
    // SAFETY: `id` is a complex type.
    let base = Id::new(unsafe { h5t::H5Tget_super(id) })?;
    Ok(match type_of(base.raw())? {
        Datatype::Fixed { dtype: DType::F32, swap_bytes, plain } => {
            Datatype::Fixed { dtype: DType::C64, swap_bytes, plain }
        }
        Datatype::Fixed { dtype: DType::F64, swap_bytes, plain } => {
            Datatype::Fixed { dtype: DType::C128, swap_bytes, plain }
        }
        _ => unsupported("complex number", size),
    })
}

fn member_name(id: hid_t, index: u32) -> Result<String, String> {
    // SAFETY: `id` is a compound or enumeration with more than `index` members; the name is the
    // caller's to free, and is copied before.
    unsafe {
        let name = h5t::H5Tget_member_name(id, index);
        if name.is_null() {
            return Err("a member of the type has no name".to_owned());
        }
        let copy = CStr::from_ptr(name).to_str().map(str::to_owned);
        h5::H5free_memory(name.cast());
        copy.map_err(|_| "the name of a member is not UTF-8".to_owned())
    }
}
