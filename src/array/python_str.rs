//! How Python writes a number as text: `str(x)` of a numpy scalar.

use half::f16;

use crate::base::DType;

/// Appends `str(x)` of the numpy scalar whose little-endian bytes are `element`.
pub fn push_python_str(dtype: DType, element: &[u8], out: &mut String) {
    macro_rules! integer {
        ($t:ty) => {{
            let mut raw = [0; size_of::<$t>()];
            raw.copy_from_slice(element);
            out.push_str(&<$t>::from_le_bytes(raw).to_string());
        }};
    }
    match dtype {
        DType::Bool => out.push_str(if element[0] != 0 { "True" } else { "False" }),
        DType::I8 => integer!(i8),
        DType::I16 => integer!(i16),
        DType::I32 => integer!(i32),
        DType::I64 => integer!(i64),
        DType::U8 => integer!(u8),
        DType::U16 => integer!(u16),
        DType::U32 => integer!(u32),
        DType::U64 => integer!(u64),
        DType::F16 | DType::F32 | DType::F64 => push_float(dtype, element, out),
        DType::C64 => push_complex(DType::F32, element, out),
        DType::C128 => push_complex(DType::F64, element, out),
    }
}

fn push_complex(part: DType, element: &[u8], out: &mut String) {
    let (real, imaginary) = element.split_at(part.size_bytes());
    let (mut left, mut right) = (String::new(), String::new());
    push_float(part, real, &mut left);
    push_float(part, imaginary, &mut right);
    let sign = if right.starts_with('-') { "" } else { "+" };
    // Python drops a zero real part and trailing ".0" inside complex numbers.
    let trim = |text: &str| text.strip_suffix(".0").unwrap_or(text).to_owned();
    if left == "0.0" {
        out.push_str(&format!("{}j", trim(&right)));
    } else {
        out.push_str(&format!("({}{sign}{}j)", trim(&left), trim(&right)));
    }
}

fn push_float(dtype: DType, element: &[u8], out: &mut String) {
    let mut raw = [0; 8];
    raw[..element.len()].copy_from_slice(element);
    // Rust's `{:e}` gives the shortest digits that read back as the same value, as numpy's repr.
    let (value, shortest) = match dtype {
        DType::F16 => {
            let value = f16::from_le_bytes([raw[0], raw[1]]);
            (value.to_f64(), shortest_f16(value))
        }
        DType::F32 => {
            let value = f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
            (f64::from(value), format!("{value:e}"))
        }
        _ => {
            let value = f64::from_le_bytes(raw);
            (value, format!("{value:e}"))
        }
    };
    if value.is_nan() {
        out.push_str("nan");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "inf" } else { "-inf" });
    } else {
        push_digits(&shortest, out);
    }
}

fn shortest_f16(value: f16) -> String {
    let wide = value.to_f64();
    (0..8)
        .map(|precision| format!("{wide:.precision$e}"))
        .find(|text| text.parse::<f64>().is_ok_and(|parsed| f16::from_f64(parsed) == value))
        .unwrap_or_else(|| format!("{wide:e}"))
}

/// Lays out `d.ddde±x` as Python's `repr`: fixed between 1e-4 and 1e16, scientific outside.
fn push_digits(scientific: &str, out: &mut String) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    out.push_str(sign);
    if (-4..16).contains(&exponent) {
        let point = exponent + 1;
        if point <= 0 {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
            out.push_str(&digits);
        } else {
            let point = point as usize;
            let (whole, part) = digits.split_at(point.min(digits.len()));
            out.push_str(whole);
            out.extend(std::iter::repeat_n('0', point.saturating_sub(digits.len())));
            out.push('.');
            out.push_str(if part.is_empty() { "0" } else { part });
        }
    } else {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() && rest != "0" {
            out.push('.');
            out.push_str(rest);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("e{sign}{:02}", exponent.unsigned_abs()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f64_text(value: f64) -> String {
        let mut out = String::new();
        push_python_str(DType::F64, &value.to_le_bytes(), &mut out);
        out
    }

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e15, "1000000000000000.0"),
            (1e-4, "0.0001"),
            (1e-5, "1e-05"),
            (1.5e-7, "1.5e-07"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
            (-2.5, "-2.5"),
        ];
        for (value, text) in cases {
            assert_eq!(f64_text(value), text);
        }
    }

    #[test]
    fn narrow_floats_use_their_own_shortest_digits() {
        let mut out = String::new();
        push_python_str(DType::F32, &0.1f32.to_le_bytes(), &mut out);
        out.push(' ');
        push_python_str(DType::F16, &f16::from_f32(0.1).to_le_bytes(), &mut out);
        assert_eq!(out, "0.1 0.1");
    }
}
