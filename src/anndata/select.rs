//! Leaving elements out of an input before anything of them is decoded, so that one that cannot be
//! read, or that contradicts the other inputs, stands in nobody's way.
//!
//! Patterns are globs over the paths of elements (`obs/batch*`, `obsm/X_umap`, `uns`): `*` and `?`
//! stop at a slash. Who matches a group means all that is in it. What holds: the names of both axes
//! stay, whatever is dropped; a pattern reaches columns of tables and keys of dicts, never the inside
//! of one element (the codes of a categorical). Knows trees and encodings, no format of files.

use std::sync::Arc;

use glob::{MatchOptions, Pattern};

use super::{attrs, categorical, element, frame, legacy};
use crate::tree::{ArrayNode, Attr, Data, Group, Node, RecordArray};

/// What becomes of elements that a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// They are left out.
    Drop,
    /// They are kept, and what no such pattern matches is left out.
    Keep,
}

impl Rule {
    /// The option of the command line.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Drop => "--drop",
            Self::Keep => "--keep",
        }
    }
}

/// Which elements of each input count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    rules: Vec<(Rule, String, Pattern)>,
}

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{option} {pattern:?}: {why}\n  hint: a pattern is the path of an element, in which * stands for \
     any part of a name: obs/batch*, obsm/X_umap, uns"
)]
pub struct PatternError {
    option: &'static str,
    pattern: String,
    why: String,
}

/// How a glob matches a path.
const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Selection {
    /// The selection that drops what any of `drop` matches, and of the rest, unless `keep` is empty,
    /// keeps only what any of `keep` matches.
    ///
    /// # Errors
    /// The first pattern that is none.
    pub fn new(drop: &[String], keep: &[String]) -> Result<Self, PatternError> {
        let rules = drop.iter().map(|text| (Rule::Drop, text));
        let rules = rules.chain(keep.iter().map(|text| (Rule::Keep, text))).map(|(rule, text)| {
            let failed = |why: &str| PatternError {
                option: rule.option(),
                pattern: text.clone(),
                why: why.to_owned(),
            };
            let trimmed = text.trim_matches('/');
            if trimmed.is_empty() {
                return Err(failed("it is empty"));
            }
            let pattern = Pattern::new(trimmed).map_err(|error| failed(error.msg))?;
            Ok((rule, text.clone(), pattern))
        });
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// The patterns of one rule, as they were given.
    pub fn patterns(&self, rule: Rule) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(move |(of, ..)| *of == rule).map(|(_, text, _)| text.as_str())
    }

    /// All patterns with their rules, in the order of what [`Self::apply`] gives.
    pub fn rules(&self) -> impl Iterator<Item = (Rule, &str)> {
        self.rules.iter().map(|(rule, text, _)| (*rule, text.as_str()))
    }

    /// Takes out of a tree what is not selected; gives for each pattern whether it matched.
    pub fn apply(&self, root: &mut Group) -> Vec<bool> {
        let mut visit = Visit { selection: self, has_matched: vec![false; self.rules.len()] };
        if !self.rules.is_empty() {
            visit.root(root);
        }
        visit.has_matched
    }

    fn is_keeping(&self) -> bool {
        self.rules.iter().any(|(rule, ..)| *rule == Rule::Keep)
    }
}

/// What was decided about the group that an element is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing yet; without `--keep` that means to stay.
    Open,
    Kept,
    Dropped,
}

struct Visit<'a> {
    selection: &'a Selection,
    has_matched: Vec<bool>,
}

