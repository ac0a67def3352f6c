//! Whether the names of the result are unique, which `anndata` warns of and no join needs to know.
//!
//! Finding out reads all names of the concatenated axis, so it is apart from planning: whoever has a
//! plan decides when it is done. Holds a hash of each name, some at a time if there are very many.

use std::ops::Range;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::array::{SharedText, TextBuf};
use crate::base::ReadError;

use super::told::Notice;

/// Names that are read at once.
const BLOCK_NAMES: u64 = 1 << 16;
/// Hashes that are held at once: 16 bytes each, for a moment twice.
const MOST_HASHES: u64 = 8 << 20;
/// Hashes of repeated names that are kept to find examples by.
const MOST_REPEATED: usize = 1 << 20;
/// So many names are looked at before anything else, because it takes no time that anybody notices.
const FEW_NAMES: u64 = 20_000;
/// Names that are told as examples.
const EXAMPLES: usize = 5;

/// The names of the axes of a result, to be looked at.
#[derive(Debug, Clone)]
pub struct NameCheck {
    pub(super) axes: Vec<NamedAxis>,
}

/// The names of one axis.
#[derive(Debug, Clone)]
pub(super) struct NamedAxis {
    /// Its path.
    pub element: String,
    /// The names.
    pub names: SharedText,
    /// Inputs in order: where their names end, and what a sentence calls them.
    pub inputs: Vec<(u64, String)>,
}

impl NameCheck {
    /// Number of names that are read.
    #[must_use]
    pub fn num_names(&self) -> u64 {
        self.axes.iter().map(|axis| axis.names.num_elements()).sum()
    }

    /// Whether reading them takes no time that anybody notices.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        self.num_names() <= FEW_NAMES
    }

    /// Reads the names, and tells which are there more than once.
    ///
    /// # Errors
    /// An input that cannot be read.
    pub fn run(&self) -> Result<Vec<Notice>, ReadError> {
        let found = self.axes.iter().map(NamedAxis::repeated).collect::<Result<Vec<_>, _>>()?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl NamedAxis {
    fn blocks(&self) -> Vec<Range<u64>> {
        let len = self.names.num_elements();
        let block = |start| start..len.min(start + BLOCK_NAMES);
        (0..len).step_by(BLOCK_NAMES as usize).map(block).collect()
    }

    fn read(&self, block: Range<u64>) -> Result<TextBuf, ReadError> {
        let mut names = TextBuf::new();
        self.names.read_range(block, &mut names)?;
        Ok(names)
    }

    fn repeated(&self) -> Result<Option<Notice>, ReadError> {
        let blocks = self.blocks();
        let passes = u128::from(self.names.num_elements().div_ceil(MOST_HASHES));
        let (mut num_repeated, mut repeated) = (0, Vec::new());
        for pass in 0..passes {
            let hashes = |block: &Range<u64>| -> Result<Vec<u128>, ReadError> {
                let names = self.read(block.clone())?;
                let hashes = names.iter().map(|name| xxh3_128(name.as_bytes()));
                Ok(hashes.filter(|hash| hash % passes == pass).collect())
            };
            let parts = blocks.par_iter().map(hashes).collect::<Result<Vec<_>, _>>()?;
            let mut hashes = parts.concat();
            hashes.par_sort_unstable();
            for run in hashes.chunk_by(|a, b| a == b).filter(|run| run.len() > 1) {
                num_repeated += 1;
                if repeated.len() < MOST_REPEATED {
                    repeated.push(run[0]);
                }
            }
        }
        if num_repeated == 0 {
            return Ok(None);
        }
        repeated.sort_unstable();
        let places = self.first_places(&blocks, &repeated)?;
        let is_across = places.iter().any(|(_, [first, second])| first != second);
        let told = |(name, [first, second]): (String, [usize; 2])| {
            let called = |input: usize| self.inputs.get(input).map_or("", |(_, called)| called);
            match first == second {
                true => format!("{name:?} twice in {}", called(first)),
                false => format!("{name:?} in {} and {}", called(first), called(second)),
            }
        };
        Ok(Some(Notice::NamesNotUnique {
            element: self.element.clone(),
            num_names: num_repeated,
            examples: places.into_iter().map(told).collect(),
            across_inputs: is_across,
        }))
    }

    /// The first names whose hashes are repeated, and the inputs that they are in first.
    fn first_places(
        &self,
        blocks: &[Range<u64>],
        repeated: &[u128],
    ) -> Result<Vec<(String, [usize; 2])>, ReadError> {
        let mut found: Vec<(String, usize, Option<usize>)> = Vec::new();
        'reading: for block in blocks {
            let names = self.read(block.clone())?;
            for (position, name) in (block.start..).zip(names.iter()) {
                if repeated.binary_search(&xxh3_128(name.as_bytes())).is_err() {
                    continue;
                }
                let input = self.inputs.partition_point(|&(end, _)| end <= position);
                let has_room = found.len() < EXAMPLES;
                match found.iter_mut().find(|(known, ..)| known == name) {
                    Some((.., second)) => {
                        second.get_or_insert(input);
                    }
                    None if has_room => found.push((name.to_owned(), input, None)),
                    None => {}
                }
                let is_whole = found.len() == EXAMPLES.min(repeated.len());
                if is_whole && found.iter().all(|(.., second)| second.is_some()) {
                    break 'reading;
                }
            }
        }
        let places = found.into_iter();
        Ok(places.filter_map(|(name, first, second)| Some((name, [first, second?]))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::MemoryText;

    fn told(inputs: &[&[&str]]) -> Vec<Notice> {
        let names: TextBuf = inputs.concat().into_iter().collect();
        let mut end = 0;
        let inputs = inputs.iter().zip(["a", "b", "c"]).map(|(names, called)| {
            end += names.len() as u64;
            (end, called.to_owned())
        });
        let inputs = inputs.collect();
        let axis = NamedAxis { element: "/obs".to_owned(), names: MemoryText::line(names), inputs };
        NameCheck { axes: vec![axis] }.run().unwrap()
    }

    fn repeated(num_names: u64, examples: &[&str], across_inputs: bool) -> Vec<Notice> {
        let examples = examples.iter().map(|&example| example.to_owned()).collect();
        vec![Notice::NamesNotUnique {
            element: "/obs".to_owned(),
            num_names,
            examples,
            across_inputs,
        }]
    }

    #[test]
    fn names_that_are_repeated_are_counted_once_and_found_where_they_are_first() {
        assert_eq!(told(&[&["x", "y"], &[], &["z"]]), []);
        assert_eq!(told(&[]), []);
        assert_eq!(
            told(&[&["x", "y"], &["y", "x"], &["x"]]),
            repeated(2, &["\"x\" in a and b", "\"y\" in a and b"], true)
        );
        assert_eq!(told(&[&["x"], &["y", "z", "z"]]), repeated(1, &["\"z\" twice in b"], false));
        let names: Vec<String> = (0..2000).map(|number| format!("n{}", number % 1000)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let examples: Vec<String> = (0..5).map(|n| format!("\"n{n}\" in a and b")).collect();
        let examples: Vec<&str> = examples.iter().map(String::as_str).collect();
        assert_eq!(told(&[&names[..1000], &names[1000..]]), repeated(1000, &examples, true));
    }
}
