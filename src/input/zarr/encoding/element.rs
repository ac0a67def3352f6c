//! What one stored element is: the dtypes of zarr v2 (numpy type strings) and v3 (names), reduced to
//! the few kinds that this program reads, and their fill values. Knows no chunks and no codecs.

use base64::Engine as _;
use serde_json::Value;

use crate::array::push_python_str;
use crate::base::{DType, Dims};

/// Byte order of stored numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    Little,
    Big,
}

/// The type of an array's elements, as stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    /// Numbers or booleans.
    Number { dtype: DType, endian: Endian },
    /// numpy `S` and `U`: text padded with NUL.
    FixedText(FixedText),
    /// Text of variable length.
    VlenText,
    /// numpy structured dtypes.
    Record { fields: Vec<Field>, size_bytes: usize },
}

/// Fixed-width text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixedText {
    /// `S`: this many bytes.
    Bytes { size_bytes: usize },
    /// `U`: UTF-32 code units, four bytes each.
    Utf32 { size_bytes: usize, endian: Endian },
}

/// A field of a structured dtype, packed without padding.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub offset: usize,
    /// [`Element::Number`] or [`Element::FixedText`].
    pub element: Element,
    /// Extent of a subarray; empty for a scalar.
    pub inner_shape: Dims,
}

impl FixedText {
    pub const fn size_bytes(self) -> usize {
        match self {
            Self::Bytes { size_bytes } | Self::Utf32 { size_bytes, .. } => size_bytes,
        }
    }
}

impl Field {
    /// Values in one record.
    pub fn num_values(&self) -> usize {
        self.inner_shape.iter().product::<u64>() as usize
    }
}

impl Element {
    /// Bytes of one element; `None` when they vary.
    pub const fn size_bytes(&self) -> Option<usize> {
        match self {
            Self::Number { dtype, .. } => Some(dtype.size_bytes()),
            Self::FixedText(text) => Some(text.size_bytes()),
            Self::VlenText => None,
            Self::Record { size_bytes, .. } => Some(*size_bytes),
        }
    }

    /// From a v2 `dtype`: a type string or a list of fields.
    pub fn from_v2(dtype: &Value) -> Result<Self, String> {
        match dtype {
            Value::String(text) => Self::from_typestr(text),
            Value::Array(fields) => {
                let parsed = fields.iter().map(|field| {
                    let items = field.as_array().map_or(&[][..], Vec::as_slice);
                    let (Some(name), Some(dtype)) =
                        (items.first().and_then(Value::as_str), items.get(1))
                    else {
                        return Err(format!("the dtype field {field} is not [name, dtype]"));
                    };
                    let inner_shape = items.get(2).map_or_else(|| Ok(Dims::new()), subarray)?;
                    Ok((name.to_owned(), Self::from_v2(dtype)?, inner_shape))
                });
                Self::record(parsed)
            }
            other => Err(format!("dtype {other} is not read")),
        }
    }

    fn from_typestr(text: &str) -> Result<Self, String> {
        let unknown = || format!("dtype \"{text}\" is not read");
        let mut chars = text.chars();
        let endian = match chars.next() {
            Some('<' | '|' | '=') => Endian::Little,
            Some('>') => Endian::Big,
            _ => return Err(unknown()),
        };
        let kind = chars.next().ok_or_else(unknown)?;
        if kind == 'O' {
            return Ok(Self::VlenText);
        }
        let size: usize = chars.as_str().parse().map_err(|_| unknown())?;
        match kind {
            'S' => Ok(Self::FixedText(FixedText::Bytes { size_bytes: size })),
            'U' => {
                let size_bytes = size.checked_mul(4).ok_or_else(unknown)?;
                Ok(Self::FixedText(FixedText::Utf32 { size_bytes, endian }))
            }
            _ => DType::ALL
                .into_iter()
                .find(|dtype| {
                    let known = dtype.typestr().as_bytes();
                    known.get(1).copied().map(char::from) == Some(kind)
                        && dtype.size_bytes() == size
                })
                .map(|dtype| Self::Number { dtype, endian })
                .ok_or_else(unknown),
        }
    }

