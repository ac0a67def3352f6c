//! An array's metadata document, v2 or v3, as one header: what its chunks are called, how large they
//! are, how they are encoded, and what stands for those that are absent.

use serde_json::{Map, Value};

use super::byte_codec::codec_name;
use super::codec::{Codecs, v3_endian};
use super::element::{Element, Endian};
use crate::base::Dims;

/// An array as its metadata describes it.
#[derive(Debug)]
pub struct Header {
    pub shape: Dims,
    /// Extent of what one chunk file holds; never 0.
    pub file_shape: Dims,
    /// Extent of what is decoded at once: the inner chunk of a shard, or all of the chunk file.
    pub chunk_shape: Dims,
    pub keys: ChunkKeys,
    pub shard: Option<ShardIndex>,
    pub codecs: Codecs,
    pub element: Element,
    /// One element, as [`Element::fill`] gives it.
    pub fill: Vec<u8>,
}

/// How chunk files are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkKeys {
    /// v3's `default` keys begin with `c`.
    pub prefix: KeyPrefix,
    pub separator: char,
}

/// What chunk keys begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPrefix {
    None,
    C,
}

/// How a shard lists its inner chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardIndex {
    pub at: IndexAt,
    pub endian: Endian,
    pub checksum: Checksum,
}

/// Where the index of a shard stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexAt {
    Start,
    End,
}

/// What protects the index of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    None,
    Crc32c,
}

impl ChunkKeys {
    /// The path of a chunk file below its array.
    pub fn key(self, index: &[u64]) -> String {
        let numbers: Vec<String> = index.iter().map(u64::to_string).collect();
        let numbers = numbers.join(self.separator.encode_utf8(&mut [0; 4]));
        match (self.prefix, numbers.is_empty()) {
            (KeyPrefix::C, true) => "c".to_owned(),
            (KeyPrefix::C, false) => format!("c{}{numbers}", self.separator),
            (KeyPrefix::None, true) => "0".to_owned(),
            (KeyPrefix::None, false) => numbers,
        }
    }
}

impl Header {
    /// From `.zarray`.
    pub fn from_v2(array: &Map<String, Value>) -> Result<Self, String> {
        let shape = extents(array.get("shape"), "shape")?;
        let file_shape = chunk_extents(array.get("chunks"), &shape)?;
        let element = Element::from_v2(array.get("dtype").unwrap_or(&Value::Null))?;
        let codecs = Codecs::from_v2(array, shape.len())?;
        let fill = element.fill(array.get("fill_value").unwrap_or(&Value::Null))?;
        let separator = match array.get("dimension_separator").and_then(Value::as_str) {
            Some("/") => '/',
            _ => '.',
        };
        let keys = ChunkKeys { prefix: KeyPrefix::None, separator };
        let chunk_shape = file_shape.clone();
        Self { shape, file_shape, chunk_shape, keys, shard: None, codecs, element, fill }.checked()
    }

    /// From an array's `zarr.json`.
    pub fn from_v3(array: &Map<String, Value>) -> Result<Self, String> {
        let shape = extents(array.get("shape"), "shape")?;
        let grid = array.get("chunk_grid").unwrap_or(&Value::Null);
        if grid.get("name").and_then(Value::as_str) != Some("regular") {
            return Err(format!("the chunk grid {grid} is not read; only regular ones are"));
        }
        if let Some(transformers) = array.get("storage_transformers").and_then(Value::as_array)
            && !transformers.is_empty()
        {
            return Err("storage transformers are not read".to_owned());
        }
        let file_shape = chunk_extents(grid.pointer("/configuration/chunk_shape"), &shape)?;
        let keys = keys_v3(array.get("chunk_key_encoding").unwrap_or(&Value::Null))?;
        let data_type = array.get("data_type").unwrap_or(&Value::Null);
        let fill_value = array.get("fill_value").unwrap_or(&Value::Null);
        let mut codecs = list(array.get("codecs"), "codecs")?;
        let (mut shard, mut chunk_shape) = (None, file_shape.clone());
        if let [only] = codecs
            && codec_name(only) == "sharding_indexed"
        {
            let configuration = only.get("configuration").unwrap_or(&Value::Null);
            chunk_shape = chunk_extents(configuration.get("chunk_shape"), &shape)?;
            if chunk_shape.iter().zip(&file_shape).any(|(inner, outer)| outer % inner != 0) {
                return Err("the inner chunks do not divide their shard".to_owned());
            }
            shard = Some(shard_index(configuration)?);
            codecs = list(configuration.get("codecs"), "codecs")?;
        }
        let element = Element::from_v3(data_type, v3_endian(codecs))?;
        let fill = element.fill(fill_value)?;
        let codecs = Codecs::from_v3(codecs, shape.len(), data_type, fill_value)?;
        Self { shape, file_shape, chunk_shape, keys, shard, codecs, element, fill }.checked()
    }

