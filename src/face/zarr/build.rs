//! Turns a tree into the numbered nodes of a zarr store, with their metadata.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use crate::array::{SharedArray, SharedText};
use crate::base::{DType, Dims};
use crate::face::FaceError;
use crate::tree::{ArrayNode, Attrs, Data, Group, Node, RecordArray};

use super::geometry::{Cut, Geometry};
use super::layout::ChunkTree;
use super::meta::{self, ArrayMeta, Elements};
use super::node::{Body, Content, MetaFile, ZarrArray, ZarrNode};
use super::options::{ZarrFormat, ZarrOptions};
use super::store::ZarrFace;
use super::text::TextChunks;
use super::{names, record};

/// Records are held in memory, each with room for the longest text of its field.
const MOST_RECORD_BYTES: u64 = 256 << 20;

impl ZarrFace {
    /// Presents a tree. Reads nothing. What zarr cannot hold is left out where nothing refers to
    /// it; see [`ZarrFace::left_out`].
    ///
    /// # Errors
    /// A part of a frame with a name that no file can have, or data that cannot be presented.
    pub fn new(root: &Group, options: &ZarrOptions) -> Result<Self, FaceError> {
        build(root, options)
    }
}

fn build(root: &Group, options: &ZarrOptions) -> Result<ZarrFace, FaceError> {
    let mut builder = Builder {
        options: *options,
        nodes: Vec::new(),
        consolidated: Map::new(),
        left_out: Vec::new(),
    };
    builder.group("", root)?;
    builder.consolidate(root)?;
    let mut first_ids = Vec::with_capacity(builder.nodes.len());
    let (mut next, mut total_bytes) = (1u64, 0u64);
    for node in &builder.nodes {
        first_ids.push(next);
        next += 1 + node.meta.len() as u64;
        let meta_bytes: usize = node.meta.iter().map(|file| file.bytes.len()).sum();
        total_bytes = total_bytes.saturating_add(meta_bytes as u64);
        if let Content::Array(array) = &node.content {
            next = next.saturating_add(array.chunks.num_ids());
            total_bytes = total_bytes.saturating_add(known_bytes(array));
        }
    }
    Ok(ZarrFace {
        nodes: builder.nodes,
        first_ids,
        num_entries: next - 1,
        total_bytes,
        format: options.format,
        text: TextChunks::new(),
        left_out: builder.left_out,
    })
}

/// Bytes of all chunk files, but for text.
fn known_bytes(array: &ZarrArray) -> u64 {
    let file_bytes = match &array.body {
        Body::Blocks { array, file } | Body::Shards { array, file, .. } => {
            file.iter().product::<u64>() * array.dtype().size_bytes() as u64
        }
        Body::Text { .. } => 0,
        Body::Literal(bytes) => bytes.len() as u64,
    };
    file_bytes.saturating_mul(array.chunks.num_files())
}

struct Builder {
    options: ZarrOptions,
    nodes: Vec<ZarrNode>,
    /// Metadata of all nodes below the root, by path; parents come before their children.
    consolidated: Map<String, Value>,
    left_out: Vec<FaceError>,
}

impl Builder {
    /// Adds a group with all that is below it; gives its index.
    fn group(&mut self, path: &str, group: &Group) -> Result<usize, FaceError> {
        let index = self.nodes.len();
        let meta = self.group_meta(path, &group.attrs)?;
        self.nodes.push(ZarrNode { meta, content: Content::Group(IndexMap::new()) });
        let mut children = IndexMap::with_capacity(group.children.len());
        for (name, node) in &group.children {
            let child_path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            let presentable = names::check(path, name, self.options.format)
                .and_then(|()| check_record(&child_path, node));
            if let Err(error) = presentable {
                // Frames refer to their columns by name: nothing of one can be missing.
                if group.attrs.contains_key("column-order") {
                    return Err(error);
                }
                self.left_out.push(error);
                continue;
            }
            let child = match node {
                Node::Group(group) => self.group(&child_path, group)?,
                Node::Array(array) => self.array(&child_path, array)?,
            };
            children.insert(name.clone(), child);
        }
        self.nodes[index].content = Content::Group(children);
        Ok(index)
    }

