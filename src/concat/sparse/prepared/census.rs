//! Counting what a join leaves of each major slice, over `indices` alone.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use crate::base::{Progress, ReadError};
use crate::concat::kept::{Offsets, OffsetsWriter};
use crate::concat::sparse::stored::{ColumnMap, Compressed};
use crate::io::spill_failed;

/// Major slices whose counts are held at once.
const BAND: u64 = 1 << 20;
/// Entries that a task counts at once: 1 MiB of `int32`, which stays in the second-level cache.
const TASK_ENTRIES: u64 = 256 << 10;

thread_local! {
    static BUFFERS: RefCell<(Vec<u8>, Vec<u32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// Kept entries before each major slice, one longer than the major axis.
pub(super) fn count_kept(
    matrix: &Compressed,
    map: &ColumnMap,
    spill_dir: &Path,
    progress: &dyn Progress,
) -> Result<Offsets, ReadError> {
    let spill = |error: io::Error| spill_failed(spill_dir, error);
    let mask = map.kept_mask();
    let mut writer = OffsetsWriter::new(matrix.num_major + 1, spill_dir).map_err(spill)?;
    let mut total = 0;
    writer.push(0).map_err(spill)?;
    let mut start = 0;
    while start < matrix.num_major {
        let end = (start + BAND).min(matrix.num_major);
        for count in count_band(matrix, &mask, start..end, progress)? {
            total += count;
            writer.push(total).map_err(spill)?;
        }
        start = end;
    }
    writer.finish().map_err(spill)
}

/// Counts of a band of major slices.
fn count_band(
    matrix: &Compressed,
    mask: &[u8],
    majors: Range<u64>,
    progress: &dyn Progress,
) -> Result<Vec<u64>, ReadError> {
    let offsets = matrix.offsets(majors.start..majors.end + 1)?;
    let mut counts = vec![0; offsets.len() - 1];
    let mut tasks = Vec::new();
    let mut rest = counts.as_mut_slice();
    let mut first = 0;
    while !rest.is_empty() {
        let limit = offsets[first] + TASK_ENTRIES;
        let len = offsets[first..].partition_point(|&offset| offset <= limit);
        let len = len.saturating_sub(1).clamp(1, rest.len());
        let (head, tail) = rest.split_at_mut(len);
        tasks.push((&offsets[first..=first + len], head));
        rest = tail;
        first += len;
    }
    tasks.into_par_iter().try_for_each(|(offsets, counts)| {
        progress.go_on()?;
        count_task(matrix, mask, offsets, counts)?;
        let entries = offsets[offsets.len() - 1] - offsets[0];
        progress.advance(entries * matrix.index_bytes() as u64);
        Ok::<(), ReadError>(())
    })?;
    Ok(counts)
}

fn count_task(
    matrix: &Compressed,
    mask: &[u8],
    offsets: &[u64],
    counts: &mut [u64],
) -> Result<(), ReadError> {
    // Taken out, not borrowed: reading may call back on this thread.
    let (mut bytes, mut minors) = BUFFERS.take();
    let counted = (|| {
        let end = offsets[offsets.len() - 1];
        let mut start = offsets[0];
        let mut row = 0;
        // More than one round only for a slice that is longer than a task.
        while start < end {
            let stop = (start + TASK_ENTRIES).min(end);
            matrix.minors(start..stop, &mut bytes, &mut minors)?;
            let mut at = start;
            while at < stop {
                while offsets[row + 1] <= at {
                    row += 1;
                }
                let row_stop = offsets[row + 1].min(stop);
                let row_minors = &minors[(at - start) as usize..(row_stop - start) as usize];
                counts[row] += kept_among(row_minors, mask);
                at = row_stop;
            }
            start = stop;
        }
        Ok(())
    })();
    BUFFERS.set((bytes, minors));
    counted
}

/// How many of `minors`, all within `mask`, are kept.
fn kept_among(minors: &[u32], mask: &[u8]) -> u64 {
    // Four sums, so that no addition waits for the one before.
    let (quads, rest) = minors.as_chunks::<4>();
    let mut sums = [0_u64; 4];
    for quad in quads {
        for (sum, &minor) in sums.iter_mut().zip(quad) {
            *sum += u64::from(mask[minor as usize]);
        }
    }
    sums.iter().sum::<u64>()
        + rest.iter().map(|&minor| u64::from(mask[minor as usize])).sum::<u64>()
}
