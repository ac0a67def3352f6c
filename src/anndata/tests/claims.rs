//! Files that claim what they cannot keep: codes without categories, extents without data, names
//! that exclude each other.

use super::*;
use crate::array::Filled;

fn categorical(codes: Data, categories: &[&str]) -> Node {
    let mut attributes = vec![("ordered", Attr::Bool(false))];
    attributes.extend(encoded("categorical", "0.2.0"));
    let categories = array(&encoded("string-array", "0.2.0"), strings(categories));
    let codes = array(&encoded("array", "0.2.0"), codes);
    group(&attributes, vec![("codes", codes), ("categories", categories)])
}

#[test]
fn a_code_without_a_category_is_an_error() {
    let read = |codes: Data| {
        let obs = frame_node(&["x"], vec![("c", categorical(codes, &["a", "b", "c"]))]);
        let adata = decoded(&root(vec![("obs", obs)]));
        let Elem::Categorical(column) = &adata.obs.columns["c"] else { panic!() };
        assert_eq!(column.codes.dtype(), DType::I8);
        read_all(column.codes.as_ref()).map_err(|error| error.to_string())
    };
    assert_eq!(read(ints(&[2])), Ok(vec![2]));
    assert_eq!(read(ints(&[-1])), Ok(vec![255]));
    assert_eq!(read(bytes(DType::I8, &[1], &[255])), Ok(vec![255]));
    for codes in [
        ints(&[256]),
        ints(&[255]),
        ints(&[3]),
        ints(&[-2]),
        bytes(DType::I8, &[1], &[3]),
        bytes(DType::I8, &[1], &[254]),
        bytes(DType::U8, &[1], &[255]),
        bytes(DType::U64, &[1], &[255; 8]),
    ] {
        let error = read(codes).unwrap_err();
        assert!(error.starts_with("a.h5ad: /obs/c: the category code"), "{error}");
        assert!(error.ends_with("expected -1 to 2"), "{error}");
    }
}

#[test]
fn a_nullable_column_may_have_a_second_dimension_of_one() {
    let numbers = array(&encoded("array", "0.2.0"), bytes(DType::U8, &[2, 1], &[1, 0]));
    let mask = array(&encoded("array", "0.2.0"), bytes(DType::Bool, &[2, 1], &[0, 1]));
    let text = Data::Text(Arc::new(MemoryText::new(&[2, 1], TextBuf::from_iter(["a", ""]))));
    let text = array(&encoded("string-array", "0.2.0"), text);
    let nullable = |encoding: &str, values: Node| {
        group(&encoded(encoding, "0.1.0"), vec![("values", values), ("mask", mask.clone())])
    };
    let columns = vec![
        ("n", nullable("nullable-integer", numbers)),
        ("t", nullable("nullable-string-array", text)),
    ];
    let adata = decoded(&root(vec![("obs", frame_node(&["x", "y"], columns))]));
    for column in adata.obs.columns.values() {
        let Elem::Nullable(column) = column else { panic!() };
        assert_eq!(column.mask.shape(), [2]);
        assert_eq!(read_all(column.mask.as_ref()).unwrap(), [0, 1]);
        match column.values.as_ref() {
            Elem::Dense(values) => assert_eq!(values.shape(), [2]),
            values => assert_eq!(text_of(values), ["a", ""]),
        }
    }
}

#[test]
fn names_of_rows_that_no_file_names_are_not_made_before_they_are_asked_for() {
    let x = Data::Fixed(Filled::shared(DType::U8, &[1 << 40, 1], &[0]));
    let tree = root(vec![("X", array(&encoded("array", "0.2.0"), x)), ("obs", group(&[], vec![]))]);
    let adata = decoded(&tree);
    assert_eq!(adata.n_obs, 1 << 40);
    let Elem::Text(names) = adata.obs.index.as_ref() else { panic!() };
    let mut out = TextBuf::new();
    names.read_range((1 << 39)..(1 << 39) + 2, &mut out).unwrap();
    assert_eq!(out.iter().collect::<Vec<_>>(), ["549755813888", "549755813889"]);
    assert!(read_all_text(names.as_ref()).is_err());
}

#[test]
fn what_no_memory_holds_is_an_error() {
    let numbers = Filled::shared(DType::I64, &[1 << 44], &[0; 8]);
    let error = read_all(numbers.as_ref()).unwrap_err().to_string();
    assert!(error.contains("140737488355328 bytes"), "{error}");
    let numbers = Filled::shared(DType::I64, &[1 << 62], &[0; 8]);
    assert!(read_all(numbers.as_ref()).is_err());
}

#[test]
fn names_that_exclude_each_other_are_an_error_that_names_both() {
    let line =
        |list: &[&str]| Elem::Text(MemoryText::line(list.iter().copied().collect::<TextBuf>()));
    let plain = line(&["x"]);
    let codes = MemoryArray::shared(DType::I8, &[1], vec![0]);
    let category = Elem::Categorical(Categorical {
        codes,
        categories: Box::new(line(&["c"])),
        ordered: false,
    });
    let encode = |index_name: Option<&str>, columns: &[(&str, &Elem)]| {
        let frame = Frame {
            len: 1,
            index_name: index_name.map(str::to_owned),
            index: Box::new(line(&["x"])),
            columns: columns
                .iter()
                .map(|(name, column)| ((*name).to_owned(), (*column).clone()))
                .collect(),
        };
        super::frame::encode(&frame, "/obs")
    };
    let clashes = |index_name, columns: &[(&str, &Elem)], first: &str, second: &str| {
        let error = encode(index_name, columns).unwrap_err().to_string();
        let both = format!("/obs: {first:?} and {second:?}");
        assert!(error.starts_with(&both), "{error}");
    };
    clashes(None, &[("score", &plain), ("score/x", &plain)], "score", "score/x");
    clashes(None, &[("score/x", &plain), ("score", &plain)], "score", "score/x");
    clashes(None, &[("score/x", &plain), ("score", &category)], "score", "score/x");
    clashes(None, &[("score", &category), ("score/codes", &plain)], "score", "score/codes");
    clashes(None, &[("a/b/c", &plain), ("d", &plain), ("a/b", &plain)], "a/b", "a/b/c");
    clashes(Some("id"), &[("id/x", &plain)], "id", "id/x");
    clashes(Some("id/x"), &[("id", &plain)], "id", "id/x");
    for columns in [
        &[("score", &category), ("score/x", &plain)][..],
        &[("a/b", &plain), ("a/c", &plain), ("ab", &plain)],
    ] {
        let group = encode(None, columns).unwrap();
        assert!(columns.iter().all(|(name, _)| group.get(name).is_some()));
    }
    let mapping: Mapping =
        [("a", &plain), ("a/b", &plain)].map(|(key, elem)| (key.to_owned(), elem.clone())).into();
    let error = super::element::encode_mapping("dict", &mapping, "/obsm").unwrap_err().to_string();
    assert!(error.starts_with("/obsm: \"a\" and \"a/b\""), "{error}");
}
