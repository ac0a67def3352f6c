//! A group in a file or store that holds an AnnData of its own: a modality of a MuData, a table of a
//! SpatialData. Knows trees and directories, no format.

use std::path::Path;

use super::opened::{OpenError, Source};
use crate::tree::{self, Attr, Node};

/// What was opened, without what is outside of one of its groups.
pub(super) fn within(mut source: Source, group: &str) -> Result<Source, OpenError> {
    if let Some(Node::Group(inner)) = source.root.get(group) {
        let mut inner = inner.clone();
        shorten_references(&mut inner, &format!("/{group}"));
        source.root = inner;
        return Ok(source);
    }
    let (near, above) = deepest_group(&source.root, group);
    let groups = near.children.iter().filter(|(_, node)| matches!(node, Node::Group(_)));
    let groups = groups.map(|(name, _)| format!("{above}{name}")).collect();
    Err(OpenError::NoGroup { path: source.path, group: group.to_owned(), groups })
}

/// The deepest group on the way to one that is not there, and its path: empty, or ending in a slash.
fn deepest_group<'a>(root: &'a tree::Group, path: &str) -> (&'a tree::Group, String) {
    let (mut group, mut above) = (root, String::new());
    for name in path.split('/') {
        let Some(Node::Group(inner)) = group.children.get(name) else { break };
        group = inner;
        above += name;
        above.push('/');
    }
    (group, above)
}

/// Groups of a store on disk beside the one that is not there.
pub(super) fn directories_near(store: &Path, group: &str) -> Vec<String> {
    let above = Path::new(group).ancestors().skip(1).find(|above| store.join(above).is_dir());
    let above = above.unwrap_or(Path::new(""));
    let Ok(entries) = std::fs::read_dir(store.join(above)) else { return Vec::new() };
    let directories = entries.filter_map(Result::ok).filter(|entry| entry.path().is_dir());
    let mut groups: Vec<String> =
        directories.map(|entry| above.join(entry.file_name()).display().to_string()).collect();
    groups.sort();
    groups
}

/// References of old files name their target from the top of the file.
fn shorten_references(group: &mut tree::Group, prefix: &str) {
    let shorten = |attrs: &mut tree::Attrs| {
        for attr in attrs.values_mut() {
            if let Attr::Reference(target) = attr
                && let Some(rest) = target.strip_prefix(prefix)
                && rest.starts_with('/')
            {
                *target = rest.to_owned();
            }
        }
    };
    shorten(&mut group.attrs);
    for node in group.children.values_mut() {
        match node {
            Node::Group(inner) => shorten_references(inner, prefix),
            Node::Array(array) => shorten(&mut array.attrs),
        }
    }
}
