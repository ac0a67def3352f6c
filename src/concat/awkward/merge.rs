//! Merging layouts of one type, and the simplest form of unions: `Content._mergemany` and
//! `UnionArray.simplified`. Each calls the other: a union merges those of its contents that can be.

use super::error::AwkwardError;
use super::layout::{Content, Layout, Params};
use super::mergeable::mergeable;
use super::option::{simplified_option, union_of_params};
use crate::array::cast;
use crate::base::DType;

/// awkward's limit on the contents of a union.
const MAX_UNION_CONTENTS: usize = 128;

/// A union of all, simplified. Tags go up to 127, while all of 1,000 inputs may fit one type; so a
/// hundred are united at a time.
pub(super) fn unite(
    contents: Vec<Content>,
    params: impl Fn(&Params, &Params) -> Params,
    merge_bool: bool,
) -> Result<Content, AwkwardError> {
    const AT_ONCE: usize = 100;
    let mut waiting = contents.into_iter();
    let Some(mut united) = waiting.next() else { return Ok(Content::plain(Layout::Empty)) };
    while waiting.len() > 0 {
        let group: Vec<Content> =
            std::iter::once(united).chain(waiting.by_ref().take(AT_ONCE)).collect();
        let mut tags: Vec<i8> = Vec::new();
        let mut index: Vec<i64> = Vec::new();
        let mut shared = group[0].params.clone();
        for (tag, content) in group.iter().enumerate() {
            tags.extend(std::iter::repeat_n(tag as i8, content.len()));
            index.extend(0..content.len() as i64);
            shared = params(&shared, &content.params);
        }
        united = simplified_union(&tags, &index, group, shared, merge_bool)?;
    }
    Ok(united)
}

/// `parameters_intersect`.
fn intersect(mut left: Params, right: &Params) -> Params {
    left.retain(|key, value| right.get(key) == Some(value));
    left
}

fn refuse<T>(what: &str) -> Result<T, AwkwardError> {
    Err(AwkwardError::Unmergeable(what.to_owned()))
}

/// `contents[0]._mergemany(contents[1:])`.
pub(super) fn merge(mut contents: Vec<Content>) -> Result<Content, AwkwardError> {
    if contents.len() == 1
        && let Some(only) = contents.pop()
    {
        return Ok(only);
    }
    let Some(first) = contents.first() else { return Ok(Content::plain(Layout::Empty)) };
    match &first.layout {
        Layout::Empty => {
            let rest: Vec<Content> =
                contents.into_iter().skip(1).filter(|content| !content.is_empty_type()).collect();
            merge(rest)
        }
        Layout::Union { .. } => merge_unions(contents),
        Layout::Option { .. } | Layout::Indexed { .. } => merge_indexed(contents),
        Layout::Regular { size, .. } => {
            let size = *size;
            if contents.iter().any(Content::is_option) {
                contents[0] = taken_first(&mut contents).into_option();
                return merge(contents);
            }
            let is_alike = |content: &Content| matches!(content.layout, Layout::Regular { size: own, .. } if own == size);
            if contents.iter().all(is_alike) {
                return merge_regular(contents, size);
            }
            contents[0] = taken_first(&mut contents).into_list();
            merge(contents)
        }
        Layout::Numpy { .. } | Layout::List { .. } | Layout::Record { .. } => {
            let is_special = |content: &Content| content.indexed().is_some() || content.is_union();
            let split = contents.iter().position(is_special).unwrap_or(contents.len());
            let mut tail = contents.split_off(split).into_iter();
            let head = merge_plain(contents)?;
            let Some(next) = tail.next() else { return Ok(head) };
            let mut rest = vec![merge_before(head, next)?];
            rest.extend(tail);
            merge(rest)
        }
    }
}

/// Takes the first element out of its place for a moment, to change it.
fn taken_first(contents: &mut [Content]) -> Content {
    std::mem::replace(&mut contents[0], Content::plain(Layout::Empty))
}

