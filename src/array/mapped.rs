//! Arrays whose elements are each computed from one element of a source: recoded categories, shifted
//! pointers, masks.

use std::sync::Arc;

use super::batches::read_converted;
use super::cast::{cast_bytes, read_i64, write_i64};
use super::{ArraySource, SharedArray};
use crate::base::{DType, ReadError, Region};

/// An array computed element by element from integers.
#[derive(Debug)]
struct Mapped {
    source: SharedArray,
    dtype: DType,
    map: Map,
}

#[derive(Debug)]
enum Map {
    Recode(Arc<[i64]>),
    Shift(i64),
    IsNegative,
    IsNan,
}

/// Category codes under a new list of categories.
pub struct Recoded;

impl Recoded {
    /// `table[code]` for each code of `codes`, as `dtype`; negative codes (missing) become -1. A
    /// code past the table is [`ReadError::Corrupt`] when read.
    #[must_use]
    pub fn shared(codes: SharedArray, table: Arc<[i64]>, dtype: DType) -> SharedArray {
        Arc::new(Mapped { source: codes, dtype, map: Map::Recode(table) })
    }
}

/// Integers with a constant added.
pub struct Shifted;

impl Shifted {
    /// `source + offset` as `dtype`; a sum that `dtype` cannot hold is [`ReadError::Corrupt`].
    #[must_use]
    pub fn shared(source: SharedArray, offset: i64, dtype: DType) -> SharedArray {
        if offset == 0 && source.dtype() == dtype {
            return source;
        }
        Arc::new(Mapped { source, dtype, map: Map::Shift(offset) })
    }
}

/// Masks: true where a value is missing.
pub struct IsMissing;

impl IsMissing {
    /// True where a category code is negative.
    #[must_use]
    pub fn of_codes(codes: SharedArray) -> SharedArray {
        Arc::new(Mapped { source: codes, dtype: DType::Bool, map: Map::IsNegative })
    }

    /// True where a floating point or complex number is NaN.
    #[must_use]
    pub fn of_numbers(numbers: SharedArray) -> SharedArray {
        Arc::new(Mapped { source: numbers, dtype: DType::Bool, map: Map::IsNan })
    }
}

impl Mapped {
    fn convert(&self, source: &[u8], out: &mut [u8]) -> Result<(), ReadError> {
        let from = self.source.dtype();
        match &self.map {
            Map::IsNan => {
                let elements = source.chunks_exact(from.size_bytes());
                for (element, target) in elements.zip(out) {
                    let mut wide = [0; 16];
                    cast_bytes(from, element, DType::C128, &mut wide);
                    let halves = wide.as_chunks::<8>().0;
                    *target =
                        u8::from(halves.iter().any(|half| f64::from_le_bytes(*half).is_nan()));
                }
                Ok(())
            }
            Map::IsNegative => {
                for (value, target) in read_i64(from, source).zip(out) {
                    *target = u8::from(value < 0);
                }
                Ok(())
            }
            Map::Shift(offset) => write_i64(
                self.dtype,
                read_i64(from, source).map(|value| value.checked_add(*offset)),
                out,
            )
            .map_err(|()| {
                ReadError::corrupt("", "", "an integer does not fit the type of the merged array")
            }),
            Map::Recode(table) => write_i64(
                self.dtype,
                read_i64(from, source).map(|code| {
                    if code < 0 { Some(-1) } else { table.get(code as usize).copied() }
                }),
                out,
            )
            .map_err(|()| {
                ReadError::corrupt(
                    "",
                    "",
                    format!("a category code is past the list of {} categories", table.len()),
                )
            }),
        }
    }
}

impl ArraySource for Mapped {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        self.source.shape()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let target_bytes = self.dtype.size_bytes();
        read_converted(&*self.source, region, target_bytes, out, |from, to| self.convert(from, to))
    }

    fn grain(&self) -> Option<&[u64]> {
        self.source.grain()
    }
}
