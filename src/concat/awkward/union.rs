//! Options and unions in their simplest form (`IndexedOptionArray.simplified`,
//! `UnionArray.simplified`).

use super::AwkwardError;
use super::layout::{Content, Layout, Params};
use super::merge::{merge, mergeable};

/// awkward's limit on the contents of a union.
const MAX_UNION_CONTENTS: usize = 128;

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

/// A union without nested unions, whose contents cannot be merged any further; not a union at all
/// when they all can.
pub(super) fn simplified_union(
    tags: &[i8],
    index: &[i64],
    contents: Vec<Content>,
    params: Params,
    merge_bool: bool,
) -> Result<Content, AwkwardError> {
    let mut next = Builder {
        tags: vec![0; tags.len()],
        index: vec![0; tags.len()],
        contents: Vec::new(),
        merge_bool,
    };
    let mut params = params;
    for (tag, content) in contents.into_iter().enumerate() {
        let rows_of = |wanted: usize| {
            tags.iter()
                .zip(index)
                .enumerate()
                .filter(move |(_, (tag, _))| **tag as usize == wanted)
                .map(|(row, (_, at))| (row, *at))
        };
        match content.layout {
            Layout::Union { tags: inner_tags, index: inner_index, contents: inner } => {
                params = union_of_params(content.params, params);
                for (inner_tag, inner) in inner.into_iter().enumerate() {
                    let rows: Vec<(usize, i64)> = rows_of(tag)
                        .filter(|(_, at)| inner_tags[*at as usize] as usize == inner_tag)
                        .map(|(row, at)| (row, inner_index[at as usize]))
                        .collect();
                    next.add(inner, &rows)?;
                }
            }
            layout => {
                let rows: Vec<(usize, i64)> = rows_of(tag).collect();
                next.add(Content { params: content.params, layout }, &rows)?;
            }
        }
    }
    let Builder { tags, index, mut contents, .. } = next;
    if contents.len() == 1
        && let Some(only) = contents.pop()
    {
        let mut plain = only.carry(&index)?;
        plain.params = union_of_params(plain.params, params);
        return Ok(plain);
    }
    if contents.iter().any(Content::is_option) {
        contents = contents.into_iter().map(Content::into_option).collect();
    }
    Ok(Content { params, layout: Layout::Union { tags, index, contents } })
}

struct Builder {
    tags: Vec<i8>,
    index: Vec<i64>,
    contents: Vec<Content>,
    merge_bool: bool,
}

impl Builder {
    /// Adds a content and says which rows (of the union, of the content) come from it.
    fn add(&mut self, content: Content, rows: &[(usize, i64)]) -> Result<(), AwkwardError> {
        let target = self.contents.iter().position(|own| mergeable(own, &content, self.merge_bool));
        let (tag, base) = match target {
            Some(tag) => {
                let own = std::mem::replace(&mut self.contents[tag], Content::plain(Layout::Empty));
                let base = own.len() as i64;
                self.contents[tag] = merge(vec![own, content])?;
                (tag, base)
            }
            None => {
                if self.contents.len() >= MAX_UNION_CONTENTS {
                    return Err(AwkwardError::Unmergeable(format!(
                        "the result would be a union of more than {MAX_UNION_CONTENTS} types"
                    )));
                }
                self.contents.push(content);
                (self.contents.len() - 1, 0)
            }
        };
        for &(row, at) in rows {
            self.tags[row] = tag as i8;
            self.index[row] = at + base;
        }
        Ok(())
    }
}

/// `parameters_union`: the second wins.
pub(super) fn union_of_params(mut left: Params, right: Params) -> Params {
    left.extend(right);
    left
}
