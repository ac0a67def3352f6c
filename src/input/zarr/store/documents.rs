//! The metadata documents of a store as one tree: from consolidated metadata where there is some
//! that makes sense, else from the directories.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::attrs;
use super::place::below;
use crate::base::ReadError;
use crate::input::opened::OpenError;
use crate::io::Directory;
use crate::tree::Attrs;

/// Version of the zarr format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    V2,
    V3,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Group,
    Array,
}

/// One node's metadata, and its children.
#[derive(Debug)]
pub struct NodeDocument {
    pub kind: Kind,
    /// An array's `.zarray` or `zarr.json`; empty for a group.
    pub fields: Map<String, Value>,
    pub attrs: Attrs,
    pub children: IndexMap<String, Self>,
}

impl Format {
    /// The file that an array's metadata is in.
    pub const fn array_document(self) -> &'static str {
        match self {
            Self::V2 => ".zarray",
            Self::V3 => "zarr.json",
        }
    }

    /// Refuses the document of a node that does not say that it is of this version: zarr-python takes
    /// it for no node, so that all that is below would be missing there.
    fn check(self, fields: &Map<String, Value>) -> Result<(), String> {
        let version = match self {
            Self::V2 => 2,
            Self::V3 => 3,
        };
        match fields.get("zarr_format") {
            Some(found) if found.as_u64() == Some(version) => Ok(()),
            Some(found) => Err(format!("zarr_format is {found}, not {version}")),
            None => Err("zarr_format is missing".to_owned()),
        }
    }
}

impl NodeDocument {
    fn group(attrs: Attrs) -> Self {
        Self { kind: Kind::Group, fields: Map::new(), attrs, children: IndexMap::new() }
    }

    fn array(fields: Map<String, Value>, attrs: Attrs) -> Self {
        Self { kind: Kind::Array, fields, attrs, children: IndexMap::new() }
    }

    /// From a `zarr.json`.
    fn v3(mut fields: Map<String, Value>) -> Result<Self, String> {
        Format::V3.check(&fields)?;
        let attrs = attrs::attrs(fields.get("attributes"));
        match fields.get("node_type").and_then(Value::as_str) {
            Some("group") => Ok(Self::group(attrs)),
            Some("array") => {
                fields.remove("attributes");
                Ok(Self::array(fields, attrs))
            }
            _ => Err("zarr.json names neither a group nor an array".to_owned()),
        }
    }
}

/// Reads all metadata of a store.
pub fn read(store: &dyn Directory) -> Result<(Format, NodeDocument), OpenError> {
    store.list("").map_err(|error| OpenError::system(store.path(), error))?;
    let walk = Walk { store };
    if let Some(fields) = walk.document("", "zarr.json")? {
        let consolidated = fields.get("consolidated_metadata").and_then(consolidated_v3);
        let mut root = NodeDocument::v3(fields).map_err(|what| walk.damaged("", &what))?;
        walk.require_group(&root)?;
        match consolidated.and_then(|nodes| nest(nodes).ok()) {
            Some(children) => root.children = children,
            None => root.children = walk.children(Format::V3, "", &mut Vec::new())?,
        }
        return Ok((Format::V3, root));
    }
    let metadata = match walk.document("", ".zmetadata") {
        // What is damaged can be done without.
        Err(OpenError::Damaged { .. }) => None,
        other => other?,
    };
    if walk.v2("", ".zgroup")?.is_none() && metadata.is_none() {
        if walk.document("", ".zarray").is_ok_and(|array| array.is_none()) {
            return Err(OpenError::NotZarr { path: store.path().to_owned() });
        }
        return Err(walk.damaged("", "the root is an array, not a group"));
    }
    let attributes = walk.document("", ".zattrs")?.map(Value::Object);
    let mut root = NodeDocument::group(attrs::attrs(attributes.as_ref()));
    match metadata.as_ref().and_then(consolidated_v2).and_then(|nodes| nest(nodes).ok()) {
        Some(children) => root.children = children,
        None => root.children = walk.children(Format::V2, "", &mut Vec::new())?,
    }
    Ok((Format::V2, root))
}

