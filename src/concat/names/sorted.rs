//! Lists of names that are sorted by code point, as pandas leaves most categories: united and
//! searched without a table of all names.

use std::sync::Arc;

use crate::array::TextBuf;

/// True when each name is greater than the one before.
pub fn is_sorted(list: &TextBuf) -> bool {
    (1..list.len()).all(|at| list.get(at - 1) < list.get(at))
}

/// The sorted union of lists that are sorted.
pub fn union(lists: &[&TextBuf]) -> TextBuf {
    let names = merged(lists);
    let mut out = TextBuf::new();
    out.reserve(names.len());
    out.reserve_bytes(names.iter().map(|name| name.len()).sum());
    names.into_iter().for_each(|name| out.push(name));
    out
}

/// Merges lists two and two.
fn merged<'a>(lists: &[&'a TextBuf]) -> Vec<&'a str> {
    match lists {
        [] => Vec::new(),
        [list] => list.iter().collect(),
        _ => {
            let (left, right) = lists.split_at(lists.len() / 2);
            let (left, right) = rayon::join(|| merged(left), || merged(right));
            merge(&left, &right)
        }
    }
}

fn merge<'a>(mut a: &[&'a str], mut b: &[&'a str]) -> Vec<&'a str> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    while let ([x, a_rest @ ..], [y, b_rest @ ..]) = (a, b) {
        let order = x.cmp(y);
        out.push(if order.is_le() { *x } else { *y });
        if order.is_le() {
            a = a_rest;
        }
        if order.is_ge() {
            b = b_rest;
        }
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    out
}

/// For each name its place in a sorted list, -1 where it has none. Mostly the names are sorted too:
/// each is looked for from where the one before was, in steps that double.
pub fn places(sorted: &TextBuf, names: &TextBuf) -> Arc<[i64]> {
    let mut from = 0;
    let place = |name: &str| {
        // What is before `low` is less; what is at `high`, if anything, is not.
        let (mut low, mut high) = (from, sorted.len());
        if from > 0 && sorted.get(from - 1) >= name {
            (low, high) = (0, from - 1);
        } else {
            let mut step = 1;
            while low + step <= high {
                let probe = low + step - 1;
                if sorted.get(probe) >= name {
                    high = probe;
                    break;
                }
                (low, step) = (probe + 1, step * 2);
            }
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if sorted.get(middle) < name {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        from = low;
        let is_there = low < sorted.len() && sorted.get(low) == name;
        if is_there { low as i64 } else { -1 }
    };
    names.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) % limit
        }

        fn names(&mut self, most: u64) -> Vec<String> {
            (0..self.below(most)).map(|_| format!("{}é{}", self.below(3), self.below(30))).collect()
        }
    }

    fn text<'a>(names: impl IntoIterator<Item = &'a String>) -> TextBuf {
        names.into_iter().map(String::as_str).collect()
    }

    #[test]
    fn the_union_has_each_name_once_and_in_order() {
        let mut random = Random(1);
        for _ in 0..300 {
            let lists: Vec<BTreeSet<String>> =
                (0..random.below(6)).map(|_| random.names(20).into_iter().collect()).collect();
            let texts: Vec<TextBuf> = lists.iter().map(text).collect();
            let expected: BTreeSet<&str> = lists.iter().flatten().map(String::as_str).collect();
            let union = union(&texts.iter().collect::<Vec<_>>());
            assert!(union.iter().eq(expected));
        }
    }

    #[test]
    fn places_are_found_whatever_the_order() {
        let mut random = Random(2);
        for _ in 0..300 {
            let sorted: BTreeSet<String> = random.names(90).into_iter().collect();
            let sorted = text(&sorted);
            assert!(is_sorted(&sorted));
            let mut names = random.names(40);
            if random.below(2) == 0 {
                names.sort();
            }
            let expected: Vec<i64> = names
                .iter()
                .map(|name| {
                    sorted.iter().position(|known| known == name).map_or(-1, |at| at as i64)
                })
                .collect();
            assert_eq!(places(&sorted, &text(&names)).as_ref(), expected);
        }
    }

    #[test]
    fn what_is_sorted() {
        let sorted = |names: &[&str]| is_sorted(&names.iter().copied().collect());
        assert!(sorted(&[]) && sorted(&["b"]) && sorted(&["A", "a", "é"]));
        assert!(!sorted(&["a", "a"]) && !sorted(&["b", "a"]));
    }
}