/// Numbers, lists or records, all of the kind of the first; empties among them count for nothing.
fn merge_plain(contents: Vec<Content>) -> Result<Content, AwkwardError> {
    let num_parts = contents.len();
    let contents: Vec<Content> =
        contents.into_iter().filter(|content| !content.is_empty_type()).collect();
    let is_named_record =
        |content: &Content| matches!(content.layout, Layout::Record { fields: Some(_), .. });
    let params = match contents.split_first() {
        // Records intersect their parameters with those of an empty, which has none.
        Some((first, _)) if is_named_record(first) && contents.len() < num_parts => Params::new(),
        Some((first, rest)) => rest
            .iter()
            .fold(first.params.clone(), |params, content| intersect(params, &content.params)),
        None => Params::new(),
    };
    let layout = match contents.first().map(|content| &content.layout) {
        Some(Layout::Numpy { .. }) => merge_numbers(&contents)?,
        Some(Layout::Record { .. }) => merge_records(contents)?,
        _ => merge_lists(contents)?,
    };
    Ok(Content { params, layout })
}

fn merge_numbers(contents: &[Content]) -> Result<Layout, AwkwardError> {
    let mut target: Option<DType> = None;
    for content in contents {
        let Layout::Numpy { dtype, .. } = &content.layout else {
            return refuse("numbers with lists or records");
        };
        target = Some(target.map_or(*dtype, |target| target.promote(*dtype)));
    }
    let target = target.unwrap_or(DType::F64);
    let mut out = Vec::new();
    for content in contents {
        if let Layout::Numpy { dtype, bytes } = &content.layout {
            let at = out.len();
            out.resize(at + bytes.len() / dtype.size_bytes() * target.size_bytes(), 0);
            cast::cast_bytes(*dtype, bytes, target, &mut out[at..]);
        }
    }
    Ok(Layout::Numpy { dtype: target, bytes: out })
}

fn merge_lists(contents: Vec<Content>) -> Result<Layout, AwkwardError> {
    let mut offsets = vec![0];
    let mut inner = Vec::with_capacity(contents.len());
    for content in contents {
        let Layout::List { offsets: own, content } = content.into_list().layout else {
            return refuse("lists with numbers or records");
        };
        let base = offsets.last().copied().unwrap_or(0);
        offsets.extend(own.iter().skip(1).map(|offset| offset + base));
        inner.push(*content);
    }
    Ok(Layout::List { offsets, content: Box::new(merge(inner)?) })
}

fn merge_regular(contents: Vec<Content>, size: usize) -> Result<Content, AwkwardError> {
    let mut params: Option<Params> = None;
    let mut len = 0;
    let mut inner = Vec::with_capacity(contents.len());
    for part in contents {
        params = Some(match params {
            None => part.params,
            Some(params) => intersect(params, &part.params),
        });
        if let Layout::Regular { len: own, content, .. } = part.layout {
            len += own;
            inner.push(*content);
        }
    }
    let layout = Layout::Regular { size, len, content: Box::new(merge(inner)?) };
    Ok(Content { params: params.unwrap_or_default(), layout })
}

fn merge_records(contents: Vec<Content>) -> Result<Layout, AwkwardError> {
    let mut names: Option<Option<Vec<String>>> = None;
    let mut columns: Vec<Vec<Content>> = Vec::new();
    let mut total = 0;
    for content in contents {
        let Layout::Record { fields, contents, len } = content.layout else {
            return refuse("records with numbers or lists");
        };
        total += len;
        match &names {
            None => {
                columns = contents.into_iter().map(|content| vec![content]).collect();
                names = Some(fields);
            }
            Some(first) => {
                if first.is_some() != fields.is_some() || columns.len() != contents.len() {
                    return refuse("records of different fields");
                }
                for (at, content) in contents.into_iter().enumerate() {
                    let target = match (first, &fields) {
                        (Some(first), Some(own)) => {
                            first.iter().position(|field| *field == own[at])
                        }
                        _ => Some(at),
                    };
                    match target {
                        Some(target) => columns[target].push(content),
                        None => return refuse("records of different fields"),
                    }
                }
            }
        }
    }
    let contents = columns.into_iter().map(merge).collect::<Result<_, _>>()?;
    Ok(Layout::Record { fields: names.flatten(), contents, len: total })
}

