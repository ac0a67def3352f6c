//! Merge strategies: which of several values stands for all (`merge_nested` and its rules).

use crate::anndata::{Elem, Mapping};

use super::keys::{intersect_keys, union_keys};
use super::options::Merge;

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

/// Merges nested mappings; a mapping with nothing left in it is left out.
pub(super) fn merge_nested<E>(
    strategy: Merge,
    mappings: &[&Mapping],
    equal: &mut impl FnMut(&Elem, &Elem) -> Result<bool, E>,
) -> Result<Mapping, E> {
    let mut out = Mapping::new();
    for key in keys(strategy, mappings) {
        let values: Vec<&Elem> = mappings.iter().filter_map(|mapping| mapping.get(key)).collect();
        let dicts: Option<Vec<&Mapping>> = values
            .iter()
            .map(|value| if let Elem::Dict(dict) = value { Some(dict) } else { None })
            .collect();
        let merged = match dicts {
            Some(dicts) => {
                let merged = merge_nested(strategy, &dicts, equal)?;
                (!merged.is_empty()).then_some(Elem::Dict(merged))
            }
            None => choose(strategy, &values, &mut *equal)?.cloned(),
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

    fn same_text(a: &Elem, b: &Elem) -> Result<bool, Infallible> {
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
            let Ok(merged) = merge_nested(strategy, &[&a, &b, &c], &mut same_text);
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
        let Ok(merged) = merge_nested(Merge::Unique, &[&a, &b], &mut same_text);
        assert!(merged.is_empty());
        let Ok(merged) = merge_nested(Merge::First, &[&b, &a], &mut same_text);
        assert_eq!(shown(&merged), "a=(b=1)");
    }
}
