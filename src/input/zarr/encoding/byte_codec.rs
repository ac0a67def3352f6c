//! Codecs from bytes to bytes: compressors, checksums, shuffles.
//!
//! The common ones are decoded straight into the caller's buffer by the libraries that are fastest
//! at it; every other one goes through the zarrs crate. Nothing here trusts a length that a chunk states about itself.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;
use zarrs::array::codec::api::{
    BytesRepresentation, BytesToBytesCodecTraits, Codec, CodecMetadata, CodecOptions,
};
use zarrs::metadata::v2::MetadataV2;
use zarrs::metadata::v3::MetadataV3;

use super::buffer::zeroed;
use crate::input::inflate;

/// A codec from bytes to bytes.
#[derive(Debug)]
pub enum ByteCodec {
    Blosc,
    Zstd,
    Gzip,
    Zlib,
    Lz4,
    Other(Arc<dyn BytesToBytesCodecTraits>),
}

impl ByteCodec {
    fn new(name: &str, codec: Codec) -> Result<Self, String> {
        let Codec::BytesToBytes(codec) = codec else {
            return Err(format!("the codec \"{name}\" is not read here"));
        };
        Ok(Self::Other(codec))
    }

    fn native(name: &str) -> Option<Self> {
        match name {
            "blosc" => Some(Self::Blosc),
            "zstd" => Some(Self::Zstd),
            "lz4" => Some(Self::Lz4),
            "gzip" => Some(Self::Gzip),
            "zlib" => Some(Self::Zlib),
            _ => None,
        }
    }

    /// A numcodecs configuration: `{"id": "zlib", "level": 1}`.
    pub fn from_v2(config: &Value) -> Result<Self, String> {
        let id = config.get("id").and_then(Value::as_str).unwrap_or_default();
        if let Some(codec) = Self::native(id) {
            return Ok(codec);
        }
        let unknown =
            |why: &dyn std::fmt::Display| format!("the codec \"{id}\" is not read: {why}");
        let metadata: MetadataV2 =
            serde_json::from_value(config.clone()).map_err(|error| unknown(&error))?;
        let codec =
            Codec::from_metadata(CodecMetadata::V2(&metadata)).map_err(|error| unknown(&error))?;
        Self::new(id, codec)
    }

    /// A v3 codec: a name, or a name with a configuration.
    pub fn from_v3(config: &Value) -> Result<Self, String> {
        let name = codec_name(config);
        if let Some(codec) = Self::native(name) {
            return Ok(codec);
        }
        let unknown =
            |why: &dyn std::fmt::Display| format!("the codec \"{name}\" is not read: {why}");
        let metadata: MetadataV3 =
            serde_json::from_value(config.clone()).map_err(|error| unknown(&error))?;
        let codec =
            Codec::from_metadata(CodecMetadata::V3(&metadata)).map_err(|error| unknown(&error))?;
        Self::new(name, codec)
    }

    /// Decodes to exactly the length of `out`.
    pub fn decode_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        let known = match self {
            Self::Blosc => inflate::blosc(encoded, out),
            Self::Zstd => inflate::zstd(encoded, out),
            Self::Lz4 => inflate::lz4(encoded, out),
            Self::Gzip => inflate::gzip(encoded, out),
            Self::Zlib => inflate::zlib(encoded, out),
            Self::Other(codec) => reference(codec.as_ref(), encoded, Some(out.len()))
                .and_then(|decoded| inflate::copy_exactly(&decoded, out)),
        };
        known.map_err(|why| format!("the chunk cannot be decoded: {why}"))
    }

    /// Decodes a stream a piece at a time; `None` where that cannot be done.
    pub fn reader<'a>(
        &self,
        encoded: Box<dyn std::io::Read + 'a>,
    ) -> Option<std::io::Result<Box<dyn std::io::Read + 'a>>> {
        Some(match self {
            Self::Zstd => inflate::zstd_reader(encoded),
            Self::Gzip => Ok(inflate::gzip_reader(encoded)),
            Self::Zlib => Ok(inflate::zlib_reader(encoded)),
            Self::Blosc | Self::Lz4 | Self::Other(_) => return None,
        })
    }

    /// True when [`Self::reader`] can do it.
    pub const fn is_streamed(&self) -> bool {
        matches!(self, Self::Zstd | Self::Gzip | Self::Zlib)
    }

    /// Decodes to whatever length it has, up to `limit`.
    pub fn decode(&self, encoded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        let decoded = match self {
            Self::Blosc => {
                growing(inflate::blosc_len(encoded)?, limit, |out| inflate::blosc(encoded, out))
            }
            Self::Zstd => inflate::zstd_vec(encoded, limit),
            Self::Lz4 => {
                growing(inflate::lz4_len(encoded)?, limit, |out| inflate::lz4(encoded, out))
            }
            Self::Gzip => inflate::gzip_vec(encoded, limit),
            Self::Zlib => inflate::zlib_vec(encoded, limit),
            Self::Other(codec) => reference(codec.as_ref(), encoded, None),
        };
        decoded.map_err(|why| format!("the chunk cannot be decoded: {why}"))
    }
}

/// Decodes into a new buffer of the length that the chunk states, if that is below `limit`.
fn growing(
    len: usize,
    limit: usize,
    decode: impl FnOnce(&mut [u8]) -> Result<(), String>,
) -> Result<Vec<u8>, String> {
    if len > limit {
        return Err(format!("it holds {len} bytes, more than {limit}"));
    }
    let mut out = zeroed(len)?;
    decode(&mut out)?;
    Ok(out)
}

/// For zarrs: decoding runs while others may wait for the block, so it must not wait for the thread
/// pool ([`crate::io::BlockCache::get_or_load`]).
pub fn single_threaded() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}

/// Decodes through zarrs. A panic in there is an error like any other: chunks may hold anything.
fn reference(
    codec: &dyn BytesToBytesCodecTraits,
    encoded: &[u8],
    len: Option<usize>,
) -> Result<Vec<u8>, String> {
    let representation = len.map_or(BytesRepresentation::UnboundedSize, |len| {
        BytesRepresentation::FixedSize(len as u64)
    });
    let decode = || {
        codec
            .decode(Cow::Borrowed(encoded), &representation, &single_threaded())
            .map(Cow::into_owned)
            .map_err(|error| error.to_string())
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err("the decoder failed".to_owned()))
}

/// The name of a v3 codec, without the prefix that numcodecs' codecs carry.
pub fn codec_name(config: &Value) -> &str {
    let name = config.as_str().or_else(|| config.get("name").and_then(Value::as_str));
    let name = name.unwrap_or_default();
    name.strip_prefix("numcodecs.").unwrap_or(name)
}
