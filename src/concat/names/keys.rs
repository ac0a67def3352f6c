//! Joins of keys: `intersect_keys` and `union_keys`, with the order that they give.

use indexmap::{IndexMap, IndexSet};

/// Keys that all mappings have, in the order of the last one (a fold of `&` over ordered sets).
pub fn intersect_keys<'a, V>(mappings: &[&'a IndexMap<String, V>]) -> Vec<&'a str> {
    let Some((last, others)) = mappings.split_last() else { return Vec::new() };
    last.keys()
        .map(String::as_str)
        .filter(|key| others.iter().all(|mapping| mapping.contains_key(*key)))
        .collect()
}

/// Keys that any mapping has, in order of appearance.
pub fn union_keys<'a, V>(mappings: &[&'a IndexMap<String, V>]) -> Vec<&'a str> {
    let mut keys: IndexSet<&str> = IndexSet::new();
    for mapping in mappings {
        keys.extend(mapping.keys().map(String::as_str));
    }
    keys.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_anndatas() {
        let a: IndexMap<String, ()> = ["x", "y", "z"].map(|key| (key.to_owned(), ())).into();
        let b: IndexMap<String, ()> = ["z", "w", "x"].map(|key| (key.to_owned(), ())).into();
        assert_eq!(intersect_keys(&[&a, &b]), ["z", "x"]);
        assert_eq!(union_keys(&[&a, &b]), ["x", "y", "z", "w"]);
    }
}