    fn group_meta(&mut self, path: &str, attrs: &Attrs) -> Result<Vec<MetaFile>, FaceError> {
        match self.options.format {
            ZarrFormat::V2 => self.v2_files(path, ".zgroup", meta::v2_group(), attrs),
            ZarrFormat::V3 => {
                let mut meta = meta::v3_group(attrs);
                let file = json_file(path, "zarr.json", &Value::Object(meta.clone()))?;
                if !path.is_empty() {
                    // As zarr-python writes it: readers then know that nothing else is below.
                    meta.insert("consolidated_metadata".into(), meta::v3_consolidated(Map::new()));
                    self.consolidated.insert(path.to_owned(), Value::Object(meta));
                }
                Ok(vec![file])
            }
        }
    }

    /// A node's document and its `.zattrs`, also consolidated.
    fn v2_files(
        &mut self,
        path: &str,
        name: &'static str,
        document: Value,
        attrs: &Attrs,
    ) -> Result<Vec<MetaFile>, FaceError> {
        let attributes = meta::attributes(attrs);
        let files =
            vec![json_file(path, name, &document)?, json_file(path, ".zattrs", &attributes)?];
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        self.consolidated.insert(format!("{prefix}{name}"), document);
        self.consolidated.insert(format!("{prefix}.zattrs"), attributes);
        Ok(files)
    }

    /// Puts the metadata of all nodes into the root.
    fn consolidate(&mut self, root: &Group) -> Result<(), FaceError> {
        let nodes = std::mem::take(&mut self.consolidated);
        let Some(first) = self.nodes.first_mut() else { return Ok(()) };
        match self.options.format {
            ZarrFormat::V2 => {
                let document = json!({ "zarr_consolidated_format": 1, "metadata": nodes });
                first.meta.push(json_file("", ".zmetadata", &document)?);
            }
            ZarrFormat::V3 => {
                let mut meta = meta::v3_group(&root.attrs);
                meta.insert("consolidated_metadata".into(), meta::v3_consolidated(nodes));
                first.meta = vec![json_file("", "zarr.json", &Value::Object(meta))?];
            }
        }
        Ok(())
    }

    /// Adds an array; gives its index.
    fn array(&mut self, path: &str, node: &ArrayNode) -> Result<usize, FaceError> {
        match &node.data {
            Data::Fixed(array) => self.fixed(path, array, &node.attrs),
            Data::Text(text) => self.text(path, text, &node.attrs),
            Data::Record(records) => self.record(path, records, &node.attrs),
            Data::Null => self.null(path, &node.attrs),
            Data::Unreadable(why) => Err(unpresentable(path, why.clone())),
        }
    }

    /// How arrays are cut: version 2 has no shards.
    fn geometry(&self) -> Geometry {
        match self.options.format {
            ZarrFormat::V2 => Geometry { shard_bytes: None, ..self.options.geometry },
            ZarrFormat::V3 => self.options.geometry,
        }
    }

    fn fixed(
        &mut self,
        path: &str,
        array: &SharedArray,
        attrs: &Attrs,
    ) -> Result<usize, FaceError> {
        let (dtype, shape) = (array.dtype(), array.shape());
        let cut = self.geometry().cut(shape, dtype.size_bytes());
        let meta = ArrayMeta { shape, cut: &cut, elements: Elements::Fixed(dtype), attrs };
        let chunks = ChunkTree::new(path, shape, &cut.file, self.options.format)?;
        let meta = self.array_meta(path, &meta)?;
        let (array, file) = (Arc::clone(array), cut.file);
        let body = match cut.inner {
            None => Body::Blocks { array, file },
            Some(inner) => Body::Shards { array, file, inner },
        };
        Ok(self.push(meta, chunks, body))
    }