/// The inline consolidated metadata of a v3 group: nodes by path.
fn consolidated_v3(consolidated: &Value) -> Option<Vec<(String, NodeDocument)>> {
    if consolidated.get("kind").and_then(Value::as_str) != Some("inline") {
        return None;
    }
    let nodes = consolidated.get("metadata")?.as_object()?.iter();
    nodes
        .map(|(path, fields)| {
            Some((path.clone(), NodeDocument::v3(fields.as_object()?.clone()).ok()?))
        })
        .collect()
}

/// `.zmetadata`: nodes by path, in the order in which the paths first appear.
fn consolidated_v2(document: &Map<String, Value>) -> Option<Vec<(String, NodeDocument)>> {
    type Parts = (Option<Kind>, Map<String, Value>, Attrs);
    let mut nodes: IndexMap<&str, Parts> = IndexMap::new();
    for (key, value) in document.get("metadata")?.as_object()? {
        let Some((path, name)) = key.rsplit_once('/') else { continue };
        let node = nodes.entry(path).or_default();
        match name {
            ".zgroup" => {
                Format::V2.check(value.as_object()?).ok()?;
                node.0 = Some(Kind::Group);
            }
            ".zarray" => {
                let fields = value.as_object()?;
                Format::V2.check(fields).ok()?;
                node.0 = Some(Kind::Array);
                node.1 = fields.clone();
            }
            ".zattrs" => node.2 = attrs::attrs(Some(value)),
            _ => return None,
        }
    }
    nodes
        .into_iter()
        .map(|(path, (kind, fields, attrs))| {
            let document = match kind? {
                Kind::Group => NodeDocument::group(attrs),
                Kind::Array => NodeDocument::array(fields, attrs),
            };
            Some((path.to_owned(), document))
        })
        .collect()
}

/// Levels of groups that are read; each takes some of the stack.
const DEEPEST: usize = 64;

/// Puts each node below its parent. Siblings keep their order, as in zarr-python's
/// `ConsolidatedMetadata._flat_to_nested`.
///
/// Fails when a parent is missing or is an array, or when a name could lead out of the store: such
/// metadata is not to be relied on.
fn nest(mut nodes: Vec<(String, NodeDocument)>) -> Result<IndexMap<String, NodeDocument>, ()> {
    nodes.sort_by_key(|(path, _)| path.matches('/').count());
    let mut root = NodeDocument::group(Attrs::new());
    for (path, document) in nodes {
        let mut parent = &mut root;
        if path.matches('/').count() >= DEEPEST {
            return Err(());
        }
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            if name.is_empty() || name == "." || name == ".." || name.contains('\0') {
                return Err(());
            }
            if names.peek().is_none() {
                parent.children.insert(name.to_owned(), document);
                break;
            }
            parent = parent.children.get_mut(name).filter(|p| p.kind == Kind::Group).ok_or(())?;
        }
    }
    Ok(root.children)
}

/// Reads documents from the directories of a store.
struct Walk<'a> {
    store: &'a dyn Directory,
}

