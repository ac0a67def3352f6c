//! numpy's promotion over many arrays, and pandas' over a fill value.

use crate::base::DType;
use crate::base::dtype::Kind;

use super::fill::FillValue;

/// `numpy.result_type` of many dtypes: unlike a fold of `promote_types` it does not depend on their
/// order. `None` for no dtypes.
pub fn result_type(dtypes: impl IntoIterator<Item = DType>) -> Option<DType> {
    let mut dtypes: Vec<DType> = dtypes.into_iter().collect();
    // numpy begins with the most general kind: int16, uint16, float32 give float32.
    dtypes.sort_unstable_by_key(|dtype| std::cmp::Reverse((dtype.kind(), dtype.size_bytes())));
    dtypes.into_iter().reduce(DType::promote)
}

/// Whether a fill value fits where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// numpy and pandas agree on this dtype.
    As(DType),
    /// pandas falls back to `object`, which cannot be written; float64 stands for it.
    InsteadOfObject,
}

impl Filled {
    /// The dtype that holds the values.
    pub const fn dtype(self) -> DType {
        match self {
            Self::As(dtype) => dtype,
            Self::InsteadOfObject => DType::F64,
        }
    }
}

/// pandas' `maybe_promote(dtype, fill)`.
pub fn promote_fill(dtype: DType, fill: FillValue) -> Filled {
    let kind = dtype.kind();
    match fill {
        _ if kind == Kind::Bool => Filled::InsteadOfObject,
        FillValue::Float(_) if dtype.is_integer() => Filled::As(DType::F64),
        FillValue::Float(value) if value.is_nan() => Filled::As(dtype),
        FillValue::Float(value) if kind == Kind::Float => {
            let smallest = smallest_float(value);
            Filled::As(if smallest.size_bytes() > dtype.size_bytes() { smallest } else { dtype })
        }
        FillValue::Float(value) => Filled::As(dtype.promote(smallest_float(value))),
        FillValue::Int(value) if dtype.is_integer() => {
            if holds(dtype, value) {
                return Filled::As(dtype);
            }
            let promoted = dtype.promote(smallest_int(value));
            if promoted.is_integer() { Filled::As(promoted) } else { Filled::InsteadOfObject }
        }
        FillValue::Int(_) => Filled::As(dtype),
    }
}

/// The bytes of one element that holds the fill value.
pub fn fill_bytes(dtype: DType, fill: FillValue) -> Vec<u8> {
    let mut out = vec![0; dtype.size_bytes()];
    match fill {
        FillValue::Int(value) => {
            crate::array::cast::cast_bytes(DType::I64, &value.to_le_bytes(), dtype, &mut out);
        }
        FillValue::Float(value) => {
            crate::array::cast::cast_bytes(DType::F64, &value.to_le_bytes(), dtype, &mut out);
        }
    }
    out
}

/// The bytes of one NaN.
pub fn nan_bytes(dtype: DType) -> Vec<u8> {
    fill_bytes(dtype, FillValue::Float(f64::NAN))
}

/// `numpy.min_scalar_type` of a float: by range, not by precision.
const fn smallest_float(value: f64) -> DType {
    let size = value.abs();
    if !value.is_finite() || size < 65000.0 {
        DType::F16
    } else if size < 3.4e38 {
        DType::F32
    } else {
        DType::F64
    }
}

/// `numpy.min_scalar_type` of an integer: unsigned unless negative.
fn smallest_int(value: i64) -> DType {
    let candidates = if value < 0 {
        [DType::I8, DType::I16, DType::I32, DType::I64]
    } else {
        [DType::U8, DType::U16, DType::U32, DType::U64]
    };
    candidates.into_iter().find(|&dtype| holds(dtype, value)).unwrap_or(DType::I64)
}

fn holds(dtype: DType, value: i64) -> bool {
    match dtype {
        DType::I8 => i8::try_from(value).is_ok(),
        DType::I16 => i16::try_from(value).is_ok(),
        DType::I32 => i32::try_from(value).is_ok(),
        DType::I64 => true,
        DType::U8 => u8::try_from(value).is_ok(),
        DType::U16 => u16::try_from(value).is_ok(),
        DType::U32 => u32::try_from(value).is_ok(),
        DType::U64 => value >= 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::DType::*;
    use super::*;

    #[test]
    fn result_type_does_not_depend_on_order() {
        assert_eq!(result_type([I16, U16, F32]), Some(F32));
        assert_eq!(result_type([I8, U8, F16]), Some(F16));
        assert_eq!(result_type([I64, U64]), Some(F64));
        assert_eq!(result_type([Bool, I8]), Some(I8));
        assert_eq!(result_type([]), None);
    }

    #[test]
    fn fill_values_promote_as_in_pandas() {
        let float = FillValue::Float;
        let int = FillValue::Int;
        let cases = [
            (I32, float(f64::NAN), Filled::As(F64)),
            (F32, float(f64::NAN), Filled::As(F32)),
            (Bool, float(f64::NAN), Filled::InsteadOfObject),
            (F32, float(0.1), Filled::As(F32)),
            (F16, float(1e6), Filled::As(F32)),
            (F32, float(1e300), Filled::As(F64)),
            (I8, float(1.5), Filled::As(F64)),
            (I8, int(3), Filled::As(I8)),
            (I8, int(200), Filled::As(I16)),
            (U8, int(-1), Filled::As(I16)),
            (I64, int(-1), Filled::As(I64)),
            (U64, int(-1), Filled::InsteadOfObject),
            (F32, int(7), Filled::As(F32)),
            (Bool, int(0), Filled::InsteadOfObject),
            (C64, float(1.0), Filled::As(C64)),
        ];
        for (dtype, fill, expected) in cases {
            assert_eq!(promote_fill(dtype, fill), expected, "{dtype} with {fill:?}");
        }
    }
}
