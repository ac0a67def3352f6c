//! Metadata documents of zarr v2 and v3, as zarr-python writes them for anndata.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::base::DType;
use crate::base::dtype::Kind;
use crate::tree::{Attr, Attrs, RecordArray};

use super::geometry::Cut;
use super::record;

/// What metadata says about an array.
pub struct ArrayMeta<'a> {
    pub shape: &'a [u64],
    pub cut: &'a Cut,
    pub elements: Elements<'a>,
    pub attrs: &'a Attrs,
}

/// The kind of an array's elements.
pub enum Elements<'a> {
    Fixed(DType),
    Text,
    Record(&'a RecordArray),
}

/// A group's `zarr.json`, without consolidated metadata.
pub fn v3_group(attrs: &Attrs) -> Map<String, Value> {
    let mut meta = Map::new();
    meta.insert("attributes".into(), attributes(attrs));
    meta.insert("zarr_format".into(), json!(3));
    meta.insert("node_type".into(), json!("group"));
    meta
}

/// Inline consolidated metadata (zarr-python's convention for v3).
pub fn v3_consolidated(nodes: Map<String, Value>) -> Value {
    json!({ "kind": "inline", "must_understand": false, "metadata": nodes })
}

/// An array's `zarr.json`.
pub fn v3_array(meta: &ArrayMeta<'_>) -> Value {
    let (data_type, fill_value, codec) = match meta.elements {
        Elements::Fixed(dtype) => (json!(dtype.name()), zero(dtype), bytes_codec(dtype)),
        Elements::Text => {
            (json!("string"), json!(""), json!({ "name": "vlen-utf8", "configuration": {} }))
        }
        Elements::Record(records) => {
            (record::v3_data_type(records), zero_record(records), json!({ "name": "bytes" }))
        }
    };
    let codecs = match &meta.cut.inner {
        None => json!([codec]),
        Some(inner) => json!([{
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": inner.to_vec(),
                "codecs": [codec],
                "index_codecs": [
                    { "name": "bytes", "configuration": { "endian": "little" } },
                    { "name": "crc32c" },
                ],
                "index_location": "end",
            },
        }]),
    };
    json!({
        "shape": meta.shape,
        "data_type": data_type,
        "chunk_grid": {
            "name": "regular",
            "configuration": { "chunk_shape": meta.cut.file.to_vec() },
        },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "fill_value": fill_value,
        "codecs": codecs,
        "attributes": attributes(meta.attrs),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    })
}

/// A group's `.zgroup`.
pub fn v2_group() -> Value {
    json!({ "zarr_format": 2 })
}

/// An array's `.zarray`.
pub fn v2_array(meta: &ArrayMeta<'_>) -> Value {
    let (dtype, fill_value, filters) = match meta.elements {
        Elements::Fixed(dtype) => (json!(dtype.typestr()), zero(dtype), Value::Null),
        Elements::Text => (json!("|O"), json!(""), json!([{ "id": "vlen-utf8" }])),
        Elements::Record(records) => (record::v2_dtype(records), zero_record(records), Value::Null),
    };
    json!({
        "shape": meta.shape,
        "chunks": meta.cut.file.to_vec(),
        "dtype": dtype,
        "fill_value": fill_value,
        "order": "C",
        "filters": filters,
        "dimension_separator": ".",
        "compressor": null,
        "zarr_format": 2,
    })
}

/// Attributes as JSON.
pub fn attributes(attrs: &Attrs) -> Value {
    Value::Object(attrs.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
}

fn attribute(value: &Attr) -> Value {
    match value {
        Attr::Str(text) | Attr::Reference(text) => json!(text),
        Attr::Bool(value) => json!(value),
        Attr::Int(value) => json!(value),
        // JSON has no such numbers; zarr v3 spells them like this in fill values.
        Attr::Float(value) if value.is_nan() => json!("NaN"),
        Attr::Float(value) if value.is_infinite() => {
            json!(if *value > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Attr::Float(value) => json!(value),
        Attr::StrList(list) => json!(list),
        Attr::IntList(list) => json!(list),
        Attr::Json(value) => value.clone(),
    }
}

/// The codec of numbers. One byte has no order: zarr-python leaves it out.
fn bytes_codec(dtype: DType) -> Value {
    if dtype.size_bytes() == 1 {
        json!({ "name": "bytes" })
    } else {
        json!({ "name": "bytes", "configuration": { "endian": "little" } })
    }
}

fn zero(dtype: DType) -> Value {
    match dtype.kind() {
        Kind::Bool => json!(false),
        Kind::Signed | Kind::Unsigned => json!(0),
        Kind::Float => json!(0.0),
        Kind::Complex => json!([0.0, 0.0]),
    }
}

fn zero_record(records: &RecordArray) -> Value {
    json!(STANDARD.encode(vec![0; record::record_bytes(records)]))
}
