//! The element loops that give rows their new minor indices: thinned, sorted, filled.
//!
//! Dispatch on the width of the values happens once a block; no loop looks at a dtype.

use std::ops::Range;

use crate::concat::sparse::stored::ColumnMap;

use super::cache::RowBlock;

/// Rows as they stand in the source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Where each row begins, and where the last ends; any origin.
    pub offsets: &'a [u64],
    /// Minor indices, all of them within the map's table.
    pub minors: &'a [u32],
    /// Values of the result's dtype, or nothing when only indices are wanted.
    pub values: &'a [u8],
    /// Bytes of one value; 0 when only indices are wanted.
    pub value_bytes: usize,
}

/// Memory that the loops use again and again.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    bits: Vec<u64>,
    ranks: Vec<u32>,
    keys: Vec<u64>,
}

/// Rewrites `rows` into `out`. With `fill` (the bytes of one value, which are not looked at when
/// only indices are wanted) every row gets the introduced columns too.
pub(super) fn rewrite(
    map: &ColumnMap,
    rows: Rows<'_>,
    fill: Option<&[u8]>,
    workspace: &mut Workspace,
    out: &mut RowBlock,
) {
    let num_rows = rows.offsets.len().saturating_sub(1);
    let num_filled = if fill.is_some() { map.introduced.len() * num_rows } else { 0 };
    // One more: the loops write first and then decide whether to advance.
    let capacity = rows.minors.len() + num_filled + 1;
    out.minors.resize(capacity, 0);
    out.bytes.resize(capacity * rows.value_bytes, 0);
    let len = match rows.value_bytes {
        0 => run(map, rows, fill.is_some(), workspace, &mut out.minors, &mut Nothing),
        1 => run_with_values::<1>(map, rows, fill, workspace, out),
        2 => run_with_values::<2>(map, rows, fill, workspace, out),
        4 => run_with_values::<4>(map, rows, fill, workspace, out),
        8 => run_with_values::<8>(map, rows, fill, workspace, out),
        _ => run_with_values::<16>(map, rows, fill, workspace, out),
    };
    out.minors.truncate(len);
    out.bytes.truncate(len * rows.value_bytes);
}

/// [`run`] for values of `N` bytes.
fn run_with_values<const N: usize>(
    map: &ColumnMap,
    rows: Rows<'_>,
    fill: Option<&[u8]>,
    workspace: &mut Workspace,
    out: &mut RowBlock,
) -> usize {
    let RowBlock { minors, bytes } = out;
    let mut values = Values::<N>::new(rows, fill, bytes);
    run(map, rows, fill.is_some(), workspace, minors, &mut values)
}

/// Moves values along with their indices.
trait Mover {
    fn copy(&mut self, from: usize, to: usize);
    fn fill(&mut self, to: usize);
}

struct Nothing;

impl Mover for Nothing {
    #[inline]
    fn copy(&mut self, _from: usize, _to: usize) {}
    #[inline]
    fn fill(&mut self, _to: usize) {}
}

struct Values<'a, const N: usize> {
    source: &'a [[u8; N]],
    fill: [u8; N],
    out: &'a mut [[u8; N]],
}

impl<'a, const N: usize> Values<'a, N> {
    fn new(rows: Rows<'a>, fill: Option<&[u8]>, out: &'a mut [u8]) -> Self {
        let fill = fill.and_then(|fill| fill.try_into().ok()).unwrap_or([0; N]);
        Self { source: rows.values.as_chunks().0, fill, out: out.as_chunks_mut().0 }
    }
}

impl<const N: usize> Mover for Values<'_, N> {
    #[inline]
    fn copy(&mut self, from: usize, to: usize) {
        self.out[to] = self.source[from];
    }
    #[inline]
    fn fill(&mut self, to: usize) {
        self.out[to] = self.fill;
    }
}

fn run(
    map: &ColumnMap,
    rows: Rows<'_>,
    filled: bool,
    workspace: &mut Workspace,
    out: &mut [u32],
    mover: &mut impl Mover,
) -> usize {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has the one feature that the function asks for.
        return unsafe { run_with_popcnt(map, rows, filled, workspace, out, mover) };
    }
    run_rows(map, rows, filled, workspace, out, mover)
}

/// [`run_rows`], compiled for processors that count bits in one instruction: twice as fast at it,
/// and nearly every processor does.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn run_with_popcnt(
    map: &ColumnMap,
    rows: Rows<'_>,
    filled: bool,
    workspace: &mut Workspace,
    out: &mut [u32],
    mover: &mut impl Mover,
) -> usize {
    run_rows(map, rows, filled, workspace, out, mover)
}

