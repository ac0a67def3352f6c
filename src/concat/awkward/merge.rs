//! Merging layouts end to end: `ak.concatenate(axis=0)`, `Content._mergeable_next` and
//! `Content._mergemany`.

use super::AwkwardError;
use super::layout::{Content, Layout, Params};
use super::union::{simplified_option, simplified_union, union_of_params};
use crate::array::cast;
use crate::base::DType;

/// Parameters that make a type (`ak._parameters.TYPE_PARAMETERS`).
const TYPE_PARAMETERS: [&str; 4] = ["__array__", "__list__", "__record__", "__categorical__"];

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

/// A union of all, simplified. Tags go up to 127, while all of 1,000 inputs may fit one type; so a
/// hundred are united at a time.
fn unite(
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
