//! Numbers of any dtype, compared and summed by value.

use crate::array::cast_bytes;
use crate::base::DType;
use crate::base::dtype::Kind;

/// A number of any dtype, to compare across dtypes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer, a boolean, or a whole float.
    Int(i128),
    /// Another real number.
    Real(f64),
    /// A complex number that is not real.
    Complex(f64, f64),
}

impl Number {
    /// The number that little-endian `bytes` hold.
    pub fn of(dtype: DType, bytes: &[u8]) -> Self {
        let bytes = &bytes[..dtype.size_bytes()];
        let mut wide = [0; 16];
        match dtype.kind() {
            Kind::Unsigned => {
                cast_bytes(dtype, bytes, DType::U64, &mut wide[..8]);
                Self::Int(i128::from(u64::from_le_bytes(first_eight(&wide))))
            }
            Kind::Bool | Kind::Signed => {
                cast_bytes(dtype, bytes, DType::I64, &mut wide[..8]);
                Self::Int(i128::from(i64::from_le_bytes(first_eight(&wide))))
            }
            Kind::Float | Kind::Complex => {
                cast_bytes(dtype, bytes, DType::C128, &mut wide);
                let real = f64::from_le_bytes(first_eight(&wide));
                let imaginary = f64::from_le_bytes(first_eight(&wide[8..]));
                if imaginary != 0.0 {
                    Self::Complex(real, imaginary)
                } else if real.fract() == 0.0 && real.abs() < 1e37 {
                    Self::Int(real as i128)
                } else {
                    Self::Real(real)
                }
            }
        }
    }

    /// True for NaN.
    pub const fn is_nan(self) -> bool {
        match self {
            Self::Int(_) => false,
            Self::Real(real) => real.is_nan(),
            Self::Complex(real, imaginary) => real.is_nan() || imaginary.is_nan(),
        }
    }

    /// Equality in which NaN equals NaN.
    pub fn same(self, other: Self) -> bool {
        self == other || (self.is_nan() && other.is_nan())
    }
}

fn first_eight(bytes: &[u8]) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[..8]);
    out
}

/// The sum of two elements in their own dtype.
pub fn sum(dtype: DType, a: &[u8; 16], b: &[u8; 16]) -> [u8; 16] {
    let size = dtype.size_bytes();
    let mut out = [0; 16];
    if matches!(dtype.kind(), Kind::Float | Kind::Complex) {
        let (mut wide_a, mut wide_b) = ([0; 16], [0; 16]);
        cast_bytes(dtype, &a[..size], DType::C128, &mut wide_a);
        cast_bytes(dtype, &b[..size], DType::C128, &mut wide_b);
        let mut total = [0; 16];
        for half in [0, 8] {
            let sum = f64::from_le_bytes(first_eight(&wide_a[half..]))
                + f64::from_le_bytes(first_eight(&wide_b[half..]));
            total[half..half + 8].copy_from_slice(&sum.to_le_bytes());
        }
        cast_bytes(DType::C128, &total, dtype, &mut out[..size]);
    } else if dtype == DType::Bool {
        out[0] = a[0] | b[0];
    } else {
        // Two's complement: the low bytes of the sum are the sum of the low bytes.
        let total =
            u64::from_le_bytes(first_eight(a)).wrapping_add(u64::from_le_bytes(first_eight(b)));
        out[..size].copy_from_slice(&total.to_le_bytes()[..size]);
    }
    out
}
