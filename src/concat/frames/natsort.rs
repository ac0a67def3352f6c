//! `natsort.natsorted` with its default key, for the categories of merged columns.
//!
//! The key of a text alternates text and unsigned integers, beginning with text; texts compare by
//! code point after canonical decomposition. Ties keep their order.

use std::borrow::Cow;
use std::cmp::Ordering;

use rayon::prelude::*;
use unicode_normalization::UnicodeNormalization;

/// What one value sorts by.
#[derive(Debug)]
pub(super) enum Key<'a> {
    /// ASCII text, compared where it stands.
    Ascii(&'a [u8]),
    /// Anything else, taken apart.
    Pieces(Vec<Piece>),
}

/// One element of a key.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    Text(String),
    /// Decimal digits without leading zeros: integers of any length compare by length, then digits.
    Number(Vec<u8>),
    /// A value that is a number itself.
    Real(f64),
}

impl<'a> Key<'a> {
    /// The key of a text.
    pub fn of_text(text: &'a str) -> Self {
        if text.is_ascii() { Self::Ascii(text.as_bytes()) } else { Self::Pieces(pieces(text)) }
    }

    /// The key of a number.
    pub fn of_number(number: f64) -> Self {
        Self::Pieces(vec![Piece::Text(String::new()), Piece::Real(number)])
    }

    fn pieces(&self) -> Cow<'_, [Piece]> {
        match self {
            Self::Ascii(text) => Cow::Owned(str::from_utf8(text).map(pieces).unwrap_or_default()),
            Self::Pieces(pieces) => Cow::Borrowed(pieces),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let (a, b) = match (self, other) {
            (Self::Ascii(a), Self::Ascii(b)) => return compare_ascii(a, b),
            _ => (self.pieces(), other.pieces()),
        };
        a.iter()
            .zip(b.iter())
            .map(|(a, b)| a.compare(b))
            .find(|ordering| ordering.is_ne())
            .unwrap_or_else(|| a.len().cmp(&b.len()))
    }
}

/// Walks two texts piece by piece: a run of text (empty where a number comes first), a run of
/// digits, and so on. The one that ends first is less.
fn compare_ascii(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        if a.is_empty() || b.is_empty() {
            return a.len().cmp(&b.len());
        }
        let (text_a, text_b) = (split_run(&mut a, Run::Text), split_run(&mut b, Run::Text));
        let ordering = text_a.cmp(text_b);
        if ordering.is_ne() {
            return ordering;
        }
        let (number_a, number_b) = (split_run(&mut a, Run::Digits), split_run(&mut b, Run::Digits));
        if number_a.is_empty() || number_b.is_empty() {
            return number_a.len().cmp(&number_b.len());
        }
        let (digits_a, digits_b) = (significant(number_a), significant(number_b));
        let ordering = digits_a.len().cmp(&digits_b.len()).then_with(|| digits_a.cmp(digits_b));
        if ordering.is_ne() {
            return ordering;
        }
    }
}

/// What a run is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Run {
    Digits,
    Text,
}

/// Takes the leading run of digits, or of anything else, off a text.
fn split_run<'a>(text: &mut &'a [u8], run: Run) -> &'a [u8] {
    let belongs = |byte: &u8| byte.is_ascii_digit() == (run == Run::Digits);
    let end = text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len());
    let (run, rest) = text.split_at(end);
    *text = rest;
    run
}

fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    &digits[zeros..]
}

impl Piece {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            // Keys alternate, so that texts and numbers meet their own only.
            (Self::Text(_), _) => Ordering::Greater,
            (_, Self::Text(_)) => Ordering::Less,
            (a, b) => a.value().total_cmp(&b.value()),
        }
    }

    fn value(&self) -> f64 {
        match self {
            Self::Text(_) => 0.0,
            Self::Real(value) => *value,
            Self::Number(digits) => {
                digits.iter().fold(0.0, |value, &digit| value * 10.0 + f64::from(digit))
            }
        }
    }
}

