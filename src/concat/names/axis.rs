//! Joining the axis that is not concatenated: which names the result has, and where each input's
//! positions are among them (`merge_indices`, `gen_reindexer`).

use std::sync::Arc;

use rayon::prelude::*;

use crate::array::TextBuf;
use crate::base::{Indexer, indexer::MISSING};
use crate::concat::options::Join;

use super::lists::NameLists;
use super::numbering::Numbering;
use super::overlap::{Costly, alike, costly};
use super::sorted;

/// The joined axis.
#[derive(Debug)]
pub struct JoinedAxis {
    /// The names.
    pub names: Arc<TextBuf>,
    /// From the joined axis to each input's. Inputs with equal names share one table.
    pub indexers: Vec<Indexer>,
    /// Names that some lists have and the joined axis has not.
    pub dropped: TextBuf,
    /// The lists that cost an inner join most.
    pub costly: Option<Costly>,
    /// Lists that share names, by their numbers.
    pub alike: Vec<Vec<usize>>,
}

/// Names that keep an axis from being joined.
#[derive(Debug, PartialEq, Eq)]
pub struct Ambiguous {
    /// The inputs that have some name twice.
    pub inputs: Vec<usize>,
    /// The first such name of the first of them.
    pub name: String,
}

impl JoinedAxis {
    /// Joins the axis. Lists that are all equal need no join, and may then hold a name twice.
    pub fn new(names: &NameLists, join: Join) -> Result<Self, Ambiguous> {
        let lists = &names.lists;
        let Some(first) = lists.first() else {
            return Ok(Self::unjoined(Arc::default(), Vec::new()));
        };
        if lists.len() == 1 {
            let indexer = Indexer::identity(first.len() as u64);
            return Ok(Self::unjoined(Arc::clone(first), vec![indexer; names.of_input.len()]));
        }
        let mut numbering = Numbering::default();
        let numbered: Vec<Vec<u32>> = lists.iter().map(|list| numbering.of(list)).collect();
        let duplicates: Vec<Option<&str>> =
            numbered.par_iter().map(|list| numbering.duplicate(list)).collect();
        // Lists are numbered in the order of the inputs.
        if let Some(name) = duplicates.iter().flatten().next() {
            let of_input = names.of_input.iter().enumerate();
            let ambiguous = of_input.filter(|(_, of)| duplicates[**of].is_some());
            let inputs = ambiguous.map(|(input, _)| input).collect();
            return Err(Ambiguous { inputs, name: (*name).to_owned() });
        }
        let order = match join {
            Join::Inner => intersection(&numbered, numbering.names.len()),
            Join::Outer => union_order(&numbering, &numbered),
        };
        let mut targets = vec![MISSING; numbering.names.len()];
        for (target, &number) in order.iter().enumerate() {
            targets[number as usize] = target as u32;
        }
        let tables: Vec<Indexer> = numbered
            .par_iter()
            .map(|list| Indexer::new(list.len() as u64, positions(list, &targets, order.len())))
            .collect();
        let indexers = names.of_input.iter().map(|&of| tables[of].clone()).collect();
        let joined: TextBuf =
            order.iter().map(|&number| numbering.names[number as usize]).collect();
        let dropped: TextBuf = numbering
            .names
            .iter()
            .zip(&targets)
            .filter_map(|(&name, &target)| (target == MISSING).then_some(name))
            .collect();
        let costly = match dropped.is_empty() {
            true => None,
            false => costly(&numbered, numbering.names.len(), &names.of_input),
        };
        let alike = alike(&numbered, numbering.names.len());
        Ok(Self { names: Arc::new(joined), indexers, dropped, costly, alike })
    }

    /// Names that need no join.
    fn unjoined(names: Arc<TextBuf>, indexers: Vec<Indexer>) -> Self {
        Self { names, indexers, dropped: TextBuf::new(), costly: None, alike: Vec::new() }
    }
}

/// pandas' `Index.get_indexer`: where in a list, whose names are unique, each name of the joined
/// axis is. `targets` has the place of each name on the joined axis.
fn positions(list: &[u32], targets: &[u32], joined_len: usize) -> Vec<u32> {
    let mut positions = vec![MISSING; joined_len];
    for (position, &number) in list.iter().enumerate() {
        if let Some(slot) = positions.get_mut(targets[number as usize] as usize) {
            *slot = position as u32;
        }
    }
    positions
}

