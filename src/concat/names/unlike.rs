//! Why lists of names that should be the same share few: how they are written, or of what kind they
//! are.
//!
//! Guesses, for a sentence that tells a person where to look; nothing is decided by them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use crate::array::TextBuf;

/// Names that are looked at to tell their kind.
const SAMPLE: usize = 1000;

/// A name without what differs by some way of writing it.
type Fold = fn(&str) -> Cow<'_, str>;

/// Ways in which the same names are written differently, from the slightest on.
const SPELLINGS: [(&str, Fold); 4] = [
    ("spaces around them", |name| name.trim().into()),
    ("upper and lower case", |name| name.to_lowercase().into()),
    ("a version suffix (`.1`)", |name| without_version(name).into()),
    ("spaces, case and version suffixes", |name| {
        without_version(name.trim()).to_lowercase().into()
    }),
];

/// Why two lists share few names, as far as they show it.
pub fn reason(a: &TextBuf, b: &TextBuf) -> Option<String> {
    let spelling = SPELLINGS.iter().find(|(_, fold)| agree_by(a, b, *fold));
    if let Some((what, _)) = spelling {
        return Some(format!("they differ by {what}"));
    }
    let (a, b) = (Kind::of(a), Kind::of(b));
    (a != b).then(|| format!("{a} and {b}"))
}

/// Whether two lists name the same: half of the shorter one is in the other.
pub fn agree(a: &TextBuf, b: &TextBuf) -> bool {
    agree_by(a, b, |name| name.into())
}

fn agree_by(a: &TextBuf, b: &TextBuf, fold: Fold) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let short: HashSet<Cow<'_, str>> = short.iter().map(fold).collect();
    let long: HashSet<Cow<'_, str>> = long.iter().map(fold).collect();
    let shared = short.iter().filter(|name| long.contains(*name)).count();
    shared > 0 && shared * 2 >= short.len()
}

/// `ENSG00000141510.18` without what counts its versions.
fn without_version(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, version))
            if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            stem
        }
        _ => name,
    }
}

/// What names are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// `0`, `1`, `2`, ...: the names of a table that has none.
    Positions,
    /// Numbers of another kind, such as those of NCBI.
    Numbers,
    /// Ensembl's ids, with the letters before their digits.
    Ensembl(String),
    /// Anything else, mostly symbols.
    Symbols,
}

impl Kind {
    /// What most names of a list are.
    fn of(names: &TextBuf) -> Self {
        let sample = || names.iter().take(SAMPLE);
        let most = |is: &dyn Fn(&str) -> bool| {
            let number = sample().filter(|name| is(name)).count();
            number * 2 > sample().count()
        };
        if sample().enumerate().all(|(position, name)| name.parse() == Ok(position)) {
            return Self::Positions;
        }
        if most(&|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            return Self::Numbers;
        }
        let Some(letters) = sample().find_map(ensembl_letters) else { return Self::Symbols };
        match most(&|name| ensembl_letters(name) == Some(letters)) {
            true => Self::Ensembl(letters.to_owned()),
            false => Self::Symbols,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Positions => f.write_str("positions (0, 1, 2, as of a table without names)"),
            Self::Numbers => f.write_str("numbers"),
            Self::Ensembl(letters) => write!(f, "Ensembl ids ({letters}...)"),
            Self::Symbols => f.write_str("symbols"),
        }
    }
}

/// The letters of an Ensembl id (`ENSMUSG` of `ENSMUSG00000059552.1`).
fn ensembl_letters(name: &str) -> Option<&str> {
    let stem = without_version(name);
    let letters = stem.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let is_id = letters.starts_with("ENS")
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && stem.len() >= letters.len() + 6;
    is_id.then_some(letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        let ids = ["ENSG00000141510", "ENSG00000012048"];
        let cases: &[(&[&str], &[&str], Option<&str>)] = &[
            (&["TP53", "BRCA1"], &ids, Some("symbols and Ensembl ids (ENSG...)")),
            (
                &["ENSG00000141510.18", "ENSG00000012048.23"],
                &ids,
                Some("they differ by a version suffix (`.1`)"),
            ),
            (&["TP53", "BRCA1"], &["tp53", "Brca1"], Some("they differ by upper and lower case")),
            (&["TP53", "BRCA1"], &["TP53 ", " BRCA1"], Some("they differ by spaces around them")),
            (
                &["ensg00000141510.2", "ensg00000012048.1 "],
                &ids,
                Some("they differ by spaces, case and version suffixes"),
            ),
            (
                &["0", "1", "2"],
                &["TP53", "BRCA1"],
                Some("positions (0, 1, 2, as of a table without names) and symbols"),
            ),
            (&["7157", "672"], &["TP53"], Some("numbers and symbols")),
            (
                &["ENSMUSG00000059552", "ENSMUSG00000017146"],
                &ids,
                Some("Ensembl ids (ENSMUSG...) and Ensembl ids (ENSG...)"),
            ),
            (&["CD3", "CD4"], &["TP53", "BRCA1"], None),
        ];
        for (a, b, expected) in cases {
            let list = |names: &[&str]| names.iter().copied().collect::<TextBuf>();
            assert_eq!(reason(&list(a), &list(b)).as_deref(), *expected, "{a:?} {b:?}");
        }
    }
}