#[inline(always)]
fn run_rows(
    map: &ColumnMap,
    rows: Rows<'_>,
    filled: bool,
    workspace: &mut Workspace,
    out: &mut [u32],
    mover: &mut impl Mover,
) -> usize {
    let introduces = filled && !map.introduced.is_empty();
    if map.rising && !introduces {
        return thin(map, rows.minors, out, mover);
    }
    let entries = Entries { map, minors: rows.minors, introduces };
    let first = rows.offsets.first().copied().unwrap_or(0);
    let mut len = 0;
    workspace.bits.clear();
    workspace.bits.resize(map.introduced_bits.len(), 0);
    workspace.ranks.resize(map.introduced_bits.len(), 0);
    for pair in rows.offsets.windows(2) {
        let row = (pair[0] - first) as usize..(pair[1] - first) as usize;
        // A pass over the bitmap costs about as much as sorting an eighth as many entries.
        let ranked = if row.len() * 8 < map.introduced_bits.len() {
            None
        } else {
            entries.rank(row.clone(), workspace, &mut out[len..], len, mover)
        };
        len += match ranked {
            Some(added) => added,
            None => entries.sort(row, workspace, &mut out[len..], len, mover),
        };
    }
    len
}

/// Rows whose kept columns keep their order: compaction, whatever the rows are.
fn thin(map: &ColumnMap, minors: &[u32], out: &mut [u32], mover: &mut impl Mover) -> usize {
    let mut len = 0;
    for (from, &minor) in minors.iter().enumerate() {
        let target = map.table[minor as usize];
        out[len] = target;
        mover.copy(from, len);
        len += usize::from(target < map.target_len);
    }
    len
}

/// Entries of a block, whose rows are sorted one by one.
struct Entries<'a> {
    map: &'a ColumnMap,
    minors: &'a [u32],
    /// Whether every row gets the introduced columns.
    introduces: bool,
}

impl Entries<'_> {
    /// Sorts a row without comparing: the place of an entry is the number of occupied columns before
    /// its own. `None` when a column occurs twice, which this cannot place. Dropped entries lie in the
    /// column past the last, so they land past the end of the row.
    #[inline(always)]
    fn rank(
        &self,
        row: Range<usize>,
        workspace: &mut Workspace,
        out: &mut [u32],
        base: usize,
        mover: &mut impl Mover,
    ) -> Option<usize> {
        let Self { map, minors, introduces } = *self;
        let bits = workspace.bits.as_mut_slice();
        if introduces {
            bits.copy_from_slice(&map.introduced_bits);
        } else {
            bits.fill(0);
        }
        let mut kept = if introduces { map.introduced.len() } else { 0 };
        for &minor in &minors[row.clone()] {
            let target = map.table[minor as usize];
            bits[target as usize / 64] |= 1 << (target % 64);
            kept += usize::from(target < map.target_len);
        }
        let mut before = 0;
        for (rank, word) in workspace.ranks.iter_mut().zip(bits.iter()) {
            *rank = before;
            before += word.count_ones();
        }
        // The last word holds only the column of dropped entries.
        let occupied = workspace.ranks.last().map_or(0, |&rank| rank as usize);
        if occupied != kept {
            return None;
        }
        let place = |target: u32| {
            let word = target as usize / 64;
            let below = bits[word] & ((1_u64 << (target % 64)) - 1);
            (workspace.ranks[word] + below.count_ones()) as usize
        };
        for from in row {
            let target = map.table[minors[from] as usize];
            let to = place(target);
            out[to] = target;
            mover.copy(from, base + to);
        }
        if introduces {
            for &target in &map.introduced {
                let to = place(target);
                out[to] = target;
                mover.fill(base + to);
            }
        }
        Some(kept)
    }

    /// Sorts a row by comparing; entries of one column keep their order.
    fn sort(
        &self,
        row: Range<usize>,
        workspace: &mut Workspace,
        out: &mut [u32],
        base: usize,
        mover: &mut impl Mover,
    ) -> usize {
        const FILLED: u64 = u32::MAX as u64;
        let Self { map, minors, introduces } = *self;
        let keys = &mut workspace.keys;
        keys.clear();
        let start = row.start;
        for (at, &minor) in minors[row].iter().enumerate() {
            let target = map.table[minor as usize];
            if target < map.target_len {
                keys.push(u64::from(target) << 32 | at as u64);
            }
        }
        if introduces {
            keys.extend(map.introduced.iter().map(|&target| u64::from(target) << 32 | FILLED));
        }
        keys.sort_unstable();
        for (to, &key) in keys.iter().enumerate() {
            out[to] = (key >> 32) as u32;
            if key & FILLED == FILLED {
                mover.fill(base + to);
            } else {
                mover.copy(start + (key & FILLED) as usize, base + to);
            }
        }
        keys.len()
    }
}
