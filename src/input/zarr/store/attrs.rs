//! JSON documents: reading them as zarr-python writes them, and their attributes as the tree has
//! them.

use serde_json::{Map, Value};

use crate::tree::{Attr, Attrs};

/// Parses a metadata document, which must be an object.
///
/// Python writes `NaN`, `Infinity` and `-Infinity` in attributes as they stand, which is no JSON;
/// they are read as text then.
pub fn parse(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice(bytes)
        .or_else(|error| serde_json::from_slice(&quote_bare_numbers(bytes)).map_err(|_| error))
        .map_err(|error| error.to_string())
}

fn quote_bare_numbers(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    let (mut at, mut in_text) = (0, false);
    while at < bytes.len() {
        if !in_text {
            let word = [&b"NaN"[..], b"Infinity", b"-Infinity"]
                .into_iter()
                .find(|word| bytes[at..].starts_with(word));
            if let Some(word) = word {
                out.push(b'"');
                out.extend_from_slice(word);
                out.push(b'"');
                at += word.len();
                continue;
            }
        }
        let byte = bytes[at];
        if in_text && byte == b'\\' {
            out.push(byte);
            at += 1;
        } else if byte == b'"' {
            in_text = !in_text;
        }
        out.extend(bytes.get(at));
        at += 1;
    }
    out
}

/// The attributes of a node.
pub fn attrs(attributes: Option<&Value>) -> Attrs {
    let attributes = attributes.and_then(Value::as_object);
    attributes.into_iter().flatten().map(|(name, value)| (name.clone(), attr(value))).collect()
}

fn attr(value: &Value) -> Attr {
    match value {
        Value::String(text) => Attr::Str(text.clone()),
        Value::Bool(value) => Attr::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.is_f64(), number.as_f64()) {
            (Some(value), ..) => Attr::Int(value),
            (None, true, Some(value)) => Attr::Float(value),
            _ => Attr::Json(value.clone()),
        },
        Value::Array(values) => {
            let texts: Option<Vec<String>> =
                values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            let integers = || values.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>();
            match texts {
                Some(texts) => Attr::StrList(texts),
                None => integers().map_or_else(|| Attr::Json(value.clone()), Attr::IntList),
            }
        }
        Value::Null | Value::Object(_) => Attr::Json(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_of_attributes() {
        let value = json!({"s": "x", "b": true, "i": -3, "f": 1.0, "e": [], "t": ["a"], "l": [1, 2],
            "m": [1, "a"], "n": null, "u": u64::MAX});
        let attrs = attrs(Some(&value));
        assert_eq!(attrs["i"], Attr::Int(-3));
        assert_eq!(attrs["f"], Attr::Float(1.0));
        assert_eq!(attrs["e"], Attr::StrList(vec![]));
        assert_eq!(attrs["l"], Attr::IntList(vec![1, 2]));
        assert!(matches!(attrs["m"], Attr::Json(_)));
        assert!(matches!(attrs["u"], Attr::Json(_)));
        assert_eq!(
            attrs.keys().collect::<Vec<_>>(),
            ["s", "b", "i", "f", "e", "t", "l", "m", "n", "u"]
        );
    }

    #[test]
    fn python_writes_numbers_that_json_lacks() {
        let parsed =
            parse(br#"{"a": NaN, "b": [-Infinity, "NaN \" Infinity"], "c": "\\"}"#).unwrap();
        assert_eq!(parsed["b"], json!(["-Infinity", "NaN \" Infinity"]));
        assert_eq!(parsed["a"], json!("NaN"));
        assert!(parse(b"{\"a\": ").is_err());
        assert!(parse(b"[]").is_err());
    }
}
