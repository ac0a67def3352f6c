//! Against awkward itself: `tests/data/awkward.json` holds arrays drawn at random, and what
//! anndata and awkward (2.14) made of them.

use indexmap::IndexMap;
use serde_json::Value;

use super::*;
use crate::array::{MemoryArray, SharedArray, read_all};
use crate::base::DType;
use crate::base::indexer::MISSING;

fn buffer(name: &str, values: &[Value]) -> SharedArray {
    let dtype = DType::from_name(name).unwrap();
    let mut bytes = Vec::new();
    for value in values {
        let integer = value.as_i64();
        match dtype {
            DType::F32 | DType::C64 => {
                bytes.extend((value.as_f64().unwrap() as f32).to_le_bytes());
            }
            DType::F64 | DType::C128 => bytes.extend(value.as_f64().unwrap().to_le_bytes()),
            DType::Bool => bytes.push(u8::from(value.as_bool().unwrap())),
            // Two's complement: the low bytes of an i64 are the narrower integer.
            dtype => bytes.extend(&integer.unwrap().to_le_bytes()[..dtype.size_bytes()]),
        }
    }
    let len = bytes.len() / dtype.size_bytes();
    MemoryArray::shared(dtype, &[len as u64], bytes)
}

fn awkward(value: &Value) -> Awkward {
    let buffers = value["buffers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let values = entry[2].as_array().unwrap();
            let name = entry[0].as_str().unwrap().to_owned();
            (name, buffer(entry[1].as_str().unwrap(), values))
        })
        .collect();
    let form = value["form"].as_str().unwrap().to_owned();
    Awkward { len: value["len"].as_u64().unwrap(), form, buffers }
}

/// Form and bytes once more packed, so that what awkward leaves open is settled alike.
fn canonical(array: &Awkward) -> (String, IndexMap<String, Vec<u8>>) {
    let packed = write::write(read::read(array).unwrap()).unwrap();
    let bytes = |array: &SharedArray| read_all(array.as_ref()).unwrap();
    let buffers = packed.buffers.iter().map(|(name, array)| (name.clone(), bytes(array)));
    (packed.form.clone(), buffers.collect())
}

#[test]
fn concatenation_reindexing_and_equality_are_awkwards() {
    let cases: Value =
        serde_json::from_str(include_str!("../../../tests/data/awkward.json")).unwrap();
    for (number, case) in cases.as_array().unwrap().iter().enumerate() {
        let parts = case["parts"].as_array().unwrap();
        let arrays: Vec<Option<Awkward>> =
            parts.iter().map(|part| part.get("form").map(|_| awkward(part))).collect();
        let first = || arrays[0].as_ref().unwrap();
        let found = match case["op"].as_str().unwrap() {
            "equal" => {
                let equal = awkward_equal(first(), arrays[1].as_ref().unwrap()).unwrap();
                assert_eq!(Some(equal), case["expected"].as_bool(), "case {number}");
                continue;
            }
            "concat" => {
                let parts: Vec<AwkwardPart<'_>> = arrays
                    .iter()
                    .zip(parts)
                    .map(|(array, part)| match array {
                        Some(array) => AwkwardPart::Present(array),
                        None => AwkwardPart::Missing(part["len"].as_u64().unwrap()),
                    })
                    .collect();
                let fields = if case["join"] == "inner" { Fields::Common } else { Fields::Own };
                concat_awkward(&parts, fields).unwrap().array
            }
            _ => {
                let positions: Vec<u32> = case["pos"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|at| at.as_u64().map_or(MISSING, |at| at as u32))
                    .collect();
                reindex_awkward(first(), &Indexer::new(first().len, positions)).unwrap()
            }
        };
        let expected = awkward(&case["expected"]);
        assert_eq!(found.len, expected.len, "case {number}");
        assert_eq!(canonical(&found), canonical(&expected), "case {number}");
    }
}

#[test]
fn fields_are_lost_only_where_records_are_cut() {
    let records = |fields: &[&str], len: usize| {
        let contents = fields.iter().map(|_| zeros(len)).collect();
        let fields = Some(fields.iter().map(|&field| field.to_owned()).collect());
        Content::plain(layout::Layout::Record { fields, contents, len })
    };
    let lost = |contents: Vec<Content>| fields::select_common(contents).unwrap().1;
    assert_eq!(lost(vec![records(&["x", "y"], 2), records(&["z", "x"], 1)]), ["y", "z"]);
    assert!(lost(vec![records(&["x"], 2), records(&["x"], 0)]).is_empty());
    // Without rows nothing needs to be cut.
    assert!(lost(vec![zeros(2), records(&["x", "y"], 0)]).is_empty());
}