impl Visit<'_> {
    /// What becomes of the element at a path, in a group of this fate.
    fn fate(&mut self, path: &str, outer: Fate) -> Fate {
        let mut fate = outer;
        for (number, (rule, _, pattern)) in self.selection.rules.iter().enumerate() {
            if pattern.matches_with(path, MATCHING) {
                self.has_matched[number] = true;
                fate = match (rule, fate) {
                    (Rule::Drop, _) | (_, Fate::Dropped) => Fate::Dropped,
                    (Rule::Keep, _) => Fate::Kept,
                };
            }
        }
        fate
    }

    fn stays(&self, fate: Fate) -> bool {
        match fate {
            Fate::Kept => true,
            Fate::Dropped => false,
            Fate::Open => !self.selection.is_keeping(),
        }
    }

    fn root(&mut self, root: &mut Group) {
        // Tables of anndata 0.6 and before: their categories are in `uns`.
        let is_old = matches!(root.children.get("obs"), Some(Node::Array(_)));
        root.children.retain(|key, node| {
            // `raw.X` is the path that `raw/X` has today.
            let path = match key.strip_prefix("raw.") {
                Some(part) => format!("raw/{part}"),
                None => key.clone(),
            };
            let outer = if path == *key { Fate::Open } else { self.fate("raw", Fate::Open) };
            let fate = self.fate(&path, outer);
            match (path.as_str(), node) {
                ("obs" | "var" | "raw/var", node) => {
                    self.table(node, &path, fate);
                    path != "raw/var" || self.stays(fate) || !self.selection.is_keeping()
                }
                ("raw", Node::Group(raw)) => self.raw(raw, fate),
                ("obsm" | "varm" | "raw/varm", Node::Array(array)) => {
                    self.fields(array, &path, fate, |_| false) || self.stays(fate)
                }
                ("uns", Node::Group(uns)) if is_old => {
                    self.children(uns, &path, fate, |key| key.ends_with("_categories"))
                }
                (_, node) => self.node(node, &path, fate),
            }
        });
        // A `raw` without a matrix would get the parent's.
        if !root.children.contains_key("raw.X") {
            root.children.retain(|key, _| !key.starts_with("raw."));
        }
    }

    /// `raw` as a group: what is left of it is read with its matrix or not at all.
    fn raw(&mut self, raw: &mut Group, fate: Fate) -> bool {
        raw.children.retain(|key, node| {
            let path = format!("raw/{key}");
            let fate = self.fate(&path, fate);
            match key.as_str() {
                "var" => {
                    self.table(node, &path, fate);
                    true
                }
                _ => self.node(node, &path, fate),
            }
        });
        raw.children.contains_key("X")
    }

    /// Below an element; gives whether anything of it stays.
    fn node(&mut self, node: &mut Node, path: &str, fate: Fate) -> bool {
        match node {
            Node::Group(group) if frame::is_frame(group) => {
                let any = self.columns(group, path, fate);
                fate != Fate::Dropped && (any || self.stays(fate))
            }
            Node::Group(group) if is_dict(group) => {
                let any = self.children(group, path, fate, |_| false);
                any || self.stays(fate)
            }
            _ => self.stays(fate),
        }
    }

    /// Below a dict; gives whether anything is left that is not there anyway.
    fn children(
        &mut self,
        group: &mut Group,
        path: &str,
        fate: Fate,
        is_protected: impl Fn(&str) -> bool,
    ) -> bool {
        group.children.retain(|key, node| {
            let path = format!("{path}/{key}");
            let fate = self.fate(&path, fate);
            self.node(node, &path, fate) || is_protected(key)
        });
        !group.children.is_empty()
    }

    /// `obs`, `var` or `raw/var`: always there, with their names.
    fn table(&mut self, node: &mut Node, path: &str, fate: Fate) {
        match node {
            Node::Group(group) => {
                self.columns(group, path, fate);
            }
            Node::Array(array) => {
                self.fields(array, path, fate, |position| position == 0);
            }
        }
    }

    /// Below a table that is a group; gives whether a column is left.
    fn columns(&mut self, group: &mut Group, path: &str, fate: Fate) -> bool {
        let index = frame::index_key(group).map(str::to_owned);
        let protected = |key: &str| match &index {
            _ if matches!(key, "__categories" | "column-order") => true,
            Some(index) => key == index,
            None => legacy::INDEX_KEYS.contains(&key),
        };
        let Ok(order) = attrs::setting_texts(group, "column-order") else { return true };
        let mut any = false;
        // Names may hold slashes, which are groups in a file: whoever names them means the column.
        let mut left = Vec::new();
        for name in order.iter().flatten() {
            let fate = self.fate(&format!("{path}/{name}"), fate);
            if self.stays(fate) || protected(name) {
                left.push(name.clone());
            } else if name.contains('/') {
                remove(group, name);
            }
        }
        group.children.retain(|key, _| {
            if protected(key) {
                return true;
            }
            let fate = self.fate(&format!("{path}/{key}"), fate);
            let holds = |name: &String| {
                name.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with('/'))
            };
            let stays = self.stays(fate) || left.iter().any(holds);
            any |= stays;
            stays
        });
        if order.is_some_and(|order| order.len() != left.len()) {
            group.attrs.insert("column-order".to_owned(), Attr::StrList(left));
        }
        any
    }

    /// Fields of records, which old files hold tables and mappings in; gives whether any is left.
    fn fields(
        &mut self,
        array: &mut ArrayNode,
        path: &str,
        fate: Fate,
        is_protected: impl Fn(usize) -> bool,
    ) -> bool {
        let Data::Record(records) = &mut array.data else { return self.stays(fate) };
        let stays: Vec<bool> = records
            .fields
            .iter()
            .enumerate()
            .map(|(position, field)| {
                let fate = self.fate(&format!("{path}/{}", field.name), fate);
                self.stays(fate) || is_protected(position)
            })
            .collect();
        if stays.iter().any(|stays| !stays) {
            let fields = records.fields.iter().zip(&stays).filter(|(_, stays)| **stays);
            let fields = fields.map(|(field, _)| field.clone()).collect();
            *records = Arc::new(RecordArray { shape: records.shape.clone(), fields });
        }
        stays.contains(&true)
    }
}

/// Whether a group is a container of elements rather than one element.
fn is_dict(group: &Group) -> bool {
    match attrs::encoding(&group.attrs) {
        "anndata" | "raw" => true,
        _ => element::is_dict(group) && !categorical::looks_like(group),
    }
}

/// Takes the node at a path of names out of a group, and groups that are empty then.
fn remove(group: &mut Group, path: &str) {
    match path.split_once('/') {
        None => {
            group.children.shift_remove(path);
        }
        Some((name, rest)) => {
            if let Some(Node::Group(inner)) = group.children.get_mut(name) {
                remove(inner, rest);
                if inner.children.is_empty() {
                    group.children.shift_remove(name);
                }
            }
        }
    }
}
