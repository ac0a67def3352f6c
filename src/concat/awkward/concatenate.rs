//! Layouts end to end: `ak.concatenate(axis=0)`.

use super::error::AwkwardError;
use super::layout::{Content, Layout, Params};
use super::merge::{merge, simplified_union, unite};
use super::mergeable::mergeable;
use super::option::simplified_option;

/// `ak.concatenate`: neighbours that can be merged are; what cannot becomes a union.
pub(super) fn concatenate(contents: Vec<Content>) -> Result<Content, AwkwardError> {
    if missing_hides_unlike(&contents) {
        return concatenate_around_missing(contents);
    }
    let mut batches: Vec<Vec<Content>> = Vec::new();
    for content in contents {
        match batches.last_mut() {
            // awkward asks the last of a batch only, and fails where an empty array hides that an
            // earlier one differs.
            Some(batch) if batch.iter().all(|own| mergeable(own, &content, true)) => {
                batch.push(content);
            }
            _ => batches.push(vec![content]),
        }
    }
    let mut merged = batches.into_iter().map(merge).collect::<Result<Vec<_>, _>>()?;
    match merged.len() {
        0 => Ok(Content::plain(Layout::Empty)),
        1 => {
            let only = merged.swap_remove(0);
            match only.layout {
                Layout::Union { tags, index, contents } => {
                    simplified_union(&tags, &index, contents, only.params, true)
                }
                _ => Ok(only),
            }
        }
        // Both passes of `ak.concatenate` in one: booleans merge with numbers.
        _ => unite(merged, |_, _| Params::new(), true),
    }
}

/// Whether nothing but missing values stands between two that cannot be merged. Missing values merge
/// with everything, so that awkward fails on these, or takes text for the numbers of its bytes.
fn missing_hides_unlike(contents: &[Content]) -> bool {
    let (mut previous, mut is_hidden) = (None::<&Content>, false);
    for content in contents {
        if content.is_missing() {
            is_hidden = true;
            continue;
        }
        if is_hidden && previous.is_some_and(|previous| !mergeable(previous, content, true)) {
            return true;
        }
        (previous, is_hidden) = (Some(content), false);
    }
    false
}

/// What is there one after another, and the missing values put between.
fn concatenate_around_missing(contents: Vec<Content>) -> Result<Content, AwkwardError> {
    let (mut index, mut present, mut base) = (Vec::new(), Vec::new(), 0);
    for content in contents {
        let len = content.len() as i64;
        if content.is_missing() {
            index.resize(index.len() + content.len(), -1);
        } else {
            index.extend(base..base + len);
            base += len;
            present.push(content);
        }
    }
    simplified_option(index, concatenate(present)?, Params::new())
}