fn zeros(len: usize) -> Content {
    Content::plain(layout::Layout::Numpy { dtype: DType::U8, bytes: vec![0; len] })
}

fn strings(list: &[&str]) -> Awkward {
    let mut offsets = vec![0_i64];
    let mut bytes = Vec::new();
    for text in list {
        bytes.extend(text.bytes());
        offsets.push(bytes.len() as i64);
    }
    let form = r#"{"class": "ListOffsetArray", "offsets": "i64", "content": {"class": "NumpyArray",
        "primitive": "uint8", "inner_shape": [], "parameters": {"__array__": "char"},
        "form_key": "node1"}, "parameters": {"__array__": "string"}, "form_key": "node0"}"#;
    let raw: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    let offsets = MemoryArray::shared(DType::I64, &[offsets.len() as u64], raw);
    let data = MemoryArray::shared(DType::U8, &[bytes.len() as u64], bytes);
    let buffers = [("node0-offsets".to_owned(), offsets), ("node1-data".to_owned(), data)];
    Awkward { len: list.len() as u64, form: form.to_owned(), buffers: buffers.into() }
}

/// `type` as awkward writes it, of what the tests need.
fn type_of(content: &Content) -> String {
    match &content.layout {
        layout::Layout::Numpy { dtype, .. } => dtype.name().to_owned(),
        layout::Layout::List { .. } if content.params.contains_key("__array__") => "string".into(),
        layout::Layout::List { content, .. } => format!("var * {}", type_of(content)),
        layout::Layout::Regular { size, content, .. } => format!("{size} * {}", type_of(content)),
        layout::Layout::Option { content, .. } => format!("option[{}]", type_of(content)),
        layout::Layout::Union { contents, .. } => {
            format!("union[{}]", contents.iter().map(type_of).collect::<Vec<_>>().join(", "))
        }
        layout => panic!("{layout:?}"),
    }
}

fn numbers(form: &str, offsets: &[i64], numbers: &[i64], len: u64) -> Awkward {
    let buffers = [
        ("node0-offsets".to_owned(), line(DType::I64, offsets)),
        ("node1-data".to_owned(), line(DType::I64, numbers)),
    ];
    let content = r#"{"class": "NumpyArray", "primitive": "int64", "inner_shape": [],
        "form_key": "node1"}"#;
    let form = format!(r#"{{{form}, "content": {content}, "form_key": "node0"}}"#);
    Awkward { len, form, buffers: buffers.into() }
}

