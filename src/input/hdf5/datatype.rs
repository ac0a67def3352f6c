//! HDF5 datatypes, as far as arrays of an AnnData file use them: what they are, whoever describes them
//! (a header, [`headers`](super::headers), or the library, [`library`](super::library)).

use std::ffi::c_char;

use serde::{Deserialize, Serialize};

use crate::base::{DType, Dims, plain_dims};

/// What the elements of a dataset or attribute are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Datatype {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Padding {
    /// At the first NUL.
    NullTerminated,
    /// Before the NULs at the end.
    Null,
    /// Before the spaces at the end.
    Space,
}

/// One member of a compound, as it lies in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub name: String,
    pub offset_bytes: usize,
    #[serde(with = "plain_dims")]
    pub inner_shape: Dims,
    pub datatype: Datatype,
}

impl Padding {
    /// The part of a field that is text.
    pub fn trim(self, field: &[u8]) -> &[u8] {
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
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Fixed { dtype, .. } => dtype.size_bytes(),
            Self::FixedText { len_bytes, .. } => *len_bytes,
            Self::VlenText => size_of::<*const c_char>(),
            Self::Record { size_bytes, .. } => *size_bytes,
            Self::Reference => 8,
            Self::Unsupported(_) => 0,
        }
    }
}

/// A variable-length sequence of anything but characters.
pub fn sequence() -> Datatype {
    Datatype::Unsupported("variable-length sequences are not read".to_owned())
}

/// An array as an element.
pub fn array() -> Datatype {
    Datatype::Unsupported("arrays as elements are not read".to_owned())
}

/// A type of so many bytes that is not read.
pub fn unsupported(what: &str, size: usize) -> Datatype {
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
pub enum Order {
    Little,
    Big,
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
pub fn bit_field(size: usize, order: Order) -> Datatype {
    unsigned(size).map_or_else(|| unsupported("bit field", size), |dtype| ordered(order, dtype))
}

/// How an integer's bits lie in its bytes.
pub struct Integer {
    pub size: usize,
    pub signed: bool,
    pub precision: usize,
    pub offset: usize,
    pub order: Order,
}

/// An integer.
pub fn integer(bits: &Integer) -> Datatype {
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

/// A floating-point number by the places of its sign, exponent and mantissa: first bit and, of the
/// latter two, number of bits.
pub fn float(size: usize, at: [usize; 5], bias: usize, order: Order) -> Datatype {
    match (size, at, bias) {
        (2, [15, 10, 5, 0, 10], 15) => ordered(order, DType::F16),
        (4, [31, 23, 8, 0, 23], 127) => ordered(order, DType::F32),
        (8, [63, 52, 11, 0, 52], 1023) => ordered(order, DType::F64),
        (1..=4, ..) => Datatype::Fixed { dtype: DType::F32, swap_bytes: 1, plain: false },
        (5..=8, ..) => Datatype::Fixed { dtype: DType::F64, swap_bytes: 1, plain: false },
        _ => unsupported("floating-point number", size),
    }
}

pub const fn is_byte(base: &Datatype) -> bool {
    matches!(base, Datatype::Fixed { dtype: DType::I8 | DType::U8, swap_bytes: 1, plain: true })
}

/// h5py writes booleans as an enumeration of FALSE and TRUE; any other one is its integers. Members
/// by name and value, of which the first byte counts.
pub fn enumeration(base: Datatype, members: &[(Vec<u8>, u8)]) -> Datatype {
    let is_bool = is_byte(&base)
        && members.len() == 2
        && members
            .iter()
            .all(|(name, value)| matches!((name.as_slice(), value), (b"FALSE", 0) | (b"TRUE", 1)));
    if is_bool { Datatype::Fixed { dtype: DType::Bool, swap_bytes: 1, plain: true } } else { base }
}

/// A compound of these members.
pub fn record(size_bytes: usize, members: Vec<Member>) -> Datatype {
    complex(size_bytes, &members).unwrap_or(Datatype::Record { size_bytes, members })
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