impl Walk<'_> {
    fn damaged(&self, key: &str, what: &str) -> OpenError {
        OpenError::Damaged { path: self.store.path().to_owned(), what: format!("/{key}: {what}") }
    }

    fn system(&self, key: &str, error: std::io::Error) -> OpenError {
        OpenError::system(&self.store.path().join(key), error)
    }

    fn require_group(&self, root: &NodeDocument) -> Result<(), OpenError> {
        match root.kind {
            Kind::Group => Ok(()),
            Kind::Array => Err(self.damaged("", "the root is an array, not a group")),
        }
    }

    /// A metadata document, if it exists.
    fn document(&self, key: &str, name: &str) -> Result<Option<Map<String, Value>>, OpenError> {
        let bytes = self.store.read(&below(key, name)).map_err(|error| match error {
            ReadError::Io { source, .. } => {
                OpenError::Unreadable { path: self.store.path().join(key).join(name), source }
            }
            ReadError::Corrupt { what, .. } => self.damaged(key, &what),
            other => OpenError::Read(other),
        })?;
        bytes
            .map(|bytes| attrs::parse(&bytes))
            .transpose()
            .map_err(|why| self.damaged(key, &format!("{name} cannot be parsed: {why}")))
    }

    /// The document of a node of version 2.
    fn v2(&self, key: &str, name: &str) -> Result<Option<Map<String, Value>>, OpenError> {
        let fields = self.document(key, name)?;
        if let Some(fields) = &fields {
            let checked = Format::V2.check(fields);
            checked.map_err(|what| self.damaged(&below(key, name), &what))?;
        }
        Ok(fields)
    }

    /// The nodes in a directory. What is there besides nodes is passed over, as zarr-python does.
    /// `trail` holds the directories above, so that a link that leads back ends there.
    fn children(
        &self,
        format: Format,
        key: &str,
        trail: &mut Vec<(u64, u64)>,
    ) -> Result<IndexMap<String, NodeDocument>, OpenError> {
        let listing = self.store.list(key).map_err(|error| self.system(key, error))?;
        if trail.contains(&listing.id) {
            return Ok(IndexMap::new());
        }
        if trail.len() >= DEEPEST {
            let what = format!("groups are nested more than {DEEPEST} deep");
            return Err(self.damaged(key, &what));
        }
        trail.push(listing.id);
        let mut names = listing.directories;
        // The order in which zarr-python consolidates.
        names.sort_by_cached_key(|name| (name.to_lowercase(), name.clone()));
        let mut children = IndexMap::new();
        for name in names {
            let key = below(key, &name);
            if let Some(mut node) = self.node(format, &key)? {
                if node.kind == Kind::Group {
                    node.children = self.children(format, &key, trail)?;
                }
                children.insert(name, node);
            }
        }
        trail.pop();
        Ok(children)
    }

    fn node(&self, format: Format, key: &str) -> Result<Option<NodeDocument>, OpenError> {
        if format == Format::V3 {
            let document = self.document(key, "zarr.json")?.map(NodeDocument::v3).transpose();
            return document.map_err(|what| self.damaged(key, &what));
        }
        let array = self.v2(key, ".zarray")?;
        if array.is_none() && self.v2(key, ".zgroup")?.is_none() {
            return Ok(None);
        }
        let attributes = self.document(key, ".zattrs")?.map(Value::Object);
        let attrs = attrs::attrs(attributes.as_ref());
        Ok(Some(match array {
            Some(fields) => NodeDocument::array(fields, attrs),
            None => NodeDocument::group(attrs),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_nest_only_so_deep() {
        let chain = |depth: usize| -> Vec<(String, NodeDocument)> {
            (1..=depth)
                .map(|level| (vec!["a"; level].join("/"), NodeDocument::group(Attrs::new())))
                .collect()
        };
        assert!(nest(chain(DEEPEST)).is_ok());
        assert!(nest(chain(DEEPEST + 1)).is_err());
        let store = tempfile::tempdir().unwrap();
        let group = r#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#;
        let mut dir = store.path().to_owned();
        for _ in 0..=DEEPEST {
            std::fs::write(dir.join("zarr.json"), group).unwrap();
            dir.push("a");
            std::fs::create_dir(&dir).unwrap();
        }
        std::fs::write(dir.join("zarr.json"), group).unwrap();
        let context = crate::io::Context::new(crate::io::Limits::default());
        let error = read(&*context.directory(store.path()).unwrap()).err().unwrap();
        assert!(error.to_string().contains("nested more than 64 deep"), "{error}");
    }
}
