//! From a stored chunk's bytes to its elements: little-endian, in C order. The whole chain of codecs;
//! those from bytes to bytes are in `byte_codec`.

use std::borrow::Cow;

use serde_json::Value;
use zarrs::array::{CodecChain, DataType, FillValue};
use zarrs::metadata::v3::MetadataV3;

use super::buffer::zeroed;
use super::byte_codec::{ByteCodec, codec_name, single_threaded};
use super::element::{Element, Endian};
use crate::base::{DType, Dims};

/// No decoded chunk of text may be larger: its length is not known beforehand.
const MAX_TEXT_CHUNK_BYTES: usize = 4 << 30;

/// How the chunks of one array are encoded.
#[derive(Debug)]
pub struct Codecs {
    /// Axis `i` of the encoded chunk is axis `order[i]` of the array; `None` when nothing moves.
    order: Option<Vec<usize>>,
    body: Body,
    /// In the order in which they were applied.
    bytes: Vec<ByteCodec>,
}

/// How elements become bytes.
#[derive(Debug)]
pub enum Body {
    /// One after another.
    Packed,
    /// A count, then length and bytes of each (`vlen-utf8`, `vlen-bytes`), little-endian `u32`.
    Vlen,
    /// A JSON list of the elements, the dtype and the shape (numcodecs' `json2`).
    Json,
    /// Numbers through codecs that only zarrs knows; it then does the whole chain.
    Foreign(Box<Foreign>),
}

/// A chain that zarrs runs.
#[derive(Debug)]
pub struct Foreign {
    chain: CodecChain,
    dtype: DataType,
    fill: FillValue,
}

/// The byte order that a v3 chain's `bytes` codec states.
pub fn v3_endian(codecs: &[Value]) -> Endian {
    let bytes = codecs.iter().find(|codec| codec_name(codec) == "bytes");
    match bytes.and_then(|codec| codec.pointer("/configuration/endian")).and_then(Value::as_str) {
        Some("big") => Endian::Big,
        _ => Endian::Little,
    }
}

impl Codecs {
    /// From a v2 array's `order`, `filters` and `compressor`.
    pub fn from_v2(array: &serde_json::Map<String, Value>, rank: usize) -> Result<Self, String> {
        let fortran = array.get("order").and_then(Value::as_str) == Some("F") && rank > 1;
        let is_object = array.get("dtype").and_then(Value::as_str).is_some_and(is_object_typestr);
        let mut body = None;
        let mut bytes = Vec::new();
        for filter in array.get("filters").and_then(Value::as_array).into_iter().flatten() {
            match filter.get("id").and_then(Value::as_str).unwrap_or_default() {
                "vlen-utf8" | "vlen-bytes" => body = Some(Body::Vlen),
                "json2" => body = Some(Body::Json),
                _ => bytes.push(ByteCodec::from_v2(filter)?),
            }
        }
        if let Some(compressor) = array.get("compressor").filter(|value| !value.is_null()) {
            bytes.push(ByteCodec::from_v2(compressor)?);
        }
        let body = match body {
            Some(body) => body,
            None if is_object => {
                return Err("an object array without a filter that encodes text".to_owned());
            }
            None => Body::Packed,
        };
        Ok(Self { order: fortran.then(|| (0..rank).rev().collect()), body, bytes })
    }

    /// From a v3 list of codecs, without sharding.
    pub fn from_v3(
        codecs: &[Value],
        rank: usize,
        data_type: &Value,
        fill: &Value,
    ) -> Result<Self, String> {
        let native = Self::native_v3(codecs, rank);
        native.or_else(|why| {
            // Only numbers: zarrs' other data types are laid out differently in memory.
            let name = data_type.as_str().and_then(DType::from_name);
            let foreign = name.and_then(|_| Foreign::new(codecs, data_type, fill));
            let body = Body::Foreign(Box::new(foreign.ok_or(why)?));
            Ok(Self { order: None, body, bytes: Vec::new() })
        })
    }

