//! HDF5 datatypes, as far as arrays of an AnnData file use them.

use std::ffi::{CStr, c_char};

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5, h5t};

use super::library::{Id, check};
use crate::base::{DType, Dims};

/// What the elements of a dataset or attribute are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Datatype {
    /// Numbers or booleans.
    Fixed {
        dtype: DType,
        /// Bytes that must be reversed in groups of this size; 1 when stored little-endian.
        swap_bytes: usize,
        /// False when the bits differ from numpy's, so that only the library can convert them.
        plain: bool,
    },
    /// Strings of this many bytes each.
    FixedText { len_bytes: usize, padding: Padding, ascii: bool },
    /// Strings in the global heap.
    VlenText,
    /// Compound values.
    Record { size_bytes: usize, members: Vec<Member> },
    /// References to objects (the 8-byte kind).
    Reference,
    /// Everything else, described.
    Unsupported(String),
}

/// How a fixed-length string that is shorter than its field ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// At the first NUL.
    NullTerminated,
    /// Before the NULs at the end.
    Null,
    /// Before the spaces at the end.
    Space,
}

/// One member of a compound, as it lies in memory.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) offset_bytes: usize,
    pub(super) inner_shape: Dims,
    pub(super) datatype: Datatype,
}

impl Padding {
    /// The part of a field that is text.
    pub(super) fn trim(self, field: &[u8]) -> &[u8] {
        let end = match self {
            Self::NullTerminated => field.iter().position(|&b| b == 0).unwrap_or(field.len()),
            Self::Null => field.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1),
            Self::Space => field.iter().rposition(|&b| b != b' ').map_or(0, |at| at + 1),
        };
        &field[..end]
    }
}

impl Datatype {
    /// Bytes of one element in the library's memory layout.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Fixed { dtype, .. } => dtype.size_bytes(),
            Self::FixedText { len_bytes, .. } => *len_bytes,
            Self::VlenText => size_of::<*const c_char>(),
            Self::Record { size_bytes, .. } => *size_bytes,
            Self::Reference => 8,
            Self::Unsupported(_) => 0,
        }
    }

    /// Describes a type of the library's.
    pub(super) fn of(id: hid_t) -> Result<Self, String> {
        // SAFETY: `id` is a datatype.
        let (class, size) = unsafe { (h5t::H5Tget_class(id), h5t::H5Tget_size(id)) };
        Ok(match class {
            h5t::H5T_INTEGER => library_integer(id, size),
            h5t::H5T_BITFIELD => bit_field(size, order(id)),
            h5t::H5T_FLOAT => library_float(id, size),
            h5t::H5T_ENUM => library_enumeration(id)?,
            h5t::H5T_STRING => string(id, size),
            h5t::H5T_COMPLEX => complex_number(id, size)?,
            h5t::H5T_COMPOUND => compound(id, size)?,
            h5t::H5T_REFERENCE if size == 8 => Self::Reference,
            h5t::H5T_REFERENCE => unsupported("region or attribute reference", size),
            h5t::H5T_VLEN => sequence(),
            h5t::H5T_ARRAY => array(),
            h5t::H5T_OPAQUE => unsupported("opaque value", size),
            h5t::H5T_TIME => unsupported("time", size),
            _ => unsupported("value of an unknown class", size),
        })
    }
}

/// A variable-length sequence of anything but characters.
pub(super) fn sequence() -> Datatype {
    Datatype::Unsupported("variable-length sequences are not read".to_owned())
}

/// An array as an element.
pub(super) fn array() -> Datatype {
    Datatype::Unsupported("arrays as elements are not read".to_owned())
}

/// A type of so many bytes that is not read.
pub(super) fn unsupported(what: &str, size: usize) -> Datatype {
    Datatype::Unsupported(format!("a {what} of {size} bytes is not read"))
}

const fn unsigned(size: usize) -> Option<DType> {
    Some(match size {
        1 => DType::U8,
        2 => DType::U16,
        4 => DType::U32,
        8 => DType::U64,
        _ => return None,
    })
}

/// The order of a number's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

fn order(id: hid_t) -> Order {
    // SAFETY: `id` is a datatype.
    let big = unsafe { h5t::H5Tget_order(id) } == h5t::H5T_ORDER_BE;
    if big { Order::Big } else { Order::Little }
}

/// A plain type.
const fn ordered(order: Order, dtype: DType) -> Datatype {
    let swap_bytes = match order {
        Order::Big => dtype.size_bytes(),
        Order::Little => 1,
    };
    Datatype::Fixed { dtype, swap_bytes, plain: true }
}

/// Bits of this many bytes.
pub(super) fn bit_field(size: usize, order: Order) -> Datatype {
    unsigned(size).map_or_else(|| unsupported("bit field", size), |dtype| ordered(order, dtype))
}

fn library_integer(id: hid_t, size: usize) -> Datatype {
    // SAFETY: `id` is an integer type.
    let (sign, precision, offset) =
        unsafe { (h5t::H5Tget_sign(id), h5t::H5Tget_precision(id), h5t::H5Tget_offset(id)) };
    let signed = sign == h5t::H5T_SGN_2;
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    integer(&Integer { size, signed, precision, offset, order: order(id) })
}