    /// From a v3 `data_type`: a name, or a name with a configuration. `endian` is that of the `bytes`
    /// codec.
    pub fn from_v3(data_type: &Value, endian: Endian) -> Result<Self, String> {
        let (name, configuration) = match data_type {
            Value::String(name) => (name.as_str(), &Value::Null),
            Value::Object(object) => (
                object.get("name").and_then(Value::as_str).unwrap_or_default(),
                object.get("configuration").unwrap_or(&Value::Null),
            ),
            _ => ("", &Value::Null),
        };
        let unknown = || format!("data type {data_type} is not read");
        let length = || {
            let length = configuration.get("length_bytes").and_then(Value::as_u64);
            length.and_then(|length| usize::try_from(length).ok()).ok_or_else(unknown)
        };
        match name {
            "string" | "str" | "variable_length_utf8" => Ok(Self::VlenText),
            "bytes" | "variable_length_bytes" => Ok(Self::VlenText),
            "fixed_length_utf32" | "numpy.fixed_length_utf32" => {
                Ok(Self::FixedText(FixedText::Utf32 { size_bytes: length()?, endian }))
            }
            "null_terminated_bytes" | "numpy.null_terminated_bytes" => {
                Ok(Self::FixedText(FixedText::Bytes { size_bytes: length()? }))
            }
            // `structured` is zarr-python's first name for it, `struct` the later one.
            "structured" | "struct" => {
                let fields = configuration.get("fields").and_then(Value::as_array);
                Self::record(fields.ok_or_else(unknown)?.iter().map(|field| {
                    let (name, data_type) = match field {
                        Value::Array(items) => (items.first(), items.get(1)),
                        _ => (field.get("name"), field.get("data_type")),
                    };
                    let (Some(name), Some(data_type)) = (name.and_then(Value::as_str), data_type)
                    else {
                        return Err(unknown());
                    };
                    Ok((name.to_owned(), Self::from_v3(data_type, endian)?, Dims::new()))
                }))
            }
            _ => DType::from_name(name)
                .map(|dtype| Self::Number { dtype, endian })
                .ok_or_else(unknown),
        }
    }

    fn record(
        parsed: impl Iterator<Item = Result<(String, Self, Dims), String>>,
    ) -> Result<Self, String> {
        let mut fields = Vec::new();
        let mut offset = 0_usize;
        for field in parsed {
            let (name, element, inner_shape) = field?;
            if !matches!(element, Self::Number { .. } | Self::FixedText(_)) {
                return Err(format!("the dtype field \"{name}\" is of a kind that is not read"));
            }
            let field = Field { name, offset, element, inner_shape };
            let size = field.element.size_bytes().unwrap_or(0);
            offset = field
                .inner_shape
                .iter()
                .try_fold(size, |size, &extent| size.checked_mul(usize::try_from(extent).ok()?))
                .and_then(|size| offset.checked_add(size))
                .filter(|&size| size <= isize::MAX as usize)
                .ok_or("the structured dtype is too large")?;
            fields.push(field);
        }
        Ok(Self::Record { fields, size_bytes: offset })
    }

    /// The bytes of one element of the fill value, as decoded chunks hold them: numbers little-endian,
    /// everything else as stored. Variable-length text has its UTF-8.
    ///
    /// v2 `null`, a fill value left out, and those that only mean zero (`0` for text of fixed width)
    /// are zeros, as zarr-python reads them.
    pub fn fill(&self, value: &Value) -> Result<Vec<u8>, String> {
        let wrong = || format!("the fill value {value} does not fit the data type");
        match self {
            Self::Number { dtype, .. } => number_fill(*dtype, value).ok_or_else(wrong),
            Self::VlenText => Ok(text_fill(value).into_bytes()),
            Self::FixedText(FixedText::Utf32 { size_bytes, endian }) => {
                let units = value.as_str().unwrap_or_default().chars().flat_map(|c| match endian {
                    Endian::Little => u32::from(c).to_le_bytes(),
                    Endian::Big => u32::from(c).to_be_bytes(),
                });
                Ok(padded(units.collect(), *size_bytes))
            }
            Self::FixedText(FixedText::Bytes { size_bytes }) => {
                Ok(padded(base64_bytes(value).unwrap_or_default(), *size_bytes))
            }
            Self::Record { size_bytes, .. } => {
                Ok(padded(base64_bytes(value).unwrap_or_default(), *size_bytes))
            }
        }
    }
}

