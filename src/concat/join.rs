//! The axis that is not concatenated, joined: read, and told where inputs share few names.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use crate::anndata::Frame;
use crate::array::{TextBuf, read_all_text};

use super::names::{Costly, JoinedAxis, NameLists, agree, column_text, reason};
use super::options::Join;
use super::planner::{DroppedNames, Planner, Source};
use super::told::{CostsMost, NamesOfAKind, Notice, PlanError};

/// Lost names that a notice holds.
const LISTED: usize = 100;

/// What can be said of inputs whose names are of several kinds.
#[derive(Default)]
struct Unlike {
    reason: Option<String>,
    agreeing: Vec<String>,
}

impl Planner<'_> {
    /// `merge_indices` and `gen_reindexer` over the other axis.
    pub fn join_other_axis(&mut self) -> Result<JoinedAxis, PlanError> {
        let other = self.options.axis.other();
        let frames: Vec<&Frame> =
            self.sources.iter().map(|source| other.frame(&source.adata)).collect();
        let names = NameLists::read(&frames).map_err(|(input, error)| {
            let error = error.within(&self.at(other.name()));
            PlanError::Read(error.of_file(&self.sources[input].file))
        })?;
        let joined = JoinedAxis::new(&names, self.options.join).map_err(|ambiguous| {
            let mut files =
                ambiguous.inputs.iter().map(|&input| self.sources[input].file.to_path_buf());
            PlanError::DuplicateName {
                file: files.next().unwrap_or_default(),
                element: self.at(other.name()),
                axis: other.name(),
                name: ambiguous.name,
                others: files.collect(),
            }
        })?;
        let element = self.at(other.name());
        if joined.names.is_empty() && names.lists.iter().all(|list| !list.is_empty()) {
            let with_file = |(source, &list): (&Source<'_>, &usize)| {
                format!("{:?} in {}", names.lists[list].get(0), source.file.display())
            };
            let examples = self.sources.iter().zip(&names.of_input).map(with_file).collect();
            let Unlike { reason, agreeing } = self.unlike(&names, &joined.alike)?;
            self.notices.push(Notice::NothingInCommon { element, examples, reason, agreeing });
        } else if self.options.join == Join::Outer && joined.alike.len() > 1 {
            let Unlike { reason, agreeing } = self.unlike(&names, &joined.alike)?;
            let kinds = joined.alike.iter().map(|lists| self.of_a_kind(&names, lists)).collect();
            self.notices.push(Notice::FewNamesShared { element, kinds, reason, agreeing });
        } else {
            self.tell_dropped_names(&names, &joined);
        }
        if !joined.dropped.is_empty() {
            let (element, names) = (self.at(other.name()), Arc::new(joined.dropped.clone()));
            self.dropped.push(DroppedNames { element, names });
        }
        Ok(joined)
    }

    fn tell_dropped_names(&mut self, names: &NameLists, joined: &JoinedAxis) {
        let mut losses: Vec<(u64, u64, &Source<'_>)> = joined
            .indexers
            .iter()
            .zip(self.sources)
            .map(|(indexer, source)| (indexer.num_dropped(), indexer.source_len(), source))
            .filter(|(num_dropped, ..)| *num_dropped > 0)
            .collect();
        if losses.is_empty() {
            return;
        }
        // Whoever loses most is named first.
        losses.sort_by_key(|(num_dropped, ..)| Reverse(*num_dropped));
        let lost: Vec<String> = losses
            .iter()
            .map(|(lost, len, source)| format!("{lost} of {len} in {}", source.file.display()))
            .collect();
        self.notices.push(Notice::NamesDropped {
            element: self.at(self.options.axis.other().name()),
            kept: joined.names.len() as u64,
            lost,
            costs_most: joined.costly.as_ref().map(|costly| self.costs_most(names, costly)),
            num_names: joined.dropped.len() as u64,
            names: joined.dropped.iter().take(LISTED).map(str::to_owned).collect(),
        });
    }

    fn costs_most(&self, names: &NameLists, costly: &Costly) -> CostsMost {
        let is_of_them = |list: &usize| costly.lists.binary_search(list).is_ok();
        let inputs = || (0..).zip(&names.of_input).filter(|(_, list)| is_of_them(list));
        CostsMost {
            files: inputs().map(|(input, _)| self.shown(input)).collect(),
            lens: inputs().map(|(_, &list)| names.lists[list].len() as u64).collect(),
            kept_without: costly.kept_without as u64,
        }
    }

    fn of_a_kind(&self, names: &NameLists, lists: &[usize]) -> NamesOfAKind {
        let inputs = (0..).zip(&names.of_input).filter(|(_, list)| lists.contains(list));
        let example = lists.first().and_then(|&list| names.lists[list].iter().next());
        NamesOfAKind {
            files: inputs.map(|(input, _)| self.shown(input)).collect(),
            example: example.unwrap_or_default().to_owned(),
        }
    }

    fn shown(&self, input: usize) -> String {
        self.sources[input].file.display().to_string()
    }

    /// Compares the first input of each kind of names with that of the kind that most inputs have.
    fn unlike(&self, names: &NameLists, alike: &[Vec<usize>]) -> Result<Unlike, PlanError> {
        let num_inputs =
            |lists: &Vec<usize>| names.of_input.iter().filter(|list| lists.contains(list)).count();
        let Some(most) = alike.iter().rev().max_by_key(|lists| num_inputs(lists)) else {
            return Ok(Unlike::default());
        };
        let first_of =
            |lists: &Vec<usize>| names.of_input.iter().position(|list| Some(list) == lists.first());
        let Some(model) = first_of(most) else { return Ok(Unlike::default()) };
        let model_names = &names.lists[names.of_input[model]];
        let model_columns = self.columns_of_names(model)?;
        let mut found = Unlike::default();
        for lists in alike.iter().filter(|&lists| lists != most) {
            let Some(input) = first_of(lists) else { continue };
            let own_names = &names.lists[names.of_input[input]];
            found.reason = found.reason.or_else(|| reason(model_names, own_names));
            let own_columns = self.columns_of_names(input)?;
            let mut tell = |column: &str, of: usize, like: usize| {
                let told = format!("{column} of {} (as in {})", self.shown(of), self.shown(like));
                if !found.agreeing.contains(&told) {
                    found.agreeing.push(told);
                }
            };
            for (column, text) in &own_columns {
                if agree(text, model_names) {
                    tell(column, input, model);
                }
            }
            for (column, text) in &model_columns {
                if agree(text, own_names) {
                    tell(column, model, input);
                } else if let Some((own, _)) = own_columns.iter().find(|(_, own)| agree(text, own))
                {
                    tell(column, model, input);
                    tell(own, input, model);
                }
            }
        }
        Ok(found)
    }

    /// The columns of the other axis that may hold names, with their paths.
    fn columns_of_names(&self, input: usize) -> Result<Vec<(String, TextBuf)>, PlanError> {
        let other = self.options.axis.other();
        let mut found = Vec::new();
        for (name, column) in &other.frame(&self.sources[input].adata).columns {
            let path = self.at(&format!("{}/{name}", other.name()));
            let text = column_text(column)
                .and_then(|text| text.map(|text| read_all_text(&*text)).transpose())
                .map_err(|error| error.within(&path))?;
            found.extend(text.filter(may_be_names).map(|text| (path, text)));
        }
        Ok(found)
    }
}

/// Whether text tells rows apart, as names do. A column that says the same of many rows
/// (`feature_types`) agrees with that of any file, and is no help.
fn may_be_names(text: &TextBuf) -> bool {
    let distinct: HashSet<&str> = text.iter().collect();
    distinct.len() * 10 >= text.len() * 9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_nearly_unique() {
        let ids: Vec<String> = (0..20).map(|id| format!("ENSG{id:011}")).collect();
        let with_repeats = |repeats: usize| -> TextBuf {
            let of = |row: usize| ids[row.max(repeats)].as_str();
            (0..ids.len()).map(of).collect()
        };
        for (repeats, expected) in [(0, true), (2, true), (3, false), (19, false)] {
            assert_eq!(may_be_names(&with_repeats(repeats)), expected, "{repeats}");
        }
    }
}
