//! Arrays of strings of all inputs, one after another, as far as nothing has to be filled: numpy has
//! no string that means a missing one.

use std::sync::Arc;

use crate::anndata::Elem;
use crate::array::{FilledText, GatheredText, ReshapedText, SharedText, StackedText, TextColumns};
use crate::base::{Indexer, memory};
use crate::concat::sparse::Axis;

use super::share::ArrayShare;

/// The shares of an element that is text wherever it is there. Inputs without rows may lack it, and
/// any input may lack what has no columns. `None` when something would have to be filled.
pub(super) fn stack_text(shares: &[ArrayShare<'_>], axis: Axis) -> Option<SharedText> {
    if axis == Axis::Rows
        && let Some(text) = stack_rows(shares)
    {
        return Some(text);
    }
    gather(shares, axis)
}

/// Rows one after another, where the columns of all inputs are the first ones.
fn stack_rows(shares: &[ArrayShare<'_>]) -> Option<SharedText> {
    let mut parts: Vec<SharedText> = Vec::with_capacity(shares.len());
    for share in shares {
        let width = share.other.target_len();
        let part = match share.elem {
            Some(Elem::Text(text)) if text.shape().len() >= 2 => {
                if share.extent == 0 {
                    let rest = &text.shape()[2..];
                    FilledText::shared(&[&[0, width], rest].concat(), "")
                } else if is_prefix(&share.other) {
                    TextColumns::shared(Arc::clone(text), width)
                } else {
                    return None;
                }
            }
            None if share.extent == 0 => continue,
            None if width == 0 => FilledText::shared(&[share.extent, 0], ""),
            _ => return None,
        };
        if parts.first().is_some_and(|first| first.shape()[1..] != part.shape()[1..]) {
            return None;
        }
        parts.push(part);
    }
    (!parts.is_empty()).then(|| StackedText::shared(parts))
}

/// True for the first positions of the source and no others.
fn is_prefix(indexer: &Indexer) -> bool {
    indexer.positions().is_none_or(|positions| {
        positions.iter().enumerate().all(|(target, &source)| source as usize == target)
    })
}

/// Along either axis and under any names: the strings of all inputs in one line, and for each string
/// of the result its place there.
fn gather(shares: &[ArrayShare<'_>], axis: Axis) -> Option<SharedText> {
    let (stacked, other) = (axis.index(), 1 - axis.index());
    let mut parts = Vec::with_capacity(shares.len());
    let mut sources: Vec<Source<'_>> = Vec::with_capacity(shares.len());
    let mut shape: Option<Vec<u64>> = None;
    let mut offset = 0;
    let mut extent = 0;
    for share in shares {
        let is_empty = share.extent == 0 || share.other.target_len() == 0;
        let Some(Elem::Text(text)) = share.elem else {
            if share.elem.is_some() || !is_empty {
                return None;
            }
            extent += share.extent;
            continue;
        };
        let own = text.shape();
        if own.len() < 2 || own[stacked] != share.extent || own[other] != share.other.source_len() {
            return None;
        }
        if !is_empty && share.other.introduces() {
            return None;
        }
        let model = shape.get_or_insert_with(|| own.to_vec());
        if model.len() != own.len() || model[2..] != own[2..] {
            return None;
        }
        model[other] = share.other.target_len();
        extent += share.extent;
        if is_empty {
            continue;
        }
        sources.push(Source { share, offset, columns: own[1] });
        offset += text.num_elements();
        parts.push(ReshapedText::shared(Arc::clone(text), &[text.num_elements()]));
    }
    let mut shape = shape?;
    shape[stacked] = extent;
    if parts.is_empty() {
        return Some(FilledText::shared(&shape, ""));
    }
    // Places are numbers of 32 bits, and how many there are is what files claim.
    u32::try_from(offset).ok()?;
    let num_places = shape.iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim))?;
    (num_places <= memory::most_bytes() / size_of::<u32>() as u64).then_some(())?;
    let inner = shape[2..].iter().product::<u64>();
    let cell = |source: &Source<'_>, along: u64, across: u64| {
        let across = source.share.other.get(across).unwrap_or(0);
        let (row, column) = if stacked == 0 { (along, across) } else { (across, along) };
        let start = source.offset + (row * source.columns + column) * inner;
        (start..start + inner).map(|at| at as u32)
    };
    let mut places: Vec<u32> = Vec::with_capacity(num_places as usize);
    if stacked == 0 {
        for source in &sources {
            for row in 0..source.share.extent {
                (0..shape[1]).for_each(|column| places.extend(cell(source, row, column)));
            }
        }
    } else {
        for row in 0..shape[0] {
            for source in &sources {
                (0..source.share.extent)
                    .for_each(|column| places.extend(cell(source, column, row)));
            }
        }
    }
    let line = StackedText::shared(parts);
    let gathered = GatheredText::shared(line, &Indexer::new(offset, places), "");
    Some(ReshapedText::shared(gathered, &shape))
}

/// An input's strings among those of all.
struct Source<'a> {
    share: &'a ArrayShare<'a>,
    offset: u64,
    columns: u64,
}