    fn native_v3(codecs: &[Value], rank: usize) -> Result<Self, String> {
        let mut order: Option<Vec<usize>> = None;
        let mut body = None;
        let mut bytes = Vec::new();
        for codec in codecs {
            match (codec_name(codec), &body) {
                ("transpose", None) => {
                    let next = transpose_order(codec, rank)?;
                    order = Some(match order {
                        None => next,
                        Some(before) => next.iter().map(|&axis| before[axis]).collect(),
                    });
                }
                ("bytes", None) => body = Some(Body::Packed),
                ("vlen-utf8" | "vlen-bytes", None) => body = Some(Body::Vlen),
                ("json2", None) => body = Some(Body::Json),
                (name, None) => return Err(format!("the codec \"{name}\" is not read")),
                (_, Some(_)) => bytes.push(ByteCodec::from_v3(codec)?),
            }
        }
        let identity = |order: &Vec<usize>| order.iter().enumerate().all(|(i, &axis)| i == axis);
        Ok(Self {
            order: order.filter(|order| !identity(order)),
            body: body.ok_or("the list of codecs has none that makes bytes of elements")?,
            bytes,
        })
    }

    /// True when a chunk's stored bytes are its elements, but for the byte order.
    pub const fn is_packed(&self) -> bool {
        matches!(self.body, Body::Packed) && self.order.is_none() && self.bytes.is_empty()
    }

    /// True when chunks can be decoded a piece at a time.
    pub fn is_streamed(&self) -> bool {
        matches!(self.body, Body::Packed)
            && self.order.is_none()
            && self.bytes.iter().all(ByteCodec::is_streamed)
    }

    /// Decodes a stream a piece at a time, if [`Self::is_streamed`]; numbers keep their byte order.
    pub fn reader<'a>(
        &self,
        encoded: Box<dyn std::io::Read + 'a>,
    ) -> std::io::Result<Box<dyn std::io::Read + 'a>> {
        let mut reader = encoded;
        for codec in self.bytes.iter().rev() {
            let needs_all = || Err(std::io::Error::other("it must be decoded as a whole"));
            reader = codec.reader(reader).unwrap_or_else(needs_all)?;
        }
        Ok(reader)
    }

    /// True when elements are text of variable length.
    pub const fn is_text(&self) -> bool {
        matches!(self.body, Body::Vlen | Body::Json)
    }

    /// How elements become bytes.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Axis order of the encoded chunk, when it is not the array's.
    pub fn order(&self) -> Option<&[usize]> {
        self.order.as_deref()
    }

    /// Decodes a chunk of fixed-width elements; `out` is as long as the whole chunk.
    pub fn decode_fixed(
        &self,
        encoded: &[u8],
        shape: &[u64],
        element: &Element,
        out: &mut [u8],
    ) -> Result<(), String> {
        if let Body::Foreign(foreign) = &self.body {
            return foreign.decode(encoded, shape, out);
        }
        let Some(order) = &self.order else {
            self.decode_bytes_into(encoded, out)?;
            to_little_endian(element, out);
            return Ok(());
        };
        let mut moved = zeroed(out.len())?;
        self.decode_bytes_into(encoded, &mut moved)?;
        let element_bytes = element.size_bytes().unwrap_or(1);
        move_axes(&moved, shape, order, element_bytes, out);
        to_little_endian(element, out);
        Ok(())
    }

    /// Decodes a chunk of text: the encoded text, of any length.
    pub fn decode_text(&self, encoded: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        let mut decoded = Cow::Borrowed(encoded);
        for codec in self.bytes.iter().rev() {
            decoded = Cow::Owned(codec.decode(&decoded, limit.min(MAX_TEXT_CHUNK_BYTES))?);
        }
        Ok(decoded.into_owned())
    }

    /// Undoes the codecs from bytes to bytes.
    fn decode_bytes_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), String> {
        let Some((first, rest)) = self.bytes.split_first() else {
            if encoded.len() != out.len() {
                let (found, expected) = (encoded.len(), out.len());
                return Err(format!("the chunk holds {found} bytes, expected {expected}"));
            }
            out.copy_from_slice(encoded);
            return Ok(());
        };
        // No codec makes its input much longer than it was.
        let limit = out.len().saturating_mul(2).saturating_add(1 << 16);
        let mut decoded = Cow::Borrowed(encoded);
        for codec in rest.iter().rev() {
            decoded = Cow::Owned(codec.decode(&decoded, limit)?);
        }
        first.decode_into(&decoded, out)
    }
}

