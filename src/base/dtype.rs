//! Element types of fixed-width arrays, as numpy has them; always little-endian in memory here.

/// The type of one element of a fixed-width array.
///
/// Booleans are one byte, 0 or 1. Complex numbers are (real, imaginary) pairs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum DType {
    /// numpy `bool`
    Bool,
    /// numpy `int8`
    I8,
    /// numpy `int16`
    I16,
    /// numpy `int32`
    I32,
    /// numpy `int64`
    I64,
    /// numpy `uint8`
    U8,
    /// numpy `uint16`
    U16,
    /// numpy `uint32`
    U32,
    /// numpy `uint64`
    U64,
    /// numpy `float16`
    F16,
    /// numpy `float32`
    F32,
    /// numpy `float64`
    F64,
    /// numpy `complex64`
    C64,
    /// numpy `complex128`
    C128,
}

/// The families that promotion rules speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// booleans
    Bool,
    /// unsigned integers
    Unsigned,
    /// signed integers
    Signed,
    /// floating point numbers
    Float,
    /// complex numbers
    Complex,
}

impl DType {
    /// Every dtype, in declaration order.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::C64,
        Self::C128,
    ];

    /// Bytes that one element takes.
    #[must_use]
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 | Self::C64 => 8,
            Self::C128 => 16,
        }
    }

    /// The family this type belongs to.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Bool => Kind::Bool,
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => Kind::Signed,
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => Kind::Unsigned,
            Self::F16 | Self::F32 | Self::F64 => Kind::Float,
            Self::C64 | Self::C128 => Kind::Complex,
        }
    }

    /// True for signed and unsigned integers (not for booleans).
    #[must_use]
    pub const fn is_integer(self) -> bool {
        matches!(self.kind(), Kind::Signed | Kind::Unsigned)
    }

    /// numpy's and zarr v3's name: `int32`, `float64`, `bool`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::C64 => "complex64",
            Self::C128 => "complex128",
        }
    }

    /// numpy's type string, as zarr v2 writes it: `<i4`, `|b1`.
    #[must_use]
    pub const fn typestr(self) -> &'static str {
        match self {
            Self::Bool => "|b1",
            Self::I8 => "|i1",
            Self::I16 => "<i2",
            Self::I32 => "<i4",
            Self::I64 => "<i8",
            Self::U8 => "|u1",
            Self::U16 => "<u2",
            Self::U32 => "<u4",
            Self::U64 => "<u8",
            Self::F16 => "<f2",
            Self::F32 => "<f4",
            Self::F64 => "<f8",
            Self::C64 => "<c8",
            Self::C128 => "<c16",
        }
    }

    /// The smallest dtype to which both can be cast safely: `numpy.promote_types`.
    #[must_use]
    pub const fn promote(self, other: Self) -> Self {
        use Kind::{Bool, Complex, Float, Signed, Unsigned};
        let (a, b) =
            if self.kind() as u8 <= other.kind() as u8 { (self, other) } else { (other, self) };
        let a_bytes = a.size_bytes();
        let wider = if a_bytes > b.size_bytes() { a } else { b };
        match (a.kind(), b.kind()) {
            (Bool, _) => b,
            (Unsigned, Unsigned) | (Signed, Signed) | (Float, Float) | (Complex, Complex) => wider,
            (Unsigned, Signed) => match (a_bytes, b.size_bytes()) {
                (unsigned, signed) if unsigned < signed => b,
                (1, _) => Self::I16,
                (2, _) => Self::I32,
                (4, _) => Self::I64,
                _ => Self::F64,
            },
            (Unsigned | Signed, Float) => match (a_bytes, b) {
                (1, _) => b,
                (2, Self::F16) => Self::F32,
                (2, _) => b,
                _ => Self::F64,
            },
            (Unsigned | Signed, _) if a_bytes > 2 => Self::C128,
            (Float, _) if a_bytes > 4 => Self::C128,
            _ => b,
        }
    }

    /// The dtype of a numpy or zarr v3 name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Evaluates an expression with the Rust type of an integer dtype under a name, or else another one.
macro_rules! with_integer {
    ($dtype:expr, $name:ident => $body:expr, $other:expr) => {
        match $dtype {
            $crate::base::DType::I8 => {
                type $name = i8;
                $body
            }
            $crate::base::DType::I16 => {
                type $name = i16;
                $body
            }
            $crate::base::DType::I32 => {
                type $name = i32;
                $body
            }
            $crate::base::DType::I64 => {
                type $name = i64;
                $body
            }
            $crate::base::DType::U8 => {
                type $name = u8;
                $body
            }
            $crate::base::DType::U16 => {
                type $name = u16;
                $body
            }
            $crate::base::DType::U32 => {
                type $name = u32;
                $body
            }
            $crate::base::DType::U64 => {
                type $name = u64;
                $body
            }
            _ => $other,
        }
    };
}
pub(crate) use with_integer;

#[cfg(test)]
mod tests {
    use super::DType::{self, *};

    #[test]
    fn promotion_is_numpys() {
        // Rows and columns in the order of `DType::ALL`; printed by numpy.
        let table: [[DType; 14]; 14] = [
            [Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64, C64, C128],
            [I8, I8, I16, I32, I64, I16, I32, I64, F64, F16, F32, F64, C64, C128],
            [I16, I16, I16, I32, I64, I16, I32, I64, F64, F32, F32, F64, C64, C128],
            [I32, I32, I32, I32, I64, I32, I32, I64, F64, F64, F64, F64, C128, C128],
            [I64, I64, I64, I64, I64, I64, I64, I64, F64, F64, F64, F64, C128, C128],
            [U8, I16, I16, I32, I64, U8, U16, U32, U64, F16, F32, F64, C64, C128],
            [U16, I32, I32, I32, I64, U16, U16, U32, U64, F32, F32, F64, C64, C128],
            [U32, I64, I64, I64, I64, U32, U32, U32, U64, F64, F64, F64, C128, C128],
            [U64, F64, F64, F64, F64, U64, U64, U64, U64, F64, F64, F64, C128, C128],
            [F16, F16, F32, F64, F64, F16, F32, F64, F64, F16, F32, F64, C64, C128],
            [F32, F32, F32, F64, F64, F32, F32, F64, F64, F32, F32, F64, C64, C128],
            [F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, C128, C128],
            [C64, C64, C64, C128, C128, C64, C64, C128, C128, C64, C64, C128, C64, C128],
            [C128, C128, C128, C128, C128, C128, C128, C128, C128, C128, C128, C128, C128, C128],
        ];
        for (a, row) in DType::ALL.into_iter().zip(table) {
            for (b, expected) in DType::ALL.into_iter().zip(row) {
                assert_eq!(a.promote(b), expected, "{a} with {b}");
            }
        }
    }
}