    /// Refuses sizes that arithmetic on bytes could not hold.
    fn checked(self) -> Result<Self, String> {
        let element_bytes = self.element.size_bytes().unwrap_or(1).max(1) as u64;
        for extents in [&self.shape, &self.file_shape] {
            extents
                .iter()
                .try_fold(element_bytes, |bytes, &extent| bytes.checked_mul(extent.max(1)))
                .filter(|&bytes| bytes <= i64::MAX as u64)
                .ok_or_else(|| format!("the extent {extents:?} is too large to be true"))?;
        }
        Ok(self)
    }

    /// Number of chunks along each axis.
    pub fn num_inner_in_shard(&self) -> u64 {
        self.file_shape.iter().zip(&self.chunk_shape).map(|(outer, inner)| outer / inner).product()
    }
}

fn list<'a>(value: Option<&'a Value>, name: &str) -> Result<&'a [Value], String> {
    let list = value.and_then(Value::as_array);
    list.map(Vec::as_slice).ok_or_else(|| format!("\"{name}\" is missing from the metadata"))
}

fn extents(value: Option<&Value>, name: &str) -> Result<Dims, String> {
    let extents = list(value, name)?.iter().map(Value::as_u64).collect::<Option<Dims>>();
    extents.ok_or_else(|| format!("\"{name}\" of the metadata is not a list of extents"))
}

fn chunk_extents(value: Option<&Value>, shape: &[u64]) -> Result<Dims, String> {
    let mut chunks = extents(value, "chunks")?;
    if chunks.len() != shape.len() {
        return Err(format!("chunks of {} axes in an array of {}", chunks.len(), shape.len()));
    }
    for (chunk, &extent) in chunks.iter_mut().zip(shape) {
        match (*chunk, extent) {
            (0, 0) => *chunk = 1,
            (0, _) => return Err("the chunks have no extent".to_owned()),
            _ => {}
        }
    }
    Ok(chunks)
}

fn keys_v3(encoding: &Value) -> Result<ChunkKeys, String> {
    let name = encoding.as_str().or_else(|| encoding.get("name").and_then(Value::as_str));
    let separator = encoding.pointer("/configuration/separator").and_then(Value::as_str);
    let (prefix, default) = match name {
        Some("default") => (KeyPrefix::C, "/"),
        Some("v2") => (KeyPrefix::None, "."),
        _ => return Err(format!("the chunk key encoding {encoding} is not read")),
    };
    match separator.unwrap_or(default) {
        "/" => Ok(ChunkKeys { prefix, separator: '/' }),
        "." => Ok(ChunkKeys { prefix, separator: '.' }),
        other => Err(format!("\"{other}\" is no separator of chunk keys")),
    }
}

fn shard_index(configuration: &Value) -> Result<ShardIndex, String> {
    let at = match configuration.get("index_location").and_then(Value::as_str) {
        Some("start") => IndexAt::Start,
        None | Some("end") => IndexAt::End,
        Some(other) => return Err(format!("\"{other}\" is no place for the index of a shard")),
    };
    let codecs = list(configuration.get("index_codecs"), "index_codecs")?;
    let names: Vec<&str> = codecs.iter().map(codec_name).collect();
    let checksum = match names.as_slice() {
        ["bytes"] => Checksum::None,
        ["bytes", "crc32c"] => Checksum::Crc32c,
        _ => return Err(format!("the shard index codecs {names:?} are not read")),
    };
    Ok(ShardIndex { at, endian: v3_endian(codecs), checksum })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn v2(changes: Value) -> Result<Header, String> {
        let mut array = json!({
            "shape": [4, 6], "chunks": [2, 3], "dtype": "<f4", "order": "C", "filters": null,
            "compressor": null, "fill_value": null, "zarr_format": 2
        });
        let (Some(array), Value::Object(changes)) = (array.as_object_mut(), changes) else {
            panic!()
        };
        array.extend(changes);
        Header::from_v2(array)
    }

    #[test]
    fn keys_of_both_formats() {
        let key = |prefix, separator, index: &[u64]| ChunkKeys { prefix, separator }.key(index);
        assert_eq!(key(KeyPrefix::C, '/', &[1, 20]), "c/1/20");
        assert_eq!(key(KeyPrefix::C, '.', &[1, 20]), "c.1.20");
        assert_eq!(key(KeyPrefix::C, '/', &[]), "c");
        assert_eq!(key(KeyPrefix::None, '.', &[1, 20]), "1.20");
        assert_eq!(key(KeyPrefix::None, '.', &[]), "0");
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        assert!(v2(json!({})).is_ok());
        for changes in [
            json!({"chunks": [2]}),
            json!({"chunks": [0, 3]}),
            json!({"shape": [-1, 3]}),
            json!({"shape": [1_u64 << 40, 1_u64 << 40]}),
            json!({"shape": "x"}),
            json!({"dtype": "|O"}),
            json!({"filters": [{"id": "delta", "dtype": "<f4"}]}),
            json!({"compressor": {"id": "nothing-known"}}),
        ] {
            assert!(v2(changes.clone()).is_err(), "{changes}");
        }
    }
}