impl Foreign {
    fn new(codecs: &[Value], data_type: &Value, fill: &Value) -> Option<Self> {
        let codecs: Vec<MetadataV3> = codecs
            .iter()
            .map(|codec| serde_json::from_value(codec.clone()).ok())
            .collect::<Option<_>>()?;
        let chain = CodecChain::from_metadata(&codecs).ok()?;
        let dtype: MetadataV3 = serde_json::from_value(data_type.clone()).ok()?;
        let dtype = DataType::from_metadata(&dtype).ok()?;
        let fill = serde_json::from_value(fill.clone()).ok()?;
        let fill = dtype.fill_value_v3(&fill).ok()?;
        Some(Self { chain, dtype, fill })
    }

    fn decode(&self, encoded: &[u8], shape: &[u64], out: &mut [u8]) -> Result<(), String> {
        use zarrs::array::ArrayToBytesCodecTraits as _;
        let shape: Option<Vec<_>> = shape.iter().map(|&n| std::num::NonZeroU64::new(n)).collect();
        let shape = shape.ok_or("the chunk has no extent")?;
        let decode = || {
            self.chain
                .decode(Cow::Borrowed(encoded), &shape, &self.dtype, &self.fill, &single_threaded())
                .and_then(|bytes| Ok(bytes.into_fixed()?.into_owned()))
                .map_err(|error| error.to_string())
        };
        let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode))
            .unwrap_or_else(|_| Err("the decoder failed".to_owned()))
            .map_err(|why| format!("the chunk cannot be decoded: {why}"))?;
        if decoded.len() != out.len() {
            return Err(format!("the chunk holds {} bytes, expected {}", decoded.len(), out.len()));
        }
        out.copy_from_slice(&decoded);
        Ok(())
    }
}

fn is_object_typestr(typestr: &str) -> bool {
    typestr.get(1..).is_some_and(|kind| kind.starts_with('O'))
}

fn transpose_order(codec: &Value, rank: usize) -> Result<Vec<usize>, String> {
    let wrong = || format!("{codec} is not a transposition of {rank} axes");
    let order = codec.pointer("/configuration/order").ok_or_else(wrong)?;
    let order: Vec<usize> = match order {
        Value::String(order) if order == "C" => (0..rank).collect(),
        Value::String(order) if order == "F" => (0..rank).rev().collect(),
        Value::Array(axes) => {
            let axes = axes.iter().map(|axis| usize::try_from(axis.as_u64()?).ok());
            axes.collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..rank) { Ok(order) } else { Err(wrong()) }
}

/// Lays out in C order a chunk of this `shape` that was stored with its axes in `order`.
fn move_axes(stored: &[u8], shape: &[u64], order: &[usize], element_bytes: usize, out: &mut [u8]) {
    if element_bytes == 0 || out.is_empty() {
        return;
    }
    let rank = shape.len();
    let mut strides = vec![0_usize; rank];
    let mut stride = element_bytes;
    for &axis in order.iter().rev() {
        strides[axis] = stride;
        stride *= shape[axis] as usize;
    }
    let mut index = Dims::from_elem(0, rank);
    let mut at = 0_usize;
    for target in out.chunks_exact_mut(element_bytes) {
        target.copy_from_slice(&stored[at..at + element_bytes]);
        for axis in (0..rank).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis] as usize;
            index[axis] = 0;
        }
    }
}

/// Swaps the bytes of big-endian numbers.
pub fn to_little_endian(element: &Element, bytes: &mut [u8]) {
    let Element::Number { dtype, endian: Endian::Big } = element else { return };
    let part = match dtype {
        DType::C64 | DType::C128 => dtype.size_bytes() / 2,
        _ => dtype.size_bytes(),
    };
    if part > 1 {
        for number in bytes.chunks_exact_mut(part) {
            number.reverse();
        }
    }
}
