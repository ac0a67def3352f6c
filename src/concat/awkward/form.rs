//! Forms: the JSON that says how buffers make an array (`ak.forms.from_json`).

use serde_json::Value;

use super::error::AwkwardError;
use super::layout::Params;
use crate::base::DType;

/// A node of a form.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    pub(super) key: String,
    pub(super) params: Params,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Empty,
    Numpy {
        dtype: DType,
        inner_shape: Vec<u64>,
    },
    ListOffset(Box<Form>),
    List(Box<Form>),
    Regular {
        size: u64,
        content: Box<Form>,
    },
    /// `fields` is `None` for tuples.
    Record {
        fields: Option<Vec<String>>,
        contents: Vec<Form>,
    },
    Indexed(Box<Form>),
    IndexedOption(Box<Form>),
    ByteMasked {
        valid_when: bool,
        content: Box<Form>,
    },
    BitMasked {
        valid_when: bool,
        lsb_order: bool,
        content: Box<Form>,
    },
    Unmasked(Box<Form>),
    Union(Vec<Form>),
}

/// Parses the text of a form.
pub(super) fn parse(text: &str) -> Result<Form, AwkwardError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| AwkwardError::Form(error.to_string()))?;
    node(&value)
}

fn node(value: &Value) -> Result<Form, AwkwardError> {
    // `"int64"` is short for a one-dimensional NumpyArray.
    if let Value::String(primitive) = value {
        let kind = Kind::Numpy { dtype: dtype(primitive)?, inner_shape: Vec::new() };
        return Ok(Form { key: String::new(), params: Params::new(), kind });
    }
    let class = value.get("class").and_then(Value::as_str).ok_or_else(|| missing("class"))?;
    let child = || -> Result<Box<Form>, AwkwardError> {
        Ok(Box::new(node(value.get("content").ok_or_else(|| missing("content"))?)?))
    };
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).ok_or_else(|| missing(name));
    // Awkward 1 put index types into class names: `ListOffsetArray64`, `UnionArray8_U32`.
    let family = class.find("Array").map_or(class, |at| &class[..at + "Array".len()]);
    let kind = match family {
        "EmptyArray" => Kind::Empty,
        "NumpyArray" => Kind::Numpy {
            dtype: dtype(
                value
                    .get("primitive")
                    .and_then(Value::as_str)
                    .ok_or_else(|| missing("primitive"))?,
            )?,
            inner_shape: value
                .get("inner_shape")
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice)
                .iter()
                .map(|extent| extent.as_u64().ok_or_else(|| missing("inner_shape")))
                .collect::<Result<_, _>>()?,
        },
        "ListOffsetArray" => Kind::ListOffset(child()?),
        "ListArray" => Kind::List(child()?),
        "RegularArray" => Kind::Regular {
            size: value.get("size").and_then(Value::as_u64).ok_or_else(|| missing("size"))?,
            content: child()?,
        },
        "RecordArray" => record(value)?,
        "IndexedArray" => Kind::Indexed(child()?),
        "IndexedOptionArray" => Kind::IndexedOption(child()?),
        "ByteMaskedArray" => {
            Kind::ByteMasked { valid_when: flag("valid_when")?, content: child()? }
        }
        "BitMaskedArray" => Kind::BitMasked {
            valid_when: flag("valid_when")?,
            lsb_order: flag("lsb_order")?,
            content: child()?,
        },
        "UnmaskedArray" => Kind::Unmasked(child()?),
        "UnionArray" => Kind::Union(
            value
                .get("contents")
                .and_then(Value::as_array)
                .ok_or_else(|| missing("contents"))?
                .iter()
                .map(node)
                .collect::<Result<_, _>>()?,
        ),
        _ => return Err(AwkwardError::Form(format!("unknown class {class:?}"))),
    };
    let key = value.get("form_key").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut params = match value.get("parameters") {
        Some(Value::Object(params)) => params.clone(),
        _ => Params::new(),
    };
    // A parameter of null is none (`ak._parameters`).
    params.retain(|_, value| !value.is_null());
    Ok(Form { key, params, kind })
}

fn record(value: &Value) -> Result<Kind, AwkwardError> {
    match value.get("contents") {
        Some(Value::Array(contents)) => {
            let contents: Vec<Form> = contents.iter().map(node).collect::<Result<_, _>>()?;
            let fields: Option<Vec<String>> = match value.get("fields") {
                Some(Value::Array(fields)) => Some(
                    fields
                        .iter()
                        .map(|field| {
                            field.as_str().map(str::to_owned).ok_or_else(|| missing("fields"))
                        })
                        .collect::<Result<_, _>>()?,
                ),
                _ => None,
            };
            if fields.as_ref().is_some_and(|fields| fields.len() != contents.len()) {
                return Err(AwkwardError::Form("a record has fields without contents".to_owned()));
            }
            Ok(Kind::Record { fields, contents })
        }
        // Awkward 1.
        Some(Value::Object(contents)) => Ok(Kind::Record {
            fields: Some(contents.keys().cloned().collect()),
            contents: contents.values().map(node).collect::<Result<_, _>>()?,
        }),
        _ => Err(missing("contents")),
    }
}

fn dtype(primitive: &str) -> Result<DType, AwkwardError> {
    DType::from_name(primitive)
        .ok_or_else(|| AwkwardError::Form(format!("the primitive {primitive:?} is not supported")))
}

fn missing(name: &str) -> AwkwardError {
    AwkwardError::Form(format!("{name:?} is missing or of the wrong kind"))
}
