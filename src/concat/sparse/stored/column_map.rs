//! Where each minor index of a source goes, in the form that element loops want it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::Indexer;
use crate::base::indexer::MISSING;

/// The table of one [`Indexer`], seen from the source.
#[derive(Debug)]
pub struct ColumnMap {
    /// For each source position its target; where it has none, the target length in whole words of
    /// the bitmap.
    pub table: Vec<u32>,
    /// Length of the target axis.
    pub target_len: u32,
    /// Number of source positions that reach no target.
    pub num_dropped: u64,
    /// True when kept positions keep their order.
    pub rising: bool,
    /// Target positions that no source position fills, rising.
    pub introduced: Vec<u32>,
    /// The same as a bitmap of whole words, and one word more.
    pub introduced_bits: Vec<u64>,
}

impl ColumnMap {
    /// The table of an indexer that is not the identity.
    pub fn new(indexer: &Indexer) -> Self {
        let target_len = u32::try_from(indexer.target_len()).unwrap_or(u32::MAX - 64);
        let num_words = target_len.div_ceil(64);
        let dropped = num_words * 64;
        let mut table = indexer.inverse().unwrap_or_else(|| (0..target_len).collect());
        let mut num_dropped = 0;
        let mut rising = true;
        let mut previous = None;
        for target in &mut table {
            if *target == MISSING {
                *target = dropped;
                num_dropped += 1;
            } else {
                rising &= previous.is_none_or(|previous| previous < *target);
                previous = Some(*target);
            }
        }
        let introduced: Vec<u32> =
            (0..target_len).filter(|&target| indexer.get(u64::from(target)).is_none()).collect();
        let mut introduced_bits = vec![0; num_words as usize + 1];
        for &target in &introduced {
            introduced_bits[target as usize / 64] |= 1 << (target % 64);
        }
        Self { table, target_len, num_dropped, rising, introduced, introduced_bits }
    }

    /// One byte a source position: 1 when it is kept.
    pub fn kept_mask(&self) -> Vec<u8> {
        self.table.iter().map(|&target| u8::from(target < self.target_len)).collect()
    }
}

/// Gives equal indexers one table: a thousand inputs often share one.
#[derive(Debug, Default)]
pub struct ColumnMaps {
    by_address: HashMap<(usize, u64), (Indexer, Arc<ColumnMap>)>,
}

impl ColumnMaps {
    /// The table of an indexer that is not the identity.
    pub fn get(&mut self, indexer: &Indexer) -> Arc<ColumnMap> {
        let address = indexer.positions().map_or(0, |positions| positions.as_ptr() as usize);
        // The indexer is kept beside its table, so that its address is not used again.
        let entry = self
            .by_address
            .entry((address, indexer.source_len()))
            .or_insert_with(|| (indexer.clone(), Arc::new(ColumnMap::new(indexer))));
        Arc::clone(&entry.1)
    }
}
