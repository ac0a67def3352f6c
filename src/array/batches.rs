//! Splits a region along its first axis, so that what is in flight stays small.

use super::ArraySource;
use super::scratch::with_scratch;
use crate::base::{ReadError, Region};

/// Bytes that one batch of an intermediate result may take.
const BATCH_BYTES: u64 = 4 << 20;

/// The region in pieces of whole rows, each of at most about 4 MiB at `element_bytes` an element
/// (one row at least), in order.
pub(crate) fn batches(region: &Region, element_bytes: usize) -> impl Iterator<Item = Region> + '_ {
    let rows = if region.rank() == 0 { 1 } else { region.len()[0] };
    let row_bytes =
        region.len().iter().skip(1).product::<u64>().max(1) * element_bytes.max(1) as u64;
    let step = (BATCH_BYTES / row_bytes).clamp(1, rows.max(1));
    (0..rows.div_ceil(step)).map(move |batch| {
        if region.rank() == 0 {
            return region.clone();
        }
        let start = region.start()[0] + batch * step;
        let end = (start + step).min(region.range(0).end);
        region.with_range(0, start..end)
    })
}

/// Fills `out` with `region` of an array that is computed element by element from `source`: `convert`
/// turns a batch of the source's bytes into as many elements of `target_bytes` each.
pub(crate) fn read_converted(
    source: &dyn ArraySource,
    region: &Region,
    target_bytes: usize,
    out: &mut [u8],
    mut convert: impl FnMut(&[u8], &mut [u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let source_bytes = source.dtype().size_bytes();
    let mut rest = out;
    for batch in batches(region, source_bytes) {
        let elements = batch.num_elements() as usize;
        let (target, after) = rest.split_at_mut(elements * target_bytes);
        rest = after;
        with_scratch(elements * source_bytes, |buffer| {
            source.read_into(&batch, buffer)?;
            convert(buffer, target)
        })?;
    }
    Ok(())
}