    fn text(&mut self, path: &str, text: &SharedText, attrs: &Attrs) -> Result<usize, FaceError> {
        let shape = text.shape();
        let cut = self.geometry().cut_text(shape);
        let chunk_len = cut.file.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
        let chunk_len = chunk_len.filter(|&n| n <= u64::from(u32::MAX)).ok_or_else(|| {
            unpresentable(path, "rows of more strings than one chunk can hold".to_owned())
        })?;
        let meta = ArrayMeta { shape, cut: &cut, elements: Elements::Text, attrs };
        let chunks = ChunkTree::new(path, shape, &cut.file, self.options.format)?;
        let meta = self.array_meta(path, &meta)?;
        let (text, is_shard) = (Arc::clone(text), cut.inner.is_some());
        Ok(self.push(meta, chunks, Body::Text { text, chunk_len, is_shard }))
    }

    /// Records are in memory and small: one chunk.
    fn record(
        &mut self,
        path: &str,
        records: &RecordArray,
        attrs: &Attrs,
    ) -> Result<usize, FaceError> {
        let bytes = record::encode(records).ok_or_else(|| {
            unpresentable(path, "a field with fewer values than there are records".to_owned())
        })?;
        let shape = &records.shape;
        let file: Dims = shape.iter().map(|&n| n.max(1)).collect();
        let cut = Cut { file, inner: None };
        let meta = ArrayMeta { shape, cut: &cut, elements: Elements::Record(records), attrs };
        let chunks = ChunkTree::new(path, shape, &cut.file, self.options.format)?;
        let meta = self.array_meta(path, &meta)?;
        Ok(self.push(meta, chunks, Body::Literal(bytes.into())))
    }

    /// What anndata writes for `None`: a boolean scalar with no chunk.
    fn null(&mut self, path: &str, attrs: &Attrs) -> Result<usize, FaceError> {
        let cut = Cut { file: Dims::new(), inner: None };
        let elements = Elements::Fixed(DType::Bool);
        let meta = self.array_meta(path, &ArrayMeta { shape: &[], cut: &cut, elements, attrs })?;
        Ok(self.push(meta, ChunkTree::default(), Body::Literal(Arc::from([]))))
    }

    fn array_meta(
        &mut self,
        path: &str,
        array: &ArrayMeta<'_>,
    ) -> Result<Vec<MetaFile>, FaceError> {
        match self.options.format {
            ZarrFormat::V2 => self.v2_files(path, ".zarray", meta::v2_array(array), array.attrs),
            ZarrFormat::V3 => {
                let document = meta::v3_array(array);
                let file = json_file(path, "zarr.json", &document)?;
                self.consolidated.insert(path.to_owned(), document);
                Ok(vec![file])
            }
        }
    }

    fn push(&mut self, meta: Vec<MetaFile>, chunks: ChunkTree, body: Body) -> usize {
        let content = Content::Array(ZarrArray { chunks, body });
        self.nodes.push(ZarrNode { meta, content });
        self.nodes.len() - 1
    }
}

/// Record arrays that a store cannot hold: those with vectors in their fields, which zarr-python reads
/// in neither version, and those that take too much memory.
fn check_record(path: &str, node: &Node) -> Result<(), FaceError> {
    let Node::Array(ArrayNode { data: Data::Record(records), .. }) = node else { return Ok(()) };
    let num_records = records.shape.iter().product::<u64>();
    let len_bytes = num_records.saturating_mul(record::record_bytes(records) as u64);
    let what = if records.fields.iter().any(|field| !field.inner_shape.is_empty()) {
        "zarr has no type for a record array with vectors in its fields".to_owned()
    } else if len_bytes > MOST_RECORD_BYTES {
        format!(
            "its records take {len_bytes} bytes, as each has room for the longest text, and at most \
             {MOST_RECORD_BYTES} are held in memory"
        )
    } else {
        return Ok(());
    };
    let hint = "hint: an .h5ad file can hold it (merged.h5ad of a mount, anncat materialize)";
    Err(unpresentable(path, format!("{what}\n  {hint}")))
}

fn json_file(path: &str, name: &'static str, document: &Value) -> Result<MetaFile, FaceError> {
    let bytes = serde_json::to_vec(document)
        .map_err(|error| unpresentable(path, format!("attributes cannot be written: {error}")))?;
    Ok(MetaFile { name, bytes: bytes.into() })
}

fn unpresentable(path: &str, what: String) -> FaceError {
    FaceError::Unpresentable { path: path.to_owned(), what }
}
