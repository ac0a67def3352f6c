//! An array of one value.

use std::sync::Arc;

use super::gathered::fill_with;
use super::{ArraySource, SharedArray};
use crate::base::{DType, Dims, ReadError, Region};

/// `numpy.full`.
#[derive(Debug)]
pub struct Filled {
    dtype: DType,
    shape: Dims,
    element: Vec<u8>,
}

impl Filled {
    /// An array of this shape whose every element has these bytes.
    #[must_use]
    pub fn shared(dtype: DType, shape: &[u64], element: &[u8]) -> SharedArray {
        debug_assert_eq!(element.len(), dtype.size_bytes());
        Arc::new(Self { dtype, shape: shape.into(), element: element.to_vec() })
    }
}

impl ArraySource for Filled {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_into(&self, _region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        fill_with(out, &self.element);
        Ok(())
    }
}
