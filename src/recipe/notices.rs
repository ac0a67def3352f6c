//! What is to be told of a recipe beside what its plan tells: patterns and parts of files that lead
//! to nothing, a fill value that fills nothing, and files that grow.

use crate::anndata::{AnnData, Elem, Mapping, Selection};
use crate::concat::{Axis, ConcatOptions, Input, Join, Notice, Plan};

/// Patterns that matched in no input; `matched` says of each input what did.
pub(super) fn unused_patterns(selection: &Selection, matched: &[Vec<bool>]) -> Vec<Notice> {
    let is_unused = |number: &usize| !matched.iter().any(|matched| matched[*number]);
    let rules = selection.rules().enumerate().filter(|(number, _)| is_unused(number));
    rules
        .map(|(_, (rule, pattern))| Notice::PatternUnused {
            option: rule.option(),
            pattern: pattern.to_owned(),
        })
        .collect()
}

/// Parts of files that AnnData does not have, each with the files that have it.
pub(super) fn unknown_parts(inputs: &[(String, Vec<String>)]) -> Option<Notice> {
    let mut elements: Vec<String> =
        inputs.iter().flat_map(|(_, parts)| parts.iter().cloned()).collect();
    elements.sort();
    elements.dedup();
    let files = inputs.iter().filter(|(_, parts)| !parts.is_empty());
    let files = files.map(|(file, _)| file.clone()).collect();
    (!elements.is_empty()).then_some(Notice::PartsUnknown { elements, files })
}

/// A file that takes several times the space of its inputs, because it is not compressed.
pub(super) fn plain_output(len_bytes: u64, input_bytes: u64) -> Option<Notice> {
    const SEVERAL: u64 = 2;
    // Of less, headers are most.
    const LEAST: u64 = 1 << 20;
    let is_told = len_bytes >= LEAST && len_bytes >= input_bytes.saturating_mul(SEVERAL);
    is_told.then_some(Notice::PlainOutput { len_bytes, input_bytes })
}

/// A fill value that nothing is filled with, as far as names and shapes tell.
pub(super) fn unused_fill(
    options: &ConcatOptions,
    inputs: &[Input],
    plan: &Plan,
) -> Option<Notice> {
    options.fill_value?;
    let because = match options.join {
        Join::Inner => "an inner join introduces nothing",
        Join::Outer if introduces_nothing(options.axis, inputs, plan) => {
            "every input has all names and all arrays"
        }
        Join::Outer => return None,
    };
    Some(Notice::FillUnused { because: because.to_owned() })
}

/// Keys of a mapping, with what arrays measure beside their rows.
type Widths = Vec<(String, Vec<u64>)>;

fn introduces_nothing(axis: Axis, inputs: &[Input], plan: &Plan) -> bool {
    let Some((first, rest)) = inputs.split_first() else { return true };
    let same = |arrays: &dyn Fn(&AnnData) -> Widths| {
        let of_first = arrays(&first.adata);
        rest.iter().all(|input| arrays(&input.adata) == of_first)
    };
    let keys = |mapping: &Mapping| {
        let mut keys: Widths =
            mapping.iter().map(|(key, elem)| (key.clone(), widths(elem))).collect();
        keys.sort();
        keys
    };
    plan.axis.inputs.iter().all(|input| input.introduced == 0)
        && same(&|adata| {
            let mut layers = keys(&adata.layers);
            // Their other axis is the one that is joined.
            layers.iter_mut().for_each(|(_, widths)| widths.clear());
            layers
        })
        && same(&|adata| keys(axis.mapping(adata)))
        && inputs.iter().all(|input| input.adata.x.is_some() == first.adata.x.is_some())
        // `raw` has names of its own.
        && inputs.iter().any(|input| input.adata.raw.is_none())
}

/// Extents of an array beside its rows.
fn widths(elem: &Elem) -> Vec<u64> {
    match elem {
        Elem::Dense(array) => array.shape()[1..].to_vec(),
        Elem::Sparse(matrix) => vec![matrix.shape[1]],
        Elem::Frame(table) => vec![table.columns.len() as u64],
        _ => Vec::new(),
    }
}
