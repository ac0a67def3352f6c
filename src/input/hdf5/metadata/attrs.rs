//! The values of attributes from their bytes, whoever read those. Knows no headers and no library.

use serde_json::Value;

use crate::base::DType;
use crate::input::hdf5::elements::swap_in_place;
use crate::tree::Attr;

/// The value of strings over an extent.
pub fn texts(mut texts: Vec<String>, dims: &[u64]) -> Attr {
    if dims.is_empty() { Attr::Str(texts.pop().unwrap_or_default()) } else { Attr::StrList(texts) }
}

/// The value of numbers over an extent, from their bytes as stored.
pub fn numbers(mut bytes: Vec<u8>, dtype: DType, swap_bytes: usize, dims: &[u64]) -> Attr {
    swap_in_place(&mut bytes, swap_bytes);
    let mut numbers = bytes.chunks_exact(dtype.size_bytes()).map(|b| Number::of(dtype, b));
    if dims.is_empty() { scalar(numbers.next_back()) } else { list(numbers.collect()) }
}

fn scalar(number: Option<Number>) -> Attr {
    match number {
        Some(Number::Bool(value)) => Attr::Bool(value),
        Some(Number::Int(value)) => Attr::Int(value),
        Some(Number::Float(value)) => Attr::Float(value),
        Some(other) => Attr::Json(json(&other)),
        None => Attr::Json(Value::Null),
    }
}

fn list(numbers: Vec<Number>) -> Attr {
    let ints: Option<Vec<i64>> = numbers
        .iter()
        .map(|number| if let Number::Int(value) = number { Some(*value) } else { None })
        .collect();
    ints.map_or_else(|| Attr::Json(Value::Array(numbers.iter().map(json).collect())), Attr::IntList)
}

fn json(number: &Number) -> Value {
    match *number {
        Number::Bool(value) => value.into(),
        Number::Int(value) => value.into(),
        Number::Unsigned(value) => value.into(),
        Number::Float(value) => value.into(),
        Number::Complex(re, im) => Value::Array(vec![re.into(), im.into()]),
    }
}

/// A real number or integer from its little-endian bytes.
pub enum Number {
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Complex(f64, f64),
}

impl Number {
    pub fn of(dtype: DType, bytes: &[u8]) -> Self {
        let mut wide = [0_u8; 8];
        let len = bytes.len().min(8);
        wide[..len].copy_from_slice(&bytes[..len]);
        let unsigned = u64::from_le_bytes(wide);
        let shift = 64 - 8 * len as u32;
        match dtype {
            DType::Bool => Self::Bool(unsigned != 0),
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => {
                Self::Int(((unsigned << shift) as i64) >> shift)
            }
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => {
                i64::try_from(unsigned).map_or(Self::Unsigned(unsigned), Self::Int)
            }
            DType::F16 => Self::Float(half::f16::from_bits(unsigned as u16).to_f64()),
            DType::F32 => Self::Float(f64::from(f32::from_bits(unsigned as u32))),
            DType::F64 => Self::Float(f64::from_bits(unsigned)),
            DType::C64 | DType::C128 => {
                let half = if dtype == DType::C64 { DType::F32 } else { DType::F64 };
                let (re, im) = bytes.split_at(bytes.len() / 2);
                match (Self::of(half, re), Self::of(half, im)) {
                    (Self::Float(re), Self::Float(im)) => Self::Complex(re, im),
                    _ => Self::Float(f64::NAN),
                }
            }
        }
    }
}