/// The order of natural sorting: a permutation, stable.
pub(super) fn order<'a>(keys: impl IntoIterator<Item = Key<'a>>) -> Vec<usize> {
    let keys: Vec<Key<'a>> = keys.into_iter().collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.par_sort_by(|&a, &b| keys[a].compare(&keys[b]));
    order
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut in_number = false;
    for character in text.nfd() {
        let Some((digit, joins)) = digit_of(character) else {
            match pieces.last_mut() {
                Some(Piece::Text(text)) => text.push(character),
                _ => pieces.push(Piece::Text(character.to_string())),
            }
            in_number = false;
            continue;
        };
        match pieces.last_mut() {
            Some(Piece::Number(digits)) if in_number && joins => digits.push(digit),
            last => {
                // Numbers are kept apart by an empty text, also at the beginning.
                if !matches!(last, Some(Piece::Text(_))) {
                    pieces.push(Piece::Text(String::new()));
                }
                pieces.push(Piece::Number(vec![digit]));
            }
        }
        in_number = joins;
    }
    for piece in &mut pieces {
        if let Piece::Number(digits) = piece {
            let zeros = digits.iter().take_while(|&&digit| digit == 0).count();
            digits.drain(..zeros);
        }
    }
    pieces
}

/// The value of a digit, and whether it joins others into one number (Unicode decimals do; super-
/// and subscripts and circled digits stand alone).
fn digit_of(character: char) -> Option<(u8, bool)> {
    let code = u32::from(character);
    if character.is_ascii_digit() {
        return Some(((code - 0x30) as u8, true));
    }
    if code < 0xb2 {
        return None;
    }
    let block = DECIMALS.partition_point(|&zero| zero <= code);
    if block > 0 && code - DECIMALS[block - 1] < 10 {
        return Some(((code - DECIMALS[block - 1]) as u8, true));
    }
    let run = DIGITS.partition_point(|&(first, _, _)| first <= code);
    let &(first, last, value) = DIGITS.get(run.checked_sub(1)?)?;
    (code <= last).then(|| ((u32::from(value) + code - first) as u8, false))
}

/// Where each run of ten decimal digits begins (Unicode category Nd), past ASCII.
const DECIMALS: &[u32] = &[
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6,
    0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// Runs of digits that are no decimals: first, last, value of the first.
const DIGITS: &[(u32, u32, u8)] = &[
    (0xb2, 0xb3, 2),
    (0xb9, 0xb9, 1),
    (0x1369, 0x1371, 1),
    (0x19da, 0x19da, 1),
    (0x2070, 0x2070, 0),
    (0x2074, 0x2079, 4),
    (0x2080, 0x2089, 0),
    (0x2460, 0x2468, 1),
    (0x2474, 0x247c, 1),
    (0x2488, 0x2490, 1),
    (0x24ea, 0x24ea, 0),
    (0x24f5, 0x24fd, 1),
    (0x24ff, 0x24ff, 0),
    (0x2776, 0x277e, 1),
    (0x2780, 0x2788, 1),
    (0x278a, 0x2792, 1),
    (0x10a40, 0x10a43, 1),
    (0x10e60, 0x10e68, 1),
    (0x11052, 0x1105a, 1),
    (0x1f100, 0x1f100, 0),
    (0x1f101, 0x1f10a, 0),
];

#[cfg(test)]
mod tests {
    use super::{Key, order};

    fn sorted<'a>(texts: &[&'a str]) -> Vec<&'a str> {
        order(texts.iter().copied().map(Key::of_text)).into_iter().map(|at| texts[at]).collect()
    }

    #[test]
    fn numbers_sort_by_value() {
        assert_eq!(
            sorted(&["a10", "a2", "a1", "b", "10", "9"]),
            ["9", "10", "a1", "a2", "a10", "b"]
        );
        assert_eq!(sorted(&["1.10", "1.9", "-2", "-1"]), ["1.9", "1.10", "-1", "-2"]);
        assert_eq!(sorted(&["x99999999999999999999999", "x2"]), ["x2", "x99999999999999999999999"]);
    }

    #[test]
    fn ties_keep_their_order() {
        assert_eq!(sorted(&["a01", "a1", "a001"]), ["a01", "a1", "a001"]);
        assert_eq!(sorted(&["a1", "a01"]), ["a1", "a01"]);
    }

    #[test]
    fn text_sorts_by_code_point_after_decomposition() {
        assert_eq!(sorted(&["b", "B", "é", "e", "z", ""]), ["", "B", "b", "e", "é", "z"]);
    }

    #[test]
    fn digits_of_other_scripts_count() {
        assert_eq!(sorted(&["x١٠", "x٩", "x²", "x1"]), ["x1", "x²", "x٩", "x١٠"]);
    }
}
