//! Category codes, checked against the number of categories when they are read.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::batches::read_converted;
use super::cast::{read_i64, write_i64};
use super::{ArraySource, SharedArray};
use crate::base::dtype::Kind;
use crate::base::{DType, ReadError, Region};

/// The codes of a categorical, none without a category.
#[derive(Debug)]
pub struct CheckedCodes {
    codes: SharedArray,
    dtype: DType,
    num_categories: u64,
    file: PathBuf,
    element: String,
}

impl CheckedCodes {
    /// Integer `codes` as the signed integer `dtype`, which must hold `num_categories - 1`. A code
    /// that is neither a category nor -1 is [`ReadError::Corrupt`] of this file and element when it
    /// is read, as pandas' `Categorical.from_codes` refuses it.
    #[must_use]
    pub fn shared(
        codes: SharedArray,
        num_categories: u64,
        dtype: DType,
        file: impl Into<PathBuf>,
        element: impl Into<String>,
    ) -> SharedArray {
        debug_assert_eq!(dtype.kind(), Kind::Signed);
        let (file, element) = (file.into(), element.into());
        Arc::new(Self { codes, dtype, num_categories, file, element })
    }

    /// `-1..=last`, clipped to what an `i64` holds.
    fn last(&self) -> i64 {
        i64::try_from(self.num_categories).unwrap_or(i64::MAX) - 1
    }

    fn fits(&self, code: i64) -> bool {
        (-1..=self.last()).contains(&code)
    }

    fn no_category(&self, bytes: &[u8]) -> ReadError {
        let stored = read_i64(self.codes.dtype(), bytes).find(|&code| !self.fits(code));
        let code = stored.map_or_else(String::new, |code| format!(" {code}"));
        let what = format!(
            "the category code{code} stands for no category, expected -1 to {}",
            self.last()
        );
        ReadError::corrupt(self.file.clone(), self.element.clone(), what)
    }
}

impl ArraySource for CheckedCodes {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        self.codes.shape()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        if self.codes.dtype() != self.dtype {
            let target_bytes = self.dtype.size_bytes();
            return read_converted(&*self.codes, region, target_bytes, out, |from, to| {
                let codes = read_i64(self.codes.dtype(), from);
                write_i64(self.dtype, codes.map(|code| self.fits(code).then_some(code)), to)
                    .map_err(|()| self.no_category(from))
            });
        }
        self.codes.read_into(region, out)?;
        let extremes = match self.dtype {
            DType::I8 => extremes(out, i8::from_le_bytes),
            DType::I16 => extremes(out, i16::from_le_bytes),
            DType::I32 => extremes(out, i32::from_le_bytes),
            _ => extremes(out, i64::from_le_bytes),
        };
        match extremes {
            Some((least, most)) if !self.fits(least) || !self.fits(most) => {
                Err(self.no_category(out))
            }
            _ => Ok(()),
        }
    }

    fn grain(&self) -> Option<&[u64]> {
        self.codes.grain()
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        self.codes.decoded_with(element)
    }

    fn is_stored_as_is(&self) -> bool {
        self.codes.dtype() == self.dtype && self.codes.is_stored_as_is()
    }
}

/// The least and the greatest code: all that has to be known of codes that are not converted, found
/// in a fraction of the time of copying them.
fn extremes<const BYTES: usize, T: Copy + Ord + Into<i64>>(
    codes: &[u8],
    load: impl Fn([u8; BYTES]) -> T,
) -> Option<(i64, i64)> {
    let mut codes = codes.as_chunks::<BYTES>().0.iter().map(|code| load(*code));
    let first = codes.next()?;
    let (least, most) =
        codes.fold((first, first), |(least, most), code| (least.min(code), most.max(code)));
    Some((least.into(), most.into()))
}
