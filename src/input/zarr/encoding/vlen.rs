//! The form of text chunks: a count, then length and bytes of each (`vlen-utf8`, `vlen-bytes`), and
//! numcodecs' JSON made into it.

use std::ops::Range;

use serde_json::Value;

/// Where the strings of a `vlen` chunk are: a count, then length and bytes of each. `None` when the
/// chunk ends too early.
pub fn vlen_ranges(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let number = |at: usize| -> Option<usize> {
        Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize)
    };
    let count = number(0)?;
    // Each takes at least the four bytes of its length.
    if count > bytes.len() / 4 {
        return None;
    }
    let mut ranges = Vec::with_capacity(count);
    let mut at = 4_usize;
    for _ in 0..count {
        let start: usize = at + 4;
        let end = start.checked_add(number(at)?).filter(|&end| end <= bytes.len())?;
        ranges.push(start..end);
        at = end;
    }
    Some(ranges)
}

/// Rewrites a `json2` chunk as a `vlen` one: a JSON list of the strings, the dtype and the shape.
pub fn json_to_vlen(json: &[u8]) -> Result<Vec<u8>, String> {
    fn collect<'a>(value: &'a Value, strings: &mut Vec<&'a str>) -> Result<(), String> {
        match value {
            Value::String(text) => strings.push(text),
            Value::Array(values) => {
                for value in values {
                    collect(value, strings)?;
                }
            }
            Value::Null => strings.push(""),
            other => return Err(format!("{other} stands where text is expected")),
        }
        Ok(())
    }
    let values: Vec<Value> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let [items @ .., _dtype, _shape] = values.as_slice() else {
        return Err("the list of strings is truncated".to_owned());
    };
    let mut strings = Vec::new();
    for item in items {
        collect(item, &mut strings)?;
    }
    let mut out = Vec::with_capacity(json.len());
    let count = u32::try_from(strings.len()).map_err(|error| error.to_string())?;
    out.extend_from_slice(&count.to_le_bytes());
    for text in strings {
        let len = u32::try_from(text.len()).map_err(|error| error.to_string())?;
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_and_boastful_chunks_are_noticed() {
        let whole = json_to_vlen(br#"["ab", "", "c", "|O", [3]]"#).unwrap();
        let ranges = vlen_ranges(&whole).unwrap();
        assert_eq!(
            ranges.iter().map(|range| &whole[range.clone()]).collect::<Vec<_>>(),
            [&b"ab"[..], b"", b"c"]
        );
        for len in 0..whole.len() {
            assert!(vlen_ranges(&whole[..len]).is_none());
        }
        assert!(vlen_ranges(&[0xff; 64]).is_none());
        assert!(json_to_vlen(b"[1, \"|O\", [1]]").is_err());
    }
}
