//! Splits a region along its first axis, so that what is in flight stays small.

use crate::base::Region;

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
