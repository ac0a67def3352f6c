//! `ak.almost_equal` with its defaults: rtol 1e-5, atol 1e-8, exact dtypes and parameters, regular
//! and ragged lists distinct, NaN unequal to itself.

use super::error::AwkwardError;
use super::layout::{Content, Layout};
use crate::array::cast;
use crate::base::DType;
use crate::base::dtype::Kind;

/// Compares two arrays.
pub(super) fn equal(left: Content, right: Content) -> Result<bool, AwkwardError> {
    let (left, right) = (comparable(left)?, comparable(right)?);
    if left.len() != right.len() || left.params != right.params {
        return Ok(false);
    }
    match (left.layout, right.layout) {
        (
            Layout::Regular { size: a, content: left, .. },
            Layout::Regular { size: b, content: right, .. },
        ) => Ok(a == b && equal(*left, *right)?),
        (
            Layout::List { offsets: a, content: left },
            Layout::List { offsets: b, content: right },
        ) => Ok(a == b && equal(*left, *right)?),
        (Layout::Numpy { dtype: a, bytes: left }, Layout::Numpy { dtype: b, bytes: right }) => {
            Ok(a == b && close(a, &left, &right))
        }
        (
            Layout::Option { index: a, content: left },
            Layout::Option { index: b, content: right },
        ) => {
            let same_gaps = a.iter().zip(&b).all(|(a, b)| (*a < 0) == (*b < 0));
            Ok(same_gaps && equal(left.carry(&present(&a))?, right.carry(&present(&b))?)?)
        }
        (
            Layout::Record { fields: a, contents: left, .. },
            Layout::Record { fields: b, contents: right, .. },
        ) => records_equal(a, left, b, right),
        (
            Layout::Union { tags: a_tags, index: a_index, contents: left },
            Layout::Union { tags: b_tags, index: b_index, contents: right },
        ) => {
            let (a_order, b_order) = (by_appearance(&a_tags), by_appearance(&b_tags));
            if a_order.len() != b_order.len() {
                return Ok(false);
            }
            for (&a, &b) in a_order.iter().zip(&b_order) {
                let same_rows =
                    a_tags.iter().zip(&b_tags).all(|(own_a, own_b)| (*own_a == a) == (*own_b == b));
                if !same_rows {
                    return Ok(false);
                }
                let left = left[a as usize].carry(&rows_of(&a_tags, &a_index, a))?;
                let right = right[b as usize].carry(&rows_of(&b_tags, &b_index, b))?;
                if !equal(left, right)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Layout::Empty, Layout::Empty) => Ok(true),
        _ => Ok(false),
    }
}

/// Categoricals as their values, unions of one used content as that content.
fn comparable(content: Content) -> Result<Content, AwkwardError> {
    match &content.layout {
        Layout::Indexed { index, content } => content.carry(index),
        Layout::Union { tags, index, contents } => match by_appearance(tags).as_slice() {
            &[only] => {
                let mut plain = contents[only as usize].carry(index)?;
                plain.params.extend(content.params.clone());
                Ok(plain)
            }
            _ => Ok(content),
        },
        _ => Ok(content),
    }
}

fn present(index: &[i64]) -> Vec<i64> {
    index.iter().copied().filter(|&at| at >= 0).collect()
}

fn rows_of(tags: &[i8], index: &[i64], tag: i8) -> Vec<i64> {
    tags.iter().zip(index).filter(|(own, _)| **own == tag).map(|(_, at)| *at).collect()
}

fn by_appearance(tags: &[i8]) -> Vec<i8> {
    let mut order = Vec::new();
    for &tag in tags {
        if !order.contains(&tag) {
            order.push(tag);
        }
    }
    order
}

fn records_equal(
    left_fields: Option<Vec<String>>,
    left: Vec<Content>,
    right_fields: Option<Vec<String>>,
    right: Vec<Content>,
) -> Result<bool, AwkwardError> {
    if left.len() != right.len() || left_fields.is_some() != right_fields.is_some() {
        return Ok(false);
    }
    for (at, left) in left.into_iter().enumerate() {
        let target = match (&left_fields, &right_fields) {
            (Some(own), Some(theirs)) => theirs.iter().position(|field| *field == own[at]),
            _ => Some(at),
        };
        let Some(target) = target else { return Ok(false) };
        if !equal(left, right[target].clone())? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The absolute value of a complex number. `f64::hypot` would be the one thing that wants a glibc as new
/// as 2.35.
fn modulus(re: f64, im: f64) -> f64 {
    let larger = re.abs().max(im.abs());
    if larger.is_infinite() {
        return larger;
    }
    if larger == 0.0 {
        // Zero or NaN.
        return re + im;
    }
    larger * ((re / larger).powi(2) + (im / larger).powi(2)).sqrt()
}

/// numpy's `isclose`, all.
fn close(dtype: DType, left: &[u8], right: &[u8]) -> bool {
    const RTOL: f64 = 1e-5;
    const ATOL: f64 = 1e-8;
    let is_complex = dtype.kind() == Kind::Complex;
    let wide = if is_complex { DType::C128 } else { DType::F64 };
    let width = wide.size_bytes();
    let widened = |bytes: &[u8]| {
        let mut out = vec![0; bytes.len() / dtype.size_bytes() * width];
        cast::cast_bytes(dtype, bytes, wide, &mut out);
        out
    };
    let (left, right) = (widened(left), widened(right));
    let number = |bytes: &[u8]| {
        let mut raw = [0; 8];
        raw.copy_from_slice(bytes);
        f64::from_le_bytes(raw)
    };
    left.chunks_exact(width).zip(right.chunks_exact(width)).all(|(a, b)| {
        if is_complex {
            let (a, b) = ((number(&a[..8]), number(&a[8..])), (number(&b[..8]), number(&b[8..])));
            return a == b || modulus(a.0 - b.0, a.1 - b.1) <= ATOL + RTOL * modulus(b.0, b.1);
        }
        let (a, b) = (number(a), number(b));
        a == b || (b.is_finite() && (a - b).abs() <= ATOL + RTOL * b.abs())
    })
}

#[cfg(test)]
mod tests {
    use super::modulus;

    #[test]
    fn a_modulus_is_what_hypot_says() {
        let numbers = [0.0, -3.0, 4.0, 1e-300, 1e300, f64::INFINITY, f64::NAN];
        for (re, im) in numbers.iter().flat_map(|&re| numbers.map(|im| (re, im))) {
            let (is, expected) = (modulus(re, im), re.hypot(im));
            let is_close = (is - expected).abs() <= 1e-15 * expected;
            let are_nan = is.is_nan() && expected.is_nan();
            assert!(is == expected || is_close || are_nan, "{re} {im}: {is}, not {expected}");
        }
    }
}
