//! Options in their simplest form (`IndexedOptionArray.simplified`).

use super::error::AwkwardError;
use super::layout::{Content, Layout, Params};

/// An option over `content`; options of options become one, options of unions unions of options.
pub(super) fn simplified_option(
    index: Vec<i64>,
    content: Content,
    params: Params,
) -> Result<Content, AwkwardError> {
    let is_categorical = params.get("__array__").is_some_and(|value| value == "categorical");
    let Content { params: inner_params, layout } = content;
    match layout {
        Layout::Union { tags, index: inner, contents } if !is_categorical => {
            Ok(union_of_options(&index, &tags, &inner, contents, inner_params, params))
        }
        Layout::Indexed { index: inner, content } | Layout::Option { index: inner, content } => {
            let composed =
                index.iter().map(|&at| if at < 0 { -1 } else { inner[at as usize] }).collect();
            let params = union_of_params(inner_params, params);
            Ok(Content { params, layout: Layout::Option { index: composed, content } })
        }
        layout => {
            let content = Box::new(Content { params: inner_params, layout });
            Ok(Content { params, layout: Layout::Option { index, content } })
        }
    }
}

/// `UnionArray._union_of_optionarrays`: every content becomes an option, and one of them, the first
/// that was an option, gets the missing values.
fn union_of_options(
    index: &[i64],
    tags: &[i8],
    inner: &[i64],
    contents: Vec<Content>,
    inner_params: Params,
    params: Params,
) -> Content {
    let missing_tag = contents.iter().position(Content::is_option).unwrap_or(0);
    let missing_at = contents.get(missing_tag).map_or(0, Content::len) as i64;
    let (next_tags, next_index) = index
        .iter()
        .map(|&at| match usize::try_from(at) {
            Ok(at) => (tags[at], inner[at]),
            Err(_) => (missing_tag as i8, missing_at),
        })
        .unzip();
    let contents = contents
        .into_iter()
        .enumerate()
        .map(|(tag, content)| {
            let mut option = content.into_option();
            if tag == missing_tag
                && let Layout::Option { index, .. } = &mut option.layout
            {
                index.push(-1);
            }
            option
        })
        .collect();
    let layout = Layout::Union { tags: next_tags, index: next_index, contents };
    Content { params: union_of_params(inner_params, params), layout }
}

/// `parameters_union`: the second wins.
pub(super) fn union_of_params(mut left: Params, right: Params) -> Params {
    left.extend(right);
    left
}
