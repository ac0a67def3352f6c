//! `uns` of all inputs, merged: nested mappings, in which a strategy chooses value by value.

use indexmap::IndexSet;

use crate::anndata::{Elem, Mapping};
use crate::concat::names::union_keys;
use crate::concat::planner::Planner;
use crate::concat::told::{Notice, PlanError};

use super::equal;
use super::strategy::{Nested, merge_nested};

impl Planner<'_> {
    /// `uns`, chosen recursively.
    pub fn merge_uns(&mut self) -> Result<Mapping, PlanError> {
        let mappings: Vec<&Mapping> = self.sources.iter().map(|source| &source.adata.uns).collect();
        let Some(strategy) = self.options.uns_merge else {
            let unread = self.sources.iter().flat_map(|source| &source.adata.uns_unread);
            let mut keys: IndexSet<&str> = union_keys(&mappings).into_iter().collect();
            keys.extend(unread.map(|(key, _)| key.as_str()));
            let elements: Vec<String> =
                keys.into_iter().map(|key| self.at(&format!("uns/{key}"))).collect();
            if !elements.is_empty() {
                self.notices.push(Notice::NotMerged { elements, option: "--uns-merge" });
            }
            return Ok(Mapping::new());
        };
        let mut unread = self.sources.iter().flat_map(|source| &source.adata.uns_unread);
        if let Some((_, error)) = unread.next() {
            return Err(PlanError::UnreadUns(error.clone()));
        }
        let all = leaves(&mappings, &self.at("uns"));
        let mappings: Vec<(usize, &Mapping)> = mappings.into_iter().enumerate().collect();
        let sources = self.sources;
        let mut same = |path: &str, (a, x): Nested<'_>, (b, y): Nested<'_>| {
            let origin = |input: usize| sources[input].origin(path.to_owned());
            equal::equal_of((x, &origin(a)), (y, &origin(b))).map_err(|error| error.within(path))
        };
        let merged = merge_nested(strategy, &mappings, &self.at("uns"), &mut same)?;
        let kept = leaves(&[&merged], &self.at("uns"));
        self.tell_disagreement(all.difference(&kept).cloned().collect(), "--uns-merge");
        Ok(merged)
    }
}

/// The paths of all that nested mappings hold, in order of appearance.
fn leaves(mappings: &[&Mapping], path: &str) -> IndexSet<String> {
    fn add(mapping: &Mapping, path: &str, found: &mut IndexSet<String>) {
        for (key, elem) in mapping {
            let path = format!("{path}/{key}");
            match elem {
                Elem::Dict(inner) => add(inner, &path, found),
                _ => {
                    found.insert(path);
                }
            }
        }
    }
    let mut found = IndexSet::new();
    for mapping in mappings {
        add(mapping, path, &mut found);
    }
    found
}
