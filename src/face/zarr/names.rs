//! Chunk keys and file names.

use crate::base::zarr_documents;
use crate::face::FaceError;

use super::options::ZarrFormat;

/// The longest name that Linux file systems allow.
const MAX_NAME_BYTES: usize = 255;

/// Checks that a node's name can be that of a directory beside the format's own files.
pub fn check(path: &str, name: &str, format: ZarrFormat) -> Result<(), FaceError> {
    let reserved: &[&str] = match format {
        ZarrFormat::V2 => &zarr_documents::V2,
        ZarrFormat::V3 => &zarr_documents::V3,
    };
    let why = if name.is_empty() {
        "it is empty"
    } else if matches!(name, "." | "..") {
        "it stands for a directory itself"
    } else if name.len() > MAX_NAME_BYTES {
        "it is longer than 255 bytes"
    } else if name.contains('\0') {
        "it holds a NUL character"
    } else if name.contains('/') {
        "it holds a slash"
    } else if name.contains('\\') {
        "it holds a backslash, which readers of zarr take for a slash"
    } else if reserved.contains(&name) {
        "zarr uses it for its metadata"
    } else {
        return Ok(());
    };
    Err(FaceError::Name { path: path.to_owned(), name: name.to_owned(), why })
}

/// The number that a part of a chunk key spells, in its only spelling.
pub fn parse_index(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    if !canonical || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The chunk key of zarr v2, `1.0.2`; `0` for a scalar (zarr v2 specification, "Chunks").
pub fn v2_key(index: u64, grid: &[u64]) -> String {
    if grid.is_empty() {
        return "0".to_owned();
    }
    let mut rest = index;
    let mut parts: Vec<String> = Vec::with_capacity(grid.len());
    for &n in grid.iter().rev() {
        parts.push((rest % n).to_string());
        rest /= n;
    }
    parts.reverse();
    parts.join(".")
}

/// The flat index of the chunk that a zarr v2 key names.
pub fn parse_v2_key(key: &str, grid: &[u64]) -> Option<u64> {
    if grid.is_empty() {
        return (key == "0").then_some(0);
    }
    let mut parts = key.split('.');
    let mut index = 0;
    for &n in grid {
        let at = parse_index(parts.next()?).filter(|&at| at < n)?;
        index = index * n + at;
    }
    parts.next().is_none().then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_v2_go_both_ways() {
        let grid = [3, 4, 5];
        for index in 0..60 {
            assert_eq!(parse_v2_key(&v2_key(index, &grid), &grid), Some(index));
        }
        assert_eq!(parse_v2_key(&v2_key(0, &[]), &[]), Some(0));
        for odd in ["", "0", "0.0", "0.0.5", "0.0.0.0", "00.0.0", "+0.0.0", "0..0", "0.0. 0"] {
            assert_eq!(parse_v2_key(odd, &grid), None, "{odd}");
        }
    }

    #[test]
    fn names_that_no_file_can_have() {
        for name in ["", ".", "..", "a\0b", "a/b", "zarr.json", &"x".repeat(256)] {
            assert!(check("uns", name, ZarrFormat::V3).is_err(), "{name}");
        }
        for name in [" ", "é", "...", "c", ".zarray", "a.b"] {
            assert!(check("uns", name, ZarrFormat::V3).is_ok(), "{name}");
        }
    }
}
