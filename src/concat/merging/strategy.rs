//! Merge strategies: which of several values stands for all (`merge_nested` and its rules).

use crate::anndata::{Elem, Mapping};
use crate::concat::names::{intersect_keys, union_keys};
use crate::concat::options::Merge;

/// The keys that a strategy looks at.
pub(super) fn keys<'a, V>(
    strategy: Merge,
    mappings: &[&'a indexmap::IndexMap<String, V>],
) -> Vec<&'a str> {
    match strategy {
        Merge::Same => intersect_keys(mappings),
        Merge::Unique | Merge::First | Merge::Only => union_keys(mappings),
    }
}

/// The value that a strategy chooses among those there are; equality is asked for only when it
/// decides.
pub(super) fn choose<V: Copy, E>(
    strategy: Merge,
    values: &[V],
    mut equal: impl FnMut(V, V) -> Result<bool, E>,
) -> Result<Option<V>, E> {
    let Some((&first, rest)) = values.split_first() else { return Ok(None) };
    match strategy {
        Merge::First => Ok(Some(first)),
        Merge::Only => Ok(rest.is_empty().then_some(first)),
        Merge::Same | Merge::Unique => {
            for &value in rest {
                if !equal(value, first)? {
                    return Ok(None);
                }
            }
            Ok(Some(first))
        }
    }
}

/// A value in a nested mapping, and the number of the input it is from.
pub(super) type Nested<'a> = (usize, &'a Elem);

/// Merges the nested mappings of inputs at `path`; a mapping with nothing left in it is left out.
/// `equal` is told the path of what it compares.
pub(super) fn merge_nested<E>(
    strategy: Merge,
    mappings: &[(usize, &Mapping)],
    path: &str,
    equal: &mut impl FnMut(&str, Nested<'_>, Nested<'_>) -> Result<bool, E>,
) -> Result<Mapping, E> {
    let mut out = Mapping::new();
    let plain: Vec<&Mapping> = mappings.iter().map(|&(_, mapping)| mapping).collect();
    for key in keys(strategy, &plain) {
        let path = format!("{path}/{key}");
        let values: Vec<Nested<'_>> = mappings
            .iter()
            .filter_map(|&(input, mapping)| Some((input, mapping.get(key)?)))
            .collect();
        let dicts: Option<Vec<(usize, &Mapping)>> = values
            .iter()
            .map(|&(input, value)| match value {
                Elem::Dict(dict) => Some((input, dict)),
                _ => None,
            })
            .collect();
        let merged = match dicts {
            Some(dicts) => {
                let merged = merge_nested(strategy, &dicts, &path, equal)?;
                (!merged.is_empty()).then_some(Elem::Dict(merged))
            }
            None => choose(strategy, &values, |a, b| equal(&path, a, b))?
                .map(|(_, value)| value.clone()),
        };
        if let Some(merged) = merged {
            out.insert(key.to_owned(), merged);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anndata::Scalar;
    use std::convert::Infallible;

    fn text(value: &str) -> Elem {
        Elem::Scalar(Scalar::Text(value.to_owned()))
    }

    fn dict(items: &[(&str, Elem)]) -> Mapping {
        items.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    fn same_text(_: &str, (_, a): Nested<'_>, (_, b): Nested<'_>) -> Result<bool, Infallible> {
        Ok(match (a, b) {
            (Elem::Scalar(Scalar::Text(a)), Elem::Scalar(Scalar::Text(b))) => a == b,
            _ => false,
        })
    }

    fn shown(mapping: &Mapping) -> String {
        let items: Vec<String> = mapping
            .iter()
            .map(|(key, value)| match value {
                Elem::Scalar(Scalar::Text(value)) => format!("{key}={value}"),
                Elem::Dict(inner) => format!("{key}=({})", shown(inner)),
                _ => format!("{key}=?"),
            })
            .collect();
        items.join(" ")
    }

    /// The example in `anndata.concat`'s documentation.
    #[test]
    fn nested_mappings_merge_as_documented() {
        let a = dict(&[
            ("a", text("1")),
            ("b", text("2")),
            ("c", Elem::Dict(dict(&[("c.a", text("3")), ("c.b", text("4"))]))),
        ]);
        let b = dict(&[
            ("a", text("1")),
            ("b", text("3")),
            ("c", Elem::Dict(dict(&[("c.b", text("4"))]))),
        ]);
        let nested = dict(&[("c.a", text("3")), ("c.b", text("4")), ("c.c", text("5"))]);
        let c = dict(&[("a", text("1")), ("b", text("4")), ("c", Elem::Dict(nested))]);
        let merge = |strategy| {
            let Ok(merged) =
                merge_nested(strategy, &[(0, &a), (1, &b), (2, &c)], "/uns", &mut same_text);
            shown(&merged)
        };
        assert_eq!(merge(Merge::Same), "a=1 c=(c.b=4)");
        assert_eq!(merge(Merge::Unique), "a=1 c=(c.a=3 c.b=4 c.c=5)");
        assert_eq!(merge(Merge::Only), "c=(c.c=5)");
        assert_eq!(merge(Merge::First), "a=1 b=2 c=(c.a=3 c.b=4 c.c=5)");
    }

    #[test]
    fn a_mapping_and_a_value_are_not_equal() {
        let a = dict(&[("a", text("1"))]);
        let b = dict(&[("a", Elem::Dict(dict(&[("b", text("1"))])))]);
        let Ok(merged) = merge_nested(Merge::Unique, &[(0, &a), (1, &b)], "/uns", &mut same_text);
        assert!(merged.is_empty());
        let Ok(merged) = merge_nested(Merge::First, &[(0, &b), (1, &a)], "/uns", &mut same_text);
        assert_eq!(shown(&merged), "a=(b=1)");
    }
}
