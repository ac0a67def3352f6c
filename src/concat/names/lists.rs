//! Names along an axis: read once, and kept once however many inputs share them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::anndata::Frame;
use crate::array::{TextBuf, read_all_text};
use crate::base::ReadError;

use super::text::index_text;

/// The names of one axis, with the distinct lists numbered in order of first appearance.
#[derive(Debug)]
pub struct NameLists {
    /// The distinct lists.
    pub lists: Vec<Arc<TextBuf>>,
    /// Which of them each input has.
    pub of_input: Vec<usize>,
}

/// A list that some input has, found by its hash.
type Shelf = HashMap<u64, Vec<Arc<TextBuf>>>;

impl NameLists {
    /// Reads the names of all frames, in parallel.
    pub fn read(frames: &[&Frame]) -> Result<Self, (usize, ReadError)> {
        let shelf: Mutex<Shelf> = Mutex::default();
        let lists: Vec<Arc<TextBuf>> = frames
            .par_iter()
            .enumerate()
            .map(|(number, frame)| {
                let names = index_text(frame)
                    .and_then(|text| read_all_text(&*text))
                    .map_err(|error| (number, error))?;
                Ok(shelve(&shelf, names))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self::number(lists))
    }

    /// Numbers lists that are shared by pointer when they are equal.
    fn number(inputs: Vec<Arc<TextBuf>>) -> Self {
        let mut numbers: HashMap<*const TextBuf, usize> = HashMap::new();
        let mut lists = Vec::new();
        let of_input = inputs
            .into_iter()
            .map(|names| {
                *numbers.entry(Arc::as_ptr(&names)).or_insert_with(|| {
                    lists.push(names);
                    lists.len() - 1
                })
            })
            .collect();
        Self { lists, of_input }
    }

    #[cfg(test)]
    pub fn of(inputs: &[&[&str]]) -> Self {
        let shelf = Mutex::default();
        Self::number(
            inputs.iter().map(|names| shelve(&shelf, names.iter().copied().collect())).collect(),
        )
    }
}

fn shelve(shelf: &Mutex<Shelf>, names: TextBuf) -> Arc<TextBuf> {
    // Where names end is compared, not hashed.
    let hash = xxhash_rust::xxh3::xxh3_64(names.joined().as_bytes());
    let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
    let slot = shelf.entry(hash).or_default();
    if let Some(known) = slot.iter().find(|known| ***known == names) {
        return Arc::clone(known);
    }
    let names = Arc::new(names);
    slot.push(Arc::clone(&names));
    names
}
