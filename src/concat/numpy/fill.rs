//! The value of what a join introduces.

use crate::base::DType;

/// The value of entries that a join introduces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FillValue {
    /// An integer, numpy `int64` in promotions.
    Int(i64),
    /// A real number, numpy `float64` in promotions.
    Float(f64),
}

impl FillValue {
    /// The dtype that numpy gives it.
    #[must_use]
    pub const fn dtype(self) -> DType {
        match self {
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::F64,
        }
    }

    /// True for 0 and -0.
    #[must_use]
    pub fn is_zero(self) -> bool {
        match self {
            Self::Int(value) => value == 0,
            Self::Float(value) => value == 0.0,
        }
    }
}
