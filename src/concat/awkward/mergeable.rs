//! Which layouts have one type that holds both (`Content._mergeable_next`).

use super::layout::{Content, Layout, Params};
use crate::base::DType;

/// Parameters that make a type (`ak._parameters.TYPE_PARAMETERS`).
const TYPE_PARAMETERS: [&str; 4] = ["__array__", "__list__", "__record__", "__categorical__"];

/// Whether two layouts have one type that holds both.
pub(super) fn mergeable(left: &Content, right: &Content, merge_bool: bool) -> bool {
    if left.is_empty_type() || left.is_union() || right.is_empty_type() || right.is_union() {
        return true;
    }
    if let Some((_, content)) = left.indexed() {
        let right = right.indexed().map_or(right, |(_, content)| content);
        return mergeable(content, right, merge_bool);
    }
    if let Some((_, content)) = right.indexed() {
        return mergeable(left, content, merge_bool);
    }
    if !same_type_params(&left.params, &right.params) {
        return false;
    }
    match (&left.layout, &right.layout) {
        (Layout::Numpy { dtype: a, .. }, Layout::Numpy { dtype: b, .. }) => {
            a == b || merge_bool || (*a != DType::Bool && *b != DType::Bool)
        }
        (
            Layout::List { content: a, .. } | Layout::Regular { content: a, .. },
            Layout::List { content: b, .. } | Layout::Regular { content: b, .. },
        ) => mergeable(a, b, merge_bool),
        (
            Layout::Record { fields: None, contents: a, .. },
            Layout::Record { fields: None, contents: b, .. },
        ) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| mergeable(a, b, merge_bool)),
        (
            Layout::Record { fields: Some(a), contents: a_contents, .. },
            Layout::Record { fields: Some(b), contents: b_contents, .. },
        ) => {
            a.len() == b.len()
                && a.iter().zip(a_contents).all(|(field, content)| {
                    b.iter()
                        .position(|own| own == field)
                        .is_some_and(|at| mergeable(content, &b_contents[at], merge_bool))
                })
        }
        _ => false,
    }
}

fn same_type_params(left: &Params, right: &Params) -> bool {
    TYPE_PARAMETERS.iter().all(|key| left.get(*key) == right.get(*key))
}
