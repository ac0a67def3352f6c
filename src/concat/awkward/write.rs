//! Memory into buffers: `ak.to_buffers(ak.to_packed(array))`, with awkward's names of nodes.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::error::AwkwardError;
use super::layout::{Content, Layout};
use crate::anndata::Awkward;
use crate::array::{MemoryArray, SharedArray};
use crate::base::DType;

/// Buffers and form of an array.
///
/// # Errors
/// As [`Content::carry`], of what options and unions hold.
pub(super) fn write(content: Content) -> Result<Awkward, AwkwardError> {
    let len = content.len() as u64;
    let mut writer = Writer { buffers: IndexMap::new(), num_nodes: 0 };
    let form = writer.node(content)?;
    Ok(Awkward { len, form: form.to_string(), buffers: writer.buffers })
}

struct Writer {
    buffers: IndexMap<String, SharedArray>,
    num_nodes: usize,
}

impl Writer {
    fn node(&mut self, content: Content) -> Result<Value, AwkwardError> {
        let is_categorical = content.is_categorical();
        let key = format!("node{}", self.num_nodes);
        self.num_nodes += 1;
        let mut form = Map::new();
        let mut put = |name: &str, value: Value| {
            form.insert(name.to_owned(), value);
        };
        match content.layout {
            Layout::Empty => put("class", json!("EmptyArray")),
            Layout::Numpy { dtype, bytes } => {
                let len = (bytes.len() / dtype.size_bytes()) as u64;
                self.put_buffer(&key, "data", MemoryArray::shared(dtype, &[len], bytes));
                put("class", json!("NumpyArray"));
                put("primitive", json!(dtype.name()));
                put("inner_shape", json!([]));
            }
            Layout::List { offsets, content } => {
                self.put_integers(&key, "offsets", &offsets);
                put("class", json!("ListOffsetArray"));
                put("offsets", json!("i64"));
                put("content", self.node(*content)?);
            }
            Layout::Regular { size, content, .. } => {
                put("class", json!("RegularArray"));
                put("size", json!(size));
                put("content", self.node(*content)?);
            }
            Layout::Record { fields, contents, .. } => {
                put("class", json!("RecordArray"));
                put("fields", json!(fields));
                put("contents", self.nodes(contents)?);
            }
            Layout::Indexed { index, content } => {
                self.put_integers(&key, "index", &index);
                put("class", json!("IndexedArray"));
                put("index", json!("i64"));
                put("content", self.node(*content)?);
            }
            Layout::Option { index, content } => {
                let (index, content) =
                    if is_categorical { (index, *content) } else { packed(&index, &content)? };
                self.put_integers(&key, "index", &index);
                put("class", json!("IndexedOptionArray"));
                put("index", json!("i64"));
                put("content", self.node(content)?);
            }
            Layout::Union { tags, index, contents } => {
                let (index, contents) = packed_union(&tags, &index, &contents)?;
                let bytes: Vec<u8> = tags.iter().map(|tag| tag.cast_unsigned()).collect();
                let len = tags.len() as u64;
                self.put_buffer(&key, "tags", MemoryArray::shared(DType::I8, &[len], bytes));
                self.put_integers(&key, "index", &index);
                put("class", json!("UnionArray"));
                put("tags", json!("i8"));
                put("index", json!("i64"));
                put("contents", self.nodes(contents)?);
            }
        }
        put("parameters", Value::Object(content.params));
        put("form_key", json!(key));
        Ok(Value::Object(form))
    }

    fn nodes(&mut self, contents: Vec<Content>) -> Result<Value, AwkwardError> {
        let nodes = contents.into_iter().map(|content| self.node(content));
        Ok(Value::Array(nodes.collect::<Result<_, _>>()?))
    }
}

impl Writer {
    fn put_buffer(&mut self, key: &str, attribute: &str, buffer: SharedArray) {
        self.buffers.insert(format!("{key}-{attribute}"), buffer);
    }

    fn put_integers(&mut self, key: &str, attribute: &str, values: &[i64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let buffer = MemoryArray::shared(DType::I64, &[values.len() as u64], bytes);
        self.put_buffer(key, attribute, buffer);
    }
}

/// An option's content without what no index points to, in the order of the index.
fn packed(index: &[i64], content: &Content) -> Result<(Vec<i64>, Content), AwkwardError> {
    let mut rows = Vec::with_capacity(index.len());
    let packed_index = index
        .iter()
        .map(|&at| {
            if at < 0 {
                return -1;
            }
            rows.push(at);
            rows.len() as i64 - 1
        })
        .collect();
    Ok((packed_index, content.carry(&rows)?))
}

/// The same for a union.
fn packed_union(
    tags: &[i8],
    index: &[i64],
    contents: &[Content],
) -> Result<(Vec<i64>, Vec<Content>), AwkwardError> {
    let mut rows: Vec<Vec<i64>> = vec![Vec::new(); contents.len()];
    let packed_index = tags
        .iter()
        .zip(index)
        .map(|(&tag, &at)| {
            let rows = &mut rows[tag as usize];
            rows.push(at);
            rows.len() as i64 - 1
        })
        .collect();
    let carried = contents.iter().zip(&rows).map(|(content, rows)| content.carry(rows));
    Ok((packed_index, carried.collect::<Result<_, _>>()?))
}