/// `Index.intersection`, folded: what all have, in the order of the first.
fn intersection(lists: &[Vec<u32>], num_names: usize) -> Vec<u32> {
    let mut counts = vec![0_usize; num_names];
    for &number in lists.iter().flatten() {
        counts[number as usize] += 1;
    }
    let first = lists.first().map_or(&[][..], Vec::as_slice);
    first.iter().copied().filter(|&number| counts[number as usize] == lists.len()).collect()
}

/// `Index.union`, folded: sorted by code point, but as it is where all that are not empty are equal.
/// (A fold sorts at its first step between lists that differ, and what is sorted stays so.)
pub fn union<'a>(lists: impl Iterator<Item = &'a TextBuf> + Clone) -> TextBuf {
    let mut filled = lists.filter(|list| !list.is_empty());
    let Some(first) = filled.next() else { return TextBuf::new() };
    if filled.clone().all(|list| list == first) {
        return first.clone();
    }
    let lists: Vec<&TextBuf> = std::iter::once(first).chain(filled).collect();
    if lists.par_iter().all(|list| sorted::is_sorted(list)) {
        return sorted::union(&lists);
    }
    let mut numbering = Numbering::default();
    let numbered: Vec<Vec<u32>> = lists.into_iter().map(|list| numbering.of(list)).collect();
    union_order(&numbering, &numbered)
        .into_iter()
        .map(|number| numbering.names[number as usize])
        .collect()
}

/// The order of all names in the union of lists, no two of which are equal.
fn union_order(numbering: &Numbering<'_>, lists: &[Vec<u32>]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..numbering.names.len() as u32).collect();
    if lists.iter().filter(|list| !list.is_empty()).count() > 1 {
        // UTF-8 sorts as code points do.
        order.sort_unstable_by_key(|&number| numbering.names[number as usize]);
    }
    order
}

/// The name of an index made of others: theirs when they all have it
/// (`Index._get_reconciled_name_object`).
pub fn shared_name<'a>(mut names: impl Iterator<Item = Option<&'a String>>) -> Option<String> {
    let first = names.next()??;
    names.all(|name| name == Some(first)).then(|| first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(inputs: &[&[&str]], join: Join) -> Vec<String> {
        let axis = JoinedAxis::new(&NameLists::of(inputs), join).unwrap();
        axis.names.iter().map(str::to_owned).collect()
    }

    #[test]
    fn intersection_keeps_the_order_of_the_left() {
        assert_eq!(joined(&[&["c", "b", "a"], &["a", "c"]], Join::Inner), ["c", "a"]);
        assert_eq!(joined(&[&["c", "a"], &["a", "b", "c"], &["a"]], Join::Inner), ["a"]);
    }

    #[test]
    fn union_sorts_unless_equal_or_empty() {
        assert_eq!(joined(&[&["b", "a"], &["b", "a"]], Join::Outer), ["b", "a"]);
        assert_eq!(joined(&[&["b", "a"], &[]], Join::Outer), ["b", "a"]);
        assert_eq!(joined(&[&[], &["b", "a"]], Join::Outer), ["b", "a"]);
        assert_eq!(joined(&[&["c", "b", "a"], &["a"]], Join::Outer), ["a", "b", "c"]);
        assert_eq!(joined(&[&["b", "é"], &["Z", "b"]], Join::Outer), ["Z", "b", "é"]);
        assert_eq!(joined(&[&["b", "a"], &["c"], &["b", "a"]], Join::Outer), ["a", "b", "c"]);
    }

    #[test]
    fn duplicates_matter_only_when_lists_differ() {
        assert_eq!(joined(&[&["a", "a"], &["a", "a"]], Join::Inner), ["a", "a"]);
        let lists = NameLists::of(&[&["a"], &["b", "b"], &["a"], &["c", "c"], &["b", "b"]]);
        let error = JoinedAxis::new(&lists, Join::Inner).unwrap_err();
        assert_eq!(error, Ambiguous { inputs: vec![1, 3, 4], name: "b".to_owned() });
    }

    #[test]
    fn indexers_point_from_the_joined_axis_to_the_inputs() {
        let lists = NameLists::of(&[&["a", "b"], &["b", "c"], &["a", "b"]]);
        assert_eq!(lists.of_input, [0, 1, 0]);
        let axis = JoinedAxis::new(&lists, Join::Outer).unwrap();
        assert_eq!(axis.indexers[1].positions().unwrap().as_ref(), [MISSING, 0, 1]);
        assert_eq!(axis.indexers[0], axis.indexers[2]);
    }
}