/// How an integer's bits lie in its bytes.
pub(super) struct Integer {
    pub(super) size: usize,
    pub(super) signed: bool,
    pub(super) precision: usize,
    pub(super) offset: usize,
    pub(super) order: Order,
}

/// An integer.
pub(super) fn integer(bits: &Integer) -> Datatype {
    let Integer { size, signed, precision, offset, order } = *bits;
    // Odd sizes widen, as h5py widens them.
    let dtype = match (size, signed) {
        (1, true) => DType::I8,
        (2, true) => DType::I16,
        (3 | 4, true) => DType::I32,
        (5..=8, true) => DType::I64,
        (1, false) => DType::U8,
        (2, false) => DType::U16,
        (3 | 4, false) => DType::U32,
        (5..=8, false) => DType::U64,
        _ => return unsupported("integer", size),
    };
    if precision == size * 8 && offset == 0 && dtype.size_bytes() == size {
        ordered(order, dtype)
    } else {
        Datatype::Fixed { dtype, swap_bytes: 1, plain: false }
    }
}

fn library_float(id: hid_t, size: usize) -> Datatype {
    let mut at = [0_usize; 5];
    let [sign, exponent, exponent_size, mantissa, mantissa_size] = &mut at;
    // SAFETY: `id` is a floating-point type and all results are live.
    let bias = unsafe {
        h5t::H5Tget_fields(id, sign, exponent, exponent_size, mantissa, mantissa_size);
        h5t::H5Tget_ebias(id)
    };
    float(size, at, bias, order(id))
}

/// A floating-point number by the places of its sign, exponent and mantissa: first bit and, of the
/// latter two, number of bits.
pub(super) fn float(size: usize, at: [usize; 5], bias: usize, order: Order) -> Datatype {
    match (size, at, bias) {
        (2, [15, 10, 5, 0, 10], 15) => ordered(order, DType::F16),
        (4, [31, 23, 8, 0, 23], 127) => ordered(order, DType::F32),
        (8, [63, 52, 11, 0, 52], 1023) => ordered(order, DType::F64),
        (1..=4, ..) => Datatype::Fixed { dtype: DType::F32, swap_bytes: 1, plain: false },
        (5..=8, ..) => Datatype::Fixed { dtype: DType::F64, swap_bytes: 1, plain: false },
        _ => unsupported("floating-point number", size),
    }
}

fn library_enumeration(id: hid_t) -> Result<Datatype, String> {
    // SAFETY: `id` is an enumeration.
    let base = Id::new(unsafe { h5t::H5Tget_super(id) })?;
    let base = Datatype::of(base.raw())?;
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

const fn is_byte(base: &Datatype) -> bool {
    matches!(base, Datatype::Fixed { dtype: DType::I8 | DType::U8, swap_bytes: 1, plain: true })
}

/// h5py writes booleans as an enumeration of FALSE and TRUE; any other one is its integers. Members
/// by name and value, of which the first byte counts.
pub(super) fn enumeration(base: Datatype, members: &[(Vec<u8>, u8)]) -> Datatype {
    let is_bool = is_byte(&base)
        && members.len() == 2
        && members
            .iter()
            .all(|(name, value)| matches!((name.as_slice(), value), (b"FALSE", 0) | (b"TRUE", 1)));
    if is_bool { Datatype::Fixed { dtype: DType::Bool, swap_bytes: 1, plain: true } } else { base }
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
            datatype: Datatype::of(member.raw())?,
        });
    }
    Ok(record(size_bytes, members))
}

/// A compound of these members.
pub(super) fn record(size_bytes: usize, members: Vec<Member>) -> Datatype {
    complex(size_bytes, &members).unwrap_or(Datatype::Record { size_bytes, members })
}

/// The complex class that HDF5 2.0 introduced.
fn complex_number(id: hid_t, size: usize) -> Result<Datatype, String> {
    // SAFETY: `id` is a complex type.
    let base = Id::new(unsafe { h5t::H5Tget_super(id) })?;
    Ok(match Datatype::of(base.raw())? {
        Datatype::Fixed { dtype: DType::F32, swap_bytes, plain } => {
            Datatype::Fixed { dtype: DType::C64, swap_bytes, plain }
        }
        Datatype::Fixed { dtype: DType::F64, swap_bytes, plain } => {
            Datatype::Fixed { dtype: DType::C128, swap_bytes, plain }
        }
        _ => unsupported("complex number", size),
    })
}

/// h5py writes complex numbers as a compound of `r` and `i`.
fn complex(size_bytes: usize, members: &[Member]) -> Option<Datatype> {
    let [re, im] = members else { return None };
    let Datatype::Fixed { dtype, swap_bytes, plain: true } = re.datatype else { return None };
    let half = dtype.size_bytes();
    let complex = match dtype {
        DType::F32 => DType::C64,
        DType::F64 => DType::C128,
        _ => return None,
    };
    ((re.name.as_str(), im.name.as_str()) == ("r", "i")
        && re.datatype == im.datatype
        && (re.offset_bytes, im.offset_bytes, size_bytes) == (0, half, 2 * half)
        && re.inner_shape.is_empty()
        && im.inner_shape.is_empty())
    .then_some(Datatype::Fixed { dtype: complex, swap_bytes, plain: true })
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
