//! Where each position of a target axis comes from on a source axis.

use std::sync::Arc;

/// For each target position, the source position, or nothing: pandas' `Index.get_indexer`
/// (anndata's `Reindexer.idx`). Cheap to clone; equal axes share one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Indexer {
    source_len: u64,
    /// `None`: the identity over `source_len`.
    positions: Option<Arc<[u32]>>,
}

/// Marks a target position that no source position fills.
pub const MISSING: u32 = u32::MAX;

impl Indexer {
    /// No change.
    #[must_use]
    pub const fn identity(len: u64) -> Self {
        Self { source_len: len, positions: None }
    }

    /// From a table of source positions, [`MISSING`] where there is none. A table that changes
    /// nothing becomes the identity.
    #[must_use]
    pub fn new(source_len: u64, positions: impl Into<Arc<[u32]>>) -> Self {
        let positions = positions.into();
        let unchanged = positions.len() as u64 == source_len
            && positions.iter().enumerate().all(|(i, &p)| p as usize == i);
        Self { source_len, positions: (!unchanged).then_some(positions) }
    }

    /// A target of `target_len` positions that are all missing.
    #[must_use]
    pub fn all_missing(target_len: u64) -> Self {
        Self::new(0, vec![MISSING; target_len as usize])
    }

    /// The first positions of the source, then missing ones up to `target_len`.
    #[must_use]
    pub fn prefix(source_len: u64, target_len: u64) -> Self {
        if source_len == target_len {
            return Self::identity(source_len);
        }
        let positions: Vec<u32> =
            (0..target_len).map(|i| if i < source_len { i as u32 } else { MISSING }).collect();
        Self::new(source_len, positions)
    }

    /// True when source and target are the same.
    #[must_use]
    pub const fn is_identity(&self) -> bool {
        self.positions.is_none()
    }

    /// Length of the source axis.
    #[must_use]
    pub const fn source_len(&self) -> u64 {
        self.source_len
    }

    /// Length of the target axis.
    #[must_use]
    pub fn target_len(&self) -> u64 {
        self.positions.as_ref().map_or(self.source_len, |p| p.len() as u64)
    }

    /// The table, unless this is the identity.
    #[must_use]
    pub fn positions(&self) -> Option<&Arc<[u32]>> {
        self.positions.as_ref()
    }

    /// The source position of a target position.
    #[must_use]
    pub fn get(&self, target: u64) -> Option<u64> {
        match &self.positions {
            None => (target < self.source_len).then_some(target),
            Some(positions) => {
                positions.get(target as usize).filter(|&&p| p != MISSING).map(|&p| u64::from(p))
            }
        }
    }

    /// True when some target position has no source.
    #[must_use]
    pub fn introduces(&self) -> bool {
        self.positions.as_ref().is_some_and(|p| p.contains(&MISSING))
    }

    /// Number of source positions that reach no target.
    #[must_use]
    pub fn num_dropped(&self) -> u64 {
        self.inverse().map_or(0, |inverse| inverse.iter().filter(|&&t| t == MISSING).count() as u64)
    }

    /// For each source position, its target ([`MISSING`] when dropped); `None` for the identity.
    #[must_use]
    pub fn inverse(&self) -> Option<Vec<u32>> {
        let positions = self.positions.as_ref()?;
        let mut inverse = vec![MISSING; self.source_len as usize];
        for (target, &source) in positions.iter().enumerate() {
            if source != MISSING {
                inverse[source as usize] = target as u32;
            }
        }
        Some(inverse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_changes_nothing_is_the_identity() {
        assert!(Indexer::new(3, vec![0, 1, 2]).is_identity());
        assert!(!Indexer::new(4, vec![0, 1, 2]).is_identity());
    }

    #[test]
    fn inverse_and_counts() {
        let indexer = Indexer::new(3, vec![2, MISSING, 0]);
        assert_eq!(indexer.inverse(), Some(vec![2, MISSING, 0]));
        assert_eq!(indexer.num_dropped(), 1);
        assert!(indexer.introduces());
        assert_eq!((indexer.get(0), indexer.get(1), indexer.get(9)), (Some(2), None, None));
    }
}
