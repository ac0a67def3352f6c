//! Category codes as the numbers they stand for.

use std::sync::Arc;

use super::batches::read_converted;
use super::cast::read_i64;
use super::{ArraySource, SharedArray};
use crate::base::{DType, ReadError, Region};

/// `categories.take(codes)` of numeric categories.
#[derive(Debug)]
pub struct Lookup {
    codes: SharedArray,
    dtype: DType,
    table: Vec<u8>,
    missing: Vec<u8>,
}

impl Lookup {
    /// `table[code]` for each code of `codes`, the element `missing` for negative codes; `table`
    /// holds little-endian elements of `dtype`. A code past the table is [`ReadError::Corrupt`]
    /// when read.
    #[must_use]
    pub fn shared(codes: SharedArray, dtype: DType, table: Vec<u8>, missing: &[u8]) -> SharedArray {
        debug_assert_eq!(missing.len(), dtype.size_bytes());
        Arc::new(Self { codes, dtype, table, missing: missing.to_vec() })
    }
}

impl ArraySource for Lookup {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        self.codes.shape()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let element_bytes = self.dtype.size_bytes();
        read_converted(&*self.codes, region, element_bytes, out, |codes, out| {
            let codes = read_i64(self.codes.dtype(), codes);
            for (code, target) in codes.zip(out.chunks_exact_mut(element_bytes)) {
                let element = if code < 0 {
                    Some(&self.missing[..])
                } else {
                    self.table.chunks_exact(element_bytes).nth(code as usize)
                };
                target.copy_from_slice(element.ok_or_else(|| self.past_the_table(code))?);
            }
            Ok(())
        })
    }

    fn grain(&self) -> Option<&[u64]> {
        self.codes.grain()
    }
}

impl Lookup {
    fn past_the_table(&self, code: i64) -> ReadError {
        let len = self.table.len() / self.dtype.size_bytes();
        let what = format!("category code {code} is past the list of {len} categories");
        ReadError::corrupt("", "", what)
    }
}
