//! Joining the axis that is not concatenated: which names the result has, and where each input's
//! positions are among them (`merge_indices`, `gen_reindexer`).

use std::collections::HashSet;
use std::sync::Arc;

use rayon::prelude::*;

use crate::array::TextBuf;
use crate::base::Indexer;

use super::names::{NameHash, NameLists, duplicate, positions};
use super::options::Join;

/// The joined axis.
#[derive(Debug)]
pub(super) struct JoinedAxis {
    /// The names.
    pub names: Arc<TextBuf>,
    /// From the joined axis to each input's. Inputs with equal names share one table.
    pub indexers: Vec<Indexer>,
}

/// A name that keeps an axis from being joined.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous {
    /// The input that has it twice.
    pub input: usize,
    /// The name.
    pub name: String,
}

impl JoinedAxis {
    /// Joins the axis. Lists that are all equal need no join, and may then hold a name twice.
    pub fn new(names: &NameLists, join: Join) -> Result<Self, Ambiguous> {
        let lists = &names.lists;
        let Some(first) = lists.first() else {
            return Ok(Self { names: Arc::default(), indexers: Vec::new() });
        };
        if lists.len() == 1 {
            let indexer = Indexer::identity(first.len() as u64);
            return Ok(Self {
                names: Arc::clone(first),
                indexers: vec![indexer; names.of_input.len()],
            });
        }
        let numbered = lists.par_iter().enumerate();
        let ambiguous = numbered.find_map_first(|(number, list)| Some((number, duplicate(list)?)));
        if let Some((number, name)) = ambiguous {
            let input = names.of_input.iter().position(|&of| of == number).unwrap_or(0);
            return Err(Ambiguous { input, name: name.to_owned() });
        }
        let joined = match join {
            Join::Inner => intersection(lists),
            Join::Outer => union(lists.iter().map(AsRef::as_ref)),
        };
        let tables: Vec<Indexer> = lists
            .par_iter()
            .map(|list| Indexer::new(list.len() as u64, positions(list, &joined)))
            .collect();
        let indexers = names.of_input.iter().map(|&of| tables[of].clone()).collect();
        Ok(Self { names: Arc::new(joined), indexers })
    }
}

/// `Index.intersection`, folded: what all have, in the order of the first.
fn intersection(lists: &[Arc<TextBuf>]) -> TextBuf {
    let mut kept: Vec<&str> = lists[0].iter().collect();
    for list in &lists[1..] {
        let names: HashSet<&str, NameHash> = list.iter().collect();
        kept.retain(|name| names.contains(name));
    }
    kept.into_iter().collect()
}

/// `Index.union`, folded: sorted by code point, but as it is where all that are not empty are equal.
/// (A fold sorts at its first step between lists that differ, and what is sorted stays so.)
pub(super) fn union<'a>(lists: impl Iterator<Item = &'a TextBuf> + Clone) -> TextBuf {
    let mut filled = lists.filter(|list| !list.is_empty());
    let Some(first) = filled.next() else { return TextBuf::new() };
    if filled.clone().all(|list| list == first) {
        return first.clone();
    }
    let mut seen = HashSet::with_hasher(NameHash::default());
    let mut all: Vec<&str> = Vec::new();
    for list in std::iter::once(first).chain(filled) {
        all.extend(list.iter().filter(|name| seen.insert(*name)));
    }
    // UTF-8 sorts as code points do.
    all.sort_unstable();
    all.into_iter().collect()
}

/// The name of an index made of others: theirs when they all have it
/// (`Index._get_reconciled_name_object`).
pub(super) fn shared_name<'a>(
    mut names: impl Iterator<Item = Option<&'a String>>,
) -> Option<String> {
    let first = names.next()??;
    names.all(|name| name == Some(first)).then(|| first.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::indexer::MISSING;

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
        let error = JoinedAxis::new(&NameLists::of(&[&["a"], &["b", "b"]]), Join::Inner);
        assert_eq!(error.unwrap_err(), Ambiguous { input: 1, name: "b".to_owned() });
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
