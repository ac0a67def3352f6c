//! Fields of records: naming them and choosing among them (`ak.fields`, `array[["x", "y"]]`).

use indexmap::IndexSet;

use super::error::AwkwardError;
use super::layout::{Content, Layout, Params};
use super::merge::simplified_union;
use super::option::simplified_option;

/// anndata's `gen_inner_reindexers`: every array with the fields that all have, in the order of the
/// first. Besides, the fields that some have and that are lost.
pub(super) fn select_common(
    contents: Vec<Content>,
) -> Result<(Vec<Content>, Vec<String>), AwkwardError> {
    let all: Vec<Vec<String>> = contents.iter().map(fields).collect();
    let Some(first) = all.first() else { return Ok((contents, Vec::new())) };
    let common: Vec<String> =
        first.iter().filter(|field| all.iter().all(|own| own.contains(*field))).cloned().collect();
    let mut lost = IndexSet::new();
    let selected = contents
        .into_iter()
        .zip(&all)
        .map(|(content, own)| {
            if *own == common || (common.is_empty() && content.len() == 0) {
                Ok(content)
            } else if common.is_empty() {
                // `array[[]]` takes no rows, which anndata then finds to be too few.
                Err(AwkwardError::Unmergeable("the records have no field in common".to_owned()))
            } else {
                lost.extend(own.iter().filter(|field| !common.contains(field)).cloned());
                select(content, &common)
            }
        })
        .collect::<Result<_, _>>()?;
    Ok((selected, lost.into_iter().collect()))
}

/// Fields of the records at the first level that has any.
fn fields(content: &Content) -> Vec<String> {
    match &content.layout {
        Layout::Empty | Layout::Numpy { .. } => Vec::new(),
        Layout::Record { fields: Some(fields), .. } => fields.clone(),
        Layout::Record { contents, .. } => {
            (0..contents.len()).map(|position| position.to_string()).collect()
        }
        Layout::List { content, .. }
        | Layout::Regular { content, .. }
        | Layout::Indexed { content, .. }
        | Layout::Option { content, .. } => fields(content),
        Layout::Union { contents, .. } => {
            let all: Vec<Vec<String>> = contents.iter().map(fields).collect();
            let Some((first, rest)) = all.split_first() else { return Vec::new() };
            let shared = |field: &&String| rest.iter().all(|own| own.contains(field));
            first.iter().filter(shared).cloned().collect()
        }
    }
}

/// `array[selection]`. Parameters on the way to the records are lost, as in awkward: a record
/// without some of its fields is no longer what its name says.
fn select(content: Content, selection: &[String]) -> Result<Content, AwkwardError> {
    let inner = |content: Box<Content>| select(*content, selection).map(Box::new);
    let layout = match content.layout {
        layout @ (Layout::Empty | Layout::Numpy { .. }) => layout,
        Layout::Record { fields, mut contents, len } => {
            let position = |field: &String| match &fields {
                Some(fields) => fields.iter().position(|own| own == field),
                None => field.parse().ok(),
            };
            let chosen: Vec<usize> = selection.iter().filter_map(position).collect();
            contents = chosen.iter().filter_map(|&at| contents.get(at).cloned()).collect();
            Layout::Record { fields: fields.map(|_| selection.to_vec()), contents, len }
        }
        Layout::List { offsets, content } => Layout::List { offsets, content: inner(content)? },
        Layout::Regular { size, len, content } => {
            Layout::Regular { size, len, content: inner(content)? }
        }
        Layout::Indexed { index, content } => return inner(content)?.carry(&index),
        Layout::Option { index, content } => {
            return simplified_option(index, *inner(content)?, Params::new());
        }
        Layout::Union { tags, index, contents } => {
            let contents = contents
                .into_iter()
                .map(|content| select(content, selection))
                .collect::<Result<_, _>>()?;
            return simplified_union(&tags, &index, contents, Params::new(), false);
        }
    };
    Ok(Content::plain(layout))
}