/// Options and categoricals with anything but unions.
fn merge_indexed(mut contents: Vec<Content>) -> Result<Content, AwkwardError> {
    let split = contents.iter().position(Content::is_union).unwrap_or(contents.len());
    let mut tail = contents.split_off(split).into_iter();
    let contents: Vec<Content> =
        contents.into_iter().filter(|content| !content.is_empty_type()).collect();
    let mut params: Option<Params> = None;
    let (mut is_option, mut all_categorical) = (false, true);
    let mut index: Vec<i64> = Vec::new();
    let mut inner: Vec<Content> = Vec::new();
    let mut base = 0;
    for part in contents {
        is_option |= part.is_option();
        all_categorical &= part.is_categorical();
        match part.layout {
            Layout::Option { index: own, content } | Layout::Indexed { index: own, content } => {
                params = Some(match params {
                    None => part.params,
                    Some(params) => intersect(params, &part.params),
                });
                index.extend(own.iter().map(|&at| if at < 0 { -1 } else { at + base }));
                base += content.len() as i64;
                inner.push(*content);
            }
            layout => {
                let content = Content { params: part.params, layout };
                let len = content.len() as i64;
                index.extend(base..base + len);
                base += len;
                inner.push(content);
            }
        }
    }
    let mut params = params.unwrap_or_default();
    if all_categorical && inner.len() > 1 {
        return refuse("categoricals (awkward does not merge them either)");
    }
    if inner.len() > 1 && params.get("__array__").is_some_and(|value| value == "categorical") {
        params.remove("__array__");
    }
    let content = merge(inner)?;
    let next = if is_option {
        // Also where awkward leaves an option over a union, which it calls invalid.
        simplified_option(index, content, params)?
    } else {
        let mut plain = content.carry(&index)?;
        plain.params = union_of_params(plain.params, params);
        plain
    };
    let Some(union) = tail.next() else { return Ok(next) };
    let mut rest = vec![merge_before(next, union)?];
    rest.extend(tail);
    merge(rest)
}

/// `second._reverse_merge(first)`: an option, categorical or union after something plain.
fn merge_before(first: Content, second: Content) -> Result<Content, AwkwardError> {
    if first.is_empty_type() {
        return Ok(second);
    }
    match second.layout {
        Layout::Union { .. } => merge_unions(vec![first, second]),
        Layout::Option { .. } | Layout::Indexed { .. } => {
            let is_option = second.is_option();
            let mut params = second.params;
            params.retain(|_, value| value != "categorical");
            let (Layout::Option { index: own, content } | Layout::Indexed { index: own, content }) =
                second.layout
            else {
                return Ok(first);
            };
            let len = first.len() as i64;
            let index: Vec<i64> =
                (0..len).chain(own.iter().map(|&at| if at < 0 { -1 } else { at + len })).collect();
            let content = merge(vec![first, *content])?;
            if is_option {
                simplified_option(index, content, params)
            } else {
                let mut plain = content.carry(&index)?;
                plain.params = union_of_params(plain.params, params);
                Ok(plain)
            }
        }
        _ => refuse("arrays of different kinds"),
    }
}

/// Unions with anything: the contents of all, simplified.
fn merge_unions(contents: Vec<Content>) -> Result<Content, AwkwardError> {
    let contents = contents.into_iter().filter(|content| !content.is_empty_type()).collect();
    unite(contents, |left, right| intersect(left.clone(), right), false)
}

impl Content {
    /// Regular lists as lists of any length; anything else as it is.
    fn into_list(self) -> Self {
        match self.layout {
            Layout::Regular { size, len, content } => {
                let offsets = (0..=len).map(|row| (row * size) as i64).collect();
                Self { params: self.params, layout: Layout::List { offsets, content } }
            }
            layout => Self { params: self.params, layout },
        }
    }
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