#[test]
fn missing_values_between_unlike_arrays_change_nothing_about_these() {
    let pairs = numbers(r#""class": "RegularArray", "size": 2"#, &[], &[1, 2, 3, 4], 2);
    let lists = numbers(r#""class": "ListOffsetArray", "offsets": "i64""#, &[0], &[], 0);
    let text = strings(&["ab"]);
    let merged = |parts: &[AwkwardPart<'_>]| {
        read::read(&concat_awkward(parts, Fields::Own).unwrap().array).unwrap()
    };
    let missing = AwkwardPart::Missing;
    let [pairs, lists, text] = [&pairs, &lists, &text].map(AwkwardPart::Present);
    let array = merged(&[pairs, missing(1), text]);
    assert_eq!(type_of(&array), "union[option[2 * int64], option[string]]");
    let layout::Layout::Union { tags, .. } = &array.layout else { panic!("{array:?}") };
    assert_eq!(tags, &[0, 0, 0, 1]);
    // Lists without rows are a type nevertheless, and what awkward finds mergeable stays so.
    let array = merged(&[pairs, missing(2), lists, missing(1), text, missing(0)]);
    assert_eq!(type_of(&array), "union[option[var * int64], option[string]]");
    // With nothing unlike around them, regular lists before missing values lose their size.
    assert_eq!(type_of(&merged(&[pairs, missing(1)])), "option[var * int64]");
    assert_eq!(type_of(&merged(&[missing(1), pairs])), "option[2 * int64]");
    assert_eq!(
        type_of(&merged(&[pairs, text, missing(1)])),
        "union[option[2 * int64], option[string]]"
    );
}

#[test]
fn arrays_of_one_form_are_stacked_lazily() {
    let (left, right) = (strings(&["a", "", "bc"]), strings(&["d"]));
    let parts = [AwkwardPart::Present(&left), AwkwardPart::Present(&right)];
    let stacked = stack::stack(&parts).unwrap().expect("one form");
    assert_eq!(canonical(&stacked), canonical(&strings(&["a", "", "bc", "d"])));
}

#[test]
fn rows_without_a_source_are_missing() {
    let array = strings(&["a", "b"]);
    let taken = reindex_awkward(&array, &Indexer::new(2, vec![1, MISSING])).unwrap();
    let Content { layout: layout::Layout::Option { index, .. }, .. } = read::read(&taken).unwrap()
    else {
        panic!("not an option")
    };
    assert_eq!(index, [0, -1]);
}

#[test]
fn damaged_buffers_are_errors() {
    let good = strings(&["ab", "c"]);
    let line = |numbers: &[i64]| {
        let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        MemoryArray::shared(DType::I64, &[numbers.len() as u64], raw)
    };
    for offsets in
        [&[0_i64, 2][..], &[0, 2, 9], &[0, -1, 3], &[3, 2, 1], &[0, i64::MAX, i64::MAX], &[]]
    {
        let mut bad = good.clone();
        bad.buffers.insert("node0-offsets".to_owned(), line(offsets));
        assert!(awkward_equal(&bad, &good).is_err(), "{offsets:?}");
        // Stacking reads only ends, and may leave the rest to who reads the stack.
        let parts = [AwkwardPart::Present(&bad), AwkwardPart::Present(&good)];
        let _ = concat_awkward(&parts, Fields::Own);
    }
    let mut bad = good.clone();
    bad.buffers.shift_remove("node1-data");
    assert!(awkward_equal(&bad, &good).is_err());
    bad.form = "{}".to_owned();
    assert!(awkward_equal(&bad, &good).is_err());
}

fn line(dtype: DType, numbers: &[i64]) -> SharedArray {
    let bytes: Vec<u8> = numbers
        .iter()
        .flat_map(|number| number.to_le_bytes()[..dtype.size_bytes()].to_vec())
        .collect();
    MemoryArray::shared(dtype, &[numbers.len() as u64], bytes)
}

#[test]
fn masks_of_different_types_are_not_stacked() {
    let masked = |dtype, mask: &[i64]| Awkward {
        len: mask.len() as u64,
        form:
            r#"{"class": "ByteMaskedArray", "mask": "i8", "valid_when": true, "form_key": "node0",
            "content": {"class": "NumpyArray", "primitive": "int64", "inner_shape": [],
            "form_key": "node1"}}"#
                .to_owned(),
        buffers: [
            ("node0-mask".to_owned(), line(dtype, mask)),
            ("node1-data".to_owned(), line(DType::I64, &vec![7; mask.len()])),
        ]
        .into(),
    };
    let (narrow, wide) = (masked(DType::I8, &[1, 0]), masked(DType::I64, &[0, 1, 1]));
    let parts = [AwkwardPart::Present(&narrow), AwkwardPart::Present(&wide)];
    let merged = concat_awkward(&parts, Fields::Own).unwrap().array;
    let expected = masked(DType::I8, &[1, 0, 0, 1, 1]);
    assert_eq!(canonical(&merged), canonical(&expected));
}

#[test]
fn lengths_that_nothing_bears_out_are_errors() {
    const EMPTY: &str = r#"{"class": "RecordArray", "fields": [], "contents": []}"#;
    let regular = format!(
        r#"{{"class": "RegularArray", "size": {}, "form_key": "node0", "content": {EMPTY}}}"#,
        1_u64 << 60
    );
    let numpy = format!(
        r#"{{"class": "NumpyArray", "primitive": "int8", "inner_shape": [{}, 0], "form_key": "node0"}}"#,
        1_u64 << 60
    );
    let indexed = format!(
        r#"{{"class": "IndexedOptionArray", "index": "i64", "form_key": "node1",
            "content": {{"class": "UnmaskedArray", "content": {EMPTY}}}}}"#
    );
    for form in [regular, numpy, indexed] {
        let buffers = [
            ("node0-data".to_owned(), line(DType::I8, &[])),
            ("node1-index".to_owned(), line(DType::I64, &[1 << 60, 0])),
        ];
        let array = Awkward { len: 2, form, buffers: buffers.into() };
        assert!(reindex_awkward(&array, &Indexer::new(2, vec![1, MISSING])).is_err());
    }
}

#[test]
fn more_elements_than_memory_holds_are_an_error() {
    // More than any address space holds.
    let size = 1 << 61;
    let records = layout::Layout::Record { fields: None, contents: Vec::new(), len: size };
    let content = Box::new(Content::plain(records));
    let lists = Content::plain(layout::Layout::Regular { size, len: 1, content });
    let error = lists.carry(&[0, 0]).unwrap_err().to_string();
    assert!(error.contains("bytes of an awkward array have to be in memory"), "{error}");
}
