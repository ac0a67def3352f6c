//! Numbers for names, so that lists of names are joined by comparing numbers.
//!
//! Knows text alone; what is joined, and how, is its caller's.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::array::TextBuf;
use crate::base::indexer::MISSING;

/// Distinct names, numbered in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Numbering<'a> {
    /// The names by number.
    pub names: Vec<&'a str>,
    numbers: HashMap<&'a str, u32, NameHash>,
    /// By number, the name that came next when the name was last met.
    next: Vec<u32>,
}

impl<'a> Numbering<'a> {
    /// The number of each name of a list.
    pub fn of(&mut self, list: &'a TextBuf) -> Vec<u32> {
        if self.names.is_empty() {
            self.numbers.reserve(list.len());
            self.names.reserve(list.len());
        }
        let mut last: Option<u32> = None;
        let mut out = Vec::with_capacity(list.len());
        for name in list.iter() {
            // Lists mostly have the same names in the same order: comparing a name with the one
            // that was next before is several times as fast as finding it by its hash.
            let guess = last.map_or(0, |last| self.next[last as usize]);
            let number = match self.names.get(guess as usize) {
                Some(&known) if known == name => guess,
                _ => self.find(name),
            };
            if let Some(last) = last {
                self.next[last as usize] = number;
            }
            last = Some(number);
            out.push(number);
        }
        out
    }

    fn find(&mut self, name: &'a str) -> u32 {
        let fresh = self.names.len() as u32;
        let number = *self.numbers.entry(name).or_insert(fresh);
        if number == fresh {
            self.names.push(name);
            self.next.push(MISSING);
        }
        number
    }

    /// The first name whose number stands twice in a list.
    pub fn duplicate(&self, list: &[u32]) -> Option<&'a str> {
        let mut seen = vec![false; self.names.len()];
        list.iter()
            .find(|&&number| std::mem::replace(&mut seen[number as usize], true))
            .map(|&number| self.names[number as usize])
    }
}

/// Hashes names; several times as fast as the standard library's hasher, which guards against keys
/// chosen to collide. Names come from the user's own files.
#[derive(Debug, Clone, Copy, Default)]
struct NameHasher(u64);

/// Makes [`NameHasher`]s.
type NameHash = BuildHasherDefault<NameHasher>;

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    /// `str` ends its bytes with one that is always the same.
    fn write_u8(&mut self, _end: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_order_of_appearance_whatever_came_next_before() {
        let lists: Vec<TextBuf> =
            [&["a", "b", "c"][..], &["a", "c", "b"], &[], &["d", "", "a", "c"]]
                .iter()
                .map(|names| names.iter().copied().collect())
                .collect();
        let mut numbering = Numbering::default();
        let numbers: Vec<Vec<u32>> = lists.iter().map(|list| numbering.of(list)).collect();
        assert_eq!(numbers, [&[0, 1, 2][..], &[0, 2, 1], &[], &[3, 4, 0, 2]]);
        assert_eq!(numbering.names, ["a", "b", "c", "d", ""]);
    }

    #[test]
    fn the_first_name_that_stands_twice() {
        let list: TextBuf = ["x", "y", "z", "y", "x"].into_iter().collect();
        let mut numbering = Numbering::default();
        let numbers = numbering.of(&list);
        assert_eq!(numbering.duplicate(&numbers), Some("y"));
        assert_eq!(numbering.duplicate(&numbers[..3]), None);
    }
}
