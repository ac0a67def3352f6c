//! Values with a fill value where a mask says so.

use std::sync::Arc;

use super::batches::batches;
use super::scratch::with_scratch;
use super::{ArraySource, SharedArray};
use crate::base::{DType, ReadError, Region};

/// `numpy.where(mask, fill, values)`.
#[derive(Debug)]
pub struct Blanked {
    values: SharedArray,
    mask: SharedArray,
    fill: Vec<u8>,
}

impl Blanked {
    /// `values` with the element `fill` wherever `mask` (boolean, of the same shape) is true.
    #[must_use]
    pub fn shared(values: SharedArray, mask: SharedArray, fill: &[u8]) -> SharedArray {
        debug_assert_eq!(mask.dtype(), DType::Bool);
        debug_assert_eq!(mask.shape(), values.shape());
        Arc::new(Self { values, mask, fill: fill.to_vec() })
    }
}

impl ArraySource for Blanked {
    fn dtype(&self) -> DType {
        self.values.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.values.shape()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.values.read_into(region, out)?;
        let mut at = 0;
        for batch in batches(region, 1) {
            let elements = batch.num_elements() as usize;
            with_scratch(elements, |mask| {
                self.mask.read_into(&batch, mask)?;
                let targets = out[at * self.fill.len()..].chunks_exact_mut(self.fill.len());
                for (target, _) in targets.zip(&*mask).filter(|(_, missing)| **missing != 0) {
                    target.copy_from_slice(&self.fill);
                }
                Ok(())
            })?;
            at += elements;
        }
        Ok(())
    }
}