/// zarr-python takes Python's `str` of what is no text.
fn text_fill(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::String(fill) => text.push_str(fill),
        Value::Bool(fill) => push_python_str(DType::Bool, &[u8::from(*fill)], &mut text),
        Value::Number(fill) if fill.is_f64() => {
            let fill = fill.as_f64().unwrap_or_default();
            push_python_str(DType::F64, &fill.to_le_bytes(), &mut text);
        }
        Value::Number(fill) => text = fill.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {}
    }
    text
}

fn subarray(value: &Value) -> Result<Dims, String> {
    let wrong = || format!("{value} is not the shape of a dtype field");
    match value {
        Value::Number(number) => Ok(Dims::from_iter([number.as_u64().ok_or_else(wrong)?])),
        Value::Array(extents) => {
            extents.iter().map(|extent| extent.as_u64().ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

fn padded(mut bytes: Vec<u8>, size_bytes: usize) -> Vec<u8> {
    bytes.resize(size_bytes, 0);
    bytes
}

fn base64_bytes(value: &Value) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(value.as_str()?).ok()
}

fn number_fill(dtype: DType, value: &Value) -> Option<Vec<u8>> {
    if value.is_null() {
        return Some(vec![0; dtype.size_bytes()]);
    }
    let bytes = match dtype {
        DType::Bool => vec![u8::from(value.as_bool().or_else(|| Some(value.as_i64()? != 0))?)],
        DType::I8 => i8::try_from(integer(value)?).ok()?.to_le_bytes().to_vec(),
        DType::I16 => i16::try_from(integer(value)?).ok()?.to_le_bytes().to_vec(),
        DType::I32 => i32::try_from(integer(value)?).ok()?.to_le_bytes().to_vec(),
        DType::I64 => i64::try_from(integer(value)?).ok()?.to_le_bytes().to_vec(),
        DType::U8 => u8::try_from(integer(value)?).ok()?.to_le_bytes().to_vec(),
        DType::U16 => u16::try_from(integer(value)?).ok()?.to_le_bytes().to_vec(),
        DType::U32 => u32::try_from(integer(value)?).ok()?.to_le_bytes().to_vec(),
        DType::U64 => u64::try_from(integer(value)?).ok()?.to_le_bytes().to_vec(),
        DType::F16 | DType::F32 | DType::F64 => float(dtype, value)?,
        DType::C64 | DType::C128 => {
            let part = if dtype == DType::C64 { DType::F32 } else { DType::F64 };
            match value.as_array().map(Vec::as_slice) {
                Some([real, imaginary]) => [float(part, real)?, float(part, imaginary)?].concat(),
                _ => [float(part, value)?, vec![0; part.size_bytes()]].concat(),
            }
        }
    };
    Some(bytes)
}

/// An integer, also when written as `0.0` or as a boolean.
fn integer(value: &Value) -> Option<i128> {
    if let Some(value) = value.as_bool() {
        return Some(i128::from(value));
    }
    value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from))
        .or_else(|| value.as_f64().filter(|value| value.fract() == 0.0).map(|value| value as i128))
}

/// A real number, `"NaN"`, `"Infinity"`, `"-Infinity"`, or the bits in hexadecimal (`"0x7fc00000"`).
fn float(dtype: DType, value: &Value) -> Option<Vec<u8>> {
    if let Some(digits) = value.as_str().and_then(|text| text.strip_prefix("0x")) {
        let bits = u64::from_str_radix(digits, 16).ok()?.to_le_bytes();
        let size = dtype.size_bytes();
        return bits[size..].iter().all(|&byte| byte == 0).then(|| bits[..size].to_vec());
    }
    let number = match value {
        Value::String(text) => match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            other => other.parse().ok()?,
        },
        Value::Bool(value) => f64::from(u8::from(*value)),
        _ => value.as_f64()?,
    };
    Some(match dtype {
        DType::F16 => half::f16::from_f64(number).to_le_bytes().to_vec(),
        DType::F32 => (number as f32).to_le_bytes().to_vec(),
        _ => number.to_le_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(dtype: DType, endian: Endian) -> Element {
        Element::Number { dtype, endian }
    }

    #[test]
    fn type_strings() {
        let cases = [
            (json!("<f4"), number(DType::F32, Endian::Little)),
            (json!(">i8"), number(DType::I64, Endian::Big)),
            (json!("|b1"), number(DType::Bool, Endian::Little)),
            (json!("<c16"), number(DType::C128, Endian::Little)),
            (json!("|O"), Element::VlenText),
            (json!("|S5"), Element::FixedText(FixedText::Bytes { size_bytes: 5 })),
            (
                json!(">U2"),
                Element::FixedText(FixedText::Utf32 { size_bytes: 8, endian: Endian::Big }),
            ),
        ];
        for (text, element) in cases {
            assert_eq!(Element::from_v2(&text), Ok(element), "{text}");
        }
        for text in ["", "<", "f4", "<f", "<f3", "<M8[ns]", "<U99999999999999999999", "|V8"] {
            assert!(Element::from_v2(&json!(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn structured_types_of_both_formats() {
        let v2 = json!([["index", "|S18"], ["X_pca", "<f4", [2]]]);
        let Ok(Element::Record { fields, size_bytes: 26 }) = Element::from_v2(&v2) else {
            panic!()
        };
        assert_eq!((fields[1].offset, fields[1].num_values()), (18, 2));
        let v3 = json!({"name": "struct", "configuration": {"fields": [
            {"name": "a", "data_type": "int32"},
            {"name": "b", "data_type": {"name": "fixed_length_utf32", "configuration": {"length_bytes": 12}}},
        ]}});
        let Ok(Element::Record { fields, size_bytes: 16 }) = Element::from_v3(&v3, Endian::Little)
        else {
            panic!()
        };
        assert_eq!(fields[1].offset, 4);
        assert!(Element::from_v2(&json!([["a", "|O"]])).is_err());
        assert!(Element::from_v2(&json!([["a", "<f8", [1_u64 << 40, 1_u64 << 40]]])).is_err());
    }

    #[test]
    fn fill_values() {
        let fill = |dtype, value| number(dtype, Endian::Big).fill(&value);
        assert_eq!(fill(DType::F32, json!("NaN")).map(|b| b[3] & 0x7f), Ok(0x7f));
        assert_eq!(fill(DType::F32, json!("0x3f800000")), Ok(1_f32.to_le_bytes().to_vec()));
        assert_eq!(fill(DType::I64, json!(-3)), Ok((-3_i64).to_le_bytes().to_vec()));
        assert_eq!(fill(DType::U64, json!(u64::MAX)), Ok(vec![0xff; 8]));
        assert_eq!(fill(DType::U8, json!(null)), Ok(vec![0]));
        assert_eq!(fill(DType::Bool, json!(true)), Ok(vec![1]));
        assert!(fill(DType::U8, json!(300)).is_err());
        assert!(fill(DType::F32, json!("0x3ff0000000000000")).is_err());
        for (value, text) in
            [(json!(0), "0"), (json!(1.5), "1.5"), (json!(true), "True"), (json!(null), "")]
        {
            assert_eq!(Element::VlenText.fill(&value), Ok(text.as_bytes().to_vec()));
        }
    }
}
