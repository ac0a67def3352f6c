//! Whole arrays into memory, by all cores.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::{MatrixError, Values};
use crate::array::{ArraySource, Blocks};
use crate::base::Region;
use crate::base::parallel::{is_sequential, sequentially};

/// Bytes that one task reads at once: large enough to hide the cost of a call, small enough that all
/// cores have work to the end.
const BLOCK_BYTES: u64 = 4 << 20;

/// Reads all of an array, by the cores of the rayon pool that this is called in, or within
/// [`sequentially`] by this thread.
///
/// # Errors
/// A source that failed, too little memory, or `cancel` was set.
pub fn read_values(
    array: &dyn ArraySource,
    element: &str,
    cancel: &AtomicBool,
) -> Result<Values, MatrixError> {
    let [values] = read_together([array], element, cancel)?;
    Ok(values)
}

/// Reads all of several arrays of one length: each task the same part of each, one after another,
/// so that what they share is decoded once.
pub(super) fn read_together<const N: usize>(
    arrays: [&dyn ArraySource; N],
    element: &str,
    cancel: &AtomicBool,
) -> Result<[Values; N], MatrixError> {
    let failed = MatrixError::read(element);
    let shape = arrays[0].shape();
    let num_elements = shape
        .iter()
        .try_fold(1u64, |product, &len| product.checked_mul(len))
        .ok_or_else(|| failed(crate::array::beyond_memory("a matrix of this shape")))?;
    let mut values = Vec::with_capacity(N);
    for array in arrays {
        values.push(Values::zeroed(array.dtype(), num_elements).map_err(&failed)?);
    }
    let widest = arrays.iter().map(|array| array.dtype().size_bytes()).max().unwrap_or(1) as u64;
    let grain = arrays.iter().find_map(|array| array.grain());
    let mut rest: Vec<&mut [u8]> = values.iter_mut().map(Values::bytes_mut).collect();
    let mut jobs = Vec::new();
    for block in Blocks::new(shape, grain, BLOCK_BYTES / widest) {
        let mut parts = Vec::with_capacity(N);
        for (rest, array) in rest.iter_mut().zip(arrays) {
            let len_bytes = block.region.num_elements() as usize * array.dtype().size_bytes();
            let (part, tail) = std::mem::take(rest).split_at_mut(len_bytes);
            *rest = tail;
            parts.push(part);
        }
        jobs.push((block.region, parts));
    }
    let read = |(region, parts): (Region, Vec<&mut [u8]>)| {
        sequentially(|| {
            for (array, part) in arrays.iter().zip(parts) {
                if cancel.load(Ordering::Relaxed) {
                    return Err(MatrixError::Cancelled);
                }
                array.read_into(&region, part).map_err(&failed)?;
            }
            Ok(())
        })
    };
    if is_sequential() {
        jobs.into_iter().try_for_each(read)?;
    } else {
        // One at a time, in order: neighbours share what is decoded at their border.
        jobs.into_par_iter().with_max_len(1).try_for_each(read)?;
    }
    values.try_into().map_err(|values: Vec<Values>| MatrixError::Unfit {
        element: element.to_owned(),
        what: format!("{} arrays were read, not {N}", values.len()),
    })
}
