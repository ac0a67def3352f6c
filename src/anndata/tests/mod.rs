//! Decoding and encoding on trees built in memory.

mod claims;
mod damage;
mod select;

use std::path::Path;
use std::sync::Arc;

use smallvec::smallvec;

use super::*;
use crate::array::{
    MemoryArray, MemoryText, SharedText, TextBuf, TextSource, read_all, read_all_text,
};
use crate::base::{DType, ReadError};
use crate::tree::{
    ArrayNode, Attr, Attrs, Data, FieldValues, Group, Node, RecordArray, RecordField,
};

fn attrs(pairs: &[(&str, Attr)]) -> Attrs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn word(text: &str) -> Attr {
    Attr::Str(text.to_owned())
}

fn words(list: &[&str]) -> Attr {
    Attr::StrList(list.iter().map(|text| (*text).to_owned()).collect())
}

fn encoded(encoding: &str, version: &str) -> Vec<(&'static str, Attr)> {
    vec![("encoding-type", word(encoding)), ("encoding-version", word(version))]
}

fn group(attributes: &[(&str, Attr)], children: Vec<(&str, Node)>) -> Node {
    let mut group = Group { attrs: attrs(attributes), ..Group::default() };
    for (name, child) in children {
        group.insert(name, child).unwrap();
    }
    Node::Group(group)
}

fn array(attributes: &[(&str, Attr)], data: Data) -> Node {
    Node::Array(ArrayNode { attrs: attrs(attributes), data })
}

fn ints(values: &[i64]) -> Data {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Data::Fixed(MemoryArray::shared(DType::I64, &[values.len() as u64], bytes))
}

fn bytes(dtype: DType, shape: &[u64], values: &[u8]) -> Data {
    Data::Fixed(MemoryArray::shared(dtype, shape, values.to_vec()))
}

fn strings(list: &[&str]) -> Data {
    Data::Text(MemoryText::line(list.iter().copied().collect::<TextBuf>()))
}

fn frame_node(index: &[&str], columns: Vec<(&str, Node)>) -> Node {
    let mut attributes = encoded("dataframe", "0.2.0");
    let order: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    attributes.push(("column-order", words(&order)));
    attributes.push(("_index", word("_index")));
    let mut children = vec![("_index", array(&encoded("string-array", "0.2.0"), strings(index)))];
    children.extend(columns);
    group(&attributes, children)
}

fn root(children: Vec<(&str, Node)>) -> Group {
    match group(&encoded("anndata", "0.1.0"), children) {
        Node::Group(group) => group,
        Node::Array(_) => unreachable!(),
    }
}

fn decoded(root: &Group) -> AnnData {
    decode(root, Path::new("a.h5ad")).unwrap()
}

fn text_of(elem: &Elem) -> Vec<String> {
    let Elem::Text(text) = elem else { panic!("not text: {elem:?}") };
    read_all_text(text.as_ref()).unwrap().iter().map(str::to_owned).collect()
}

/// Attributes, kinds and data of two trees, in order.
fn assert_same_tree(left: &Group, right: &Group) {
    assert_eq!(left.attrs, right.attrs);
    let names = |group: &Group| group.children.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(left), names(right));
    for (left, right) in left.children.values().zip(right.children.values()) {
        match (left, right) {
            (Node::Group(left), Node::Group(right)) => assert_same_tree(left, right),
            (Node::Array(left), Node::Array(right)) => {
                assert_eq!(left.attrs, right.attrs);
                match (&left.data, &right.data) {
                    (Data::Fixed(left), Data::Fixed(right)) => {
                        assert_eq!((left.dtype(), left.shape()), (right.dtype(), right.shape()));
                        let (left, right) = (read_all(left.as_ref()), read_all(right.as_ref()));
                        assert_eq!(left.unwrap(), right.unwrap());
                    }
                    (Data::Text(left), Data::Text(right)) => {
                        assert_eq!(left.shape(), right.shape());
                        let (left, right) =
                            (read_all_text(left.as_ref()), read_all_text(right.as_ref()));
                        assert_eq!(left.unwrap(), right.unwrap());
                    }
                    (Data::Record(left), Data::Record(right)) => assert_eq!(left, right),
                    (Data::Null, Data::Null) => {}
                    (left, right) => panic!("{left:?} against {right:?}"),
                }
            }
            _ => panic!("a group against an array"),
        }
    }
}

/// A file with one element of every encoding, as anndata writes it.
fn every_encoding() -> Group {
    let dense = |data| array(&encoded("array", "0.2.0"), data);
    let sparse = |format: &str, indptr: &[i64], shape: &[i64]| {
        let mut attributes = vec![("shape", Attr::IntList(shape.to_vec()))];
        attributes.extend(encoded(format, "0.1.0"));
        group(
            &attributes,
            vec![
                ("data", array(&[], bytes(DType::U8, &[2], &[7, 8]))),
                ("indices", array(&[], ints(&[0, 1]))),
                ("indptr", array(&[], ints(indptr))),
            ],
        )
    };
    let categorical = {
        let mut attributes = vec![("ordered", Attr::Bool(true))];
        attributes.extend(encoded("categorical", "0.2.0"));
        let codes = dense(bytes(DType::I8, &[3], &[1, 255, 0]));
        let categories = array(&encoded("string-array", "0.2.0"), strings(&["a", "b"]));
        group(&attributes, vec![("codes", codes), ("categories", categories)])
    };
    let nullable = |encoding: &str, values: Node| {
        let mask = dense(bytes(DType::Bool, &[3], &[0, 1, 0]));
        let mut attributes = encoded(encoding, "0.1.0");
        if encoding == "nullable-string-array" {
            attributes.push(("na-value", word("NA")));
        }
        group(&attributes, vec![("values", values), ("mask", mask)])
    };
    let records = Data::Record(Arc::new(RecordArray {
        shape: smallvec![1],
        fields: vec![RecordField {
            name: "f".to_owned(),
            inner_shape: smallvec![],
            values: FieldValues::Text(["x"].into_iter().collect()),
        }],
    }));
    let awkward = {
        let mut attributes = vec![("length", Attr::Int(3)), ("form", word("{}"))];
        attributes.extend(encoded("awkward-array", "0.1.0"));
        group(&attributes, vec![("node0-data", dense(ints(&[1, 2, 3])))])
    };
    let obs = frame_node(
        &["x", "y", "z"],
        vec![
            ("cat", categorical),
            ("int", nullable("nullable-integer", dense(ints(&[1, 0, 3])))),
            ("bool", nullable("nullable-boolean", dense(bytes(DType::Bool, &[3], &[1, 0, 1])))),
            (
                "str",
                nullable(
                    "nullable-string-array",
                    array(&encoded("string-array", "0.2.0"), strings(&["p", "", "q"])),
                ),
            ),
            ("a/b", dense(ints(&[4, 5, 6]))),
        ],
    );
    let dict = |children| group(&encoded("dict", "0.1.0"), children);
    let number = Data::Fixed(MemoryArray::shared(DType::F64, &[], 2.5_f64.to_le_bytes().to_vec()));
    let uns = dict(vec![
        ("scalar", array(&encoded("numeric-scalar", "0.2.0"), number)),
        (
            "text",
            array(
                &encoded("string", "0.2.0"),
                Data::Text(Arc::new(MemoryText::new(&[], TextBuf::from_iter(["t"])))),
            ),
        ),
        ("none", array(&encoded("null", "0.1.0"), Data::Null)),
        ("records", array(&encoded("rec-array", "0.2.0"), records)),
        ("nested", dict(vec![("awkward", awkward)])),
    ]);
    root(vec![
        ("X", sparse("csr_matrix", &[0, 1, 1, 2], &[3, 2])),
        ("raw", {
            let varm = dict(vec![]);
            let var = frame_node(&["g", "h", "i", "j"], vec![]);
            let x = dense(bytes(DType::U8, &[3, 4], &[0; 12]));
            group(&encoded("raw", "0.1.0"), vec![("X", x), ("var", var), ("varm", varm)])
        }),
        ("obs", obs),
        ("var", frame_node(&["g", "h"], vec![])),
        ("obsm", dict(vec![("pca", dense(bytes(DType::U8, &[3, 2], &[1, 2, 3, 4, 5, 6])))])),
        ("varm", dict(vec![])),
        ("obsp", dict(vec![])),
        ("varp", dict(vec![])),
        ("layers", dict(vec![("csc", sparse("csc_matrix", &[0, 1, 2], &[3, 2]))])),
        ("uns", uns),
    ])
}

#[test]
fn what_anndata_writes_comes_back_the_same() {
    let tree = every_encoding();
    let adata = decoded(&tree);
    assert_eq!((adata.n_obs, adata.n_vars), (3, 2));
    assert_eq!(adata.obs.columns.keys().next_back().map(String::as_str), Some("a/b"));
    assert_same_tree(&encode(&adata).unwrap(), &tree);
}

#[test]
fn tables_of_anndata_0_7_find_their_categories() {
    let mut attributes = encoded("dataframe", "0.1.0");
    attributes.push(("column-order", words(&["cat", "zarr"])));
    attributes.push(("_index", word("index")));
    let categories = array(&[("ordered", Attr::Bool(true))], strings(&["a", "b"]));
    let reference = Attr::Reference("/obs/__categories/cat".to_owned());
    let obs = group(
        &attributes,
        vec![
            ("__categories/cat", categories.clone()),
            ("__categories/zarr", categories),
            ("index", array(&[], strings(&["x", "y"]))),
            ("cat", array(&[("categories", reference)], ints(&[1, -1]))),
            ("zarr", array(&[("categories", word("__categories/zarr"))], ints(&[0, 0]))),
        ],
    );
    let adata = decoded(&root(vec![("obs", obs), ("var", frame_node(&[], vec![]))]));
    assert_eq!(adata.obs.index_name.as_deref(), Some("index"));
    for name in ["cat", "zarr"] {
        let Elem::Categorical(column) = &adata.obs.columns[name] else { panic!() };
        assert!(column.ordered);
        assert_eq!(column.codes.dtype(), DType::I8);
        assert_eq!(text_of(&column.categories), ["a", "b"]);
    }
}

/// Text as HDF5 files of anndata before 0.7 hold it.
#[derive(Debug)]
struct FixedAscii(SharedText);

impl TextSource for FixedAscii {
    fn shape(&self) -> &[u64] {
        self.0.shape()
    }
    fn read_range(&self, range: std::ops::Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        self.0.read_range(range, out)
    }
    fn is_fixed_ascii(&self) -> bool {
        true
    }
}

fn fixed_ascii(list: &[&str]) -> Data {
    let text = MemoryText::line(list.iter().copied().collect::<TextBuf>());
    Data::Text(Arc::new(FixedAscii(text)))
}

#[test]
fn files_of_anndata_0_5_become_modern_objects() {
    let text = |name: &str, list: &[&str]| RecordField {
        name: name.to_owned(),
        inner_shape: smallvec![],
        values: FieldValues::Text(list.iter().copied().collect()),
    };
    let fixed = |name: &str, inner: &[u64], values: &[u8]| RecordField {
        name: name.to_owned(),
        inner_shape: inner.into(),
        values: FieldValues::Fixed { dtype: DType::I8, bytes: values.to_vec() },
    };
    let records = |len: u64, fields| {
        array(&[], Data::Record(Arc::new(RecordArray { shape: smallvec![len], fields })))
    };
    let shape = Attr::IntList(vec![2, 2]);
    let graph = group(
        &[("h5sparse_format", word("csr")), ("h5sparse_shape", shape)],
        vec![
            ("data", array(&[], ints(&[1]))),
            ("indices", array(&[], ints(&[1]))),
            ("indptr", array(&[], ints(&[0, 1, 1]))),
        ],
    );
    let uns = group(
        &[],
        vec![
            ("louvain_categories", array(&[], fixed_ascii(&["a", "b"]))),
            ("phase_categories", array(&[], fixed_ascii(&["G1"]))),
            ("score_categories", array(&[], fixed_ascii(&["few"]))),
            ("method", array(&[], fixed_ascii(&["umap"]))),
            ("neighbors", group(&[], vec![("connectivities", graph)])),
        ],
    );
    let fields = vec![
        text("index", &["x", "y"]),
        fixed("louvain", &[], &[1, 255]),
        fixed("phase", &[], &[0, 0]),
        fixed("score", &[], &[9, 9]),
    ];
    let tree = root(vec![
        ("X", array(&[], bytes(DType::U8, &[2], &[1, 2]))),
        ("obs", records(2, fields)),
        ("var", records(1, vec![text("index", &["g"])])),
        ("obsm", records(2, vec![fixed("X_pca", &[3], &[1, 2, 3, 4, 5, 6])])),
        ("raw.X", array(&[], bytes(DType::U8, &[2, 2], &[1, 2, 3, 4]))),
        ("raw.var", records(2, vec![text("index", &["g", "h"])])),
        ("uns", uns),
    ]);
    let adata = decoded(&tree);
    assert!(matches!(&adata.x, Some(Elem::Dense(x)) if x.shape() == [2, 1]));
    assert_eq!(text_of(&adata.obs.index), ["x", "y"]);
    let Elem::Categorical(louvain) = &adata.obs.columns["louvain"] else { panic!() };
    assert_eq!(text_of(&louvain.categories), ["a", "b"]);
    assert_eq!(read_all(louvain.codes.as_ref()).unwrap(), [1, 255]);
    assert!(matches!(&adata.obs.columns["phase"], Elem::Categorical(_)));
    assert!(matches!(&adata.obs.columns["score"], Elem::Dense(_)));
    let keys: Vec<_> = adata.uns.keys().collect();
    assert_eq!(keys, ["score_categories", "method", "neighbors"]);
    assert!(matches!(&adata.uns["method"], Elem::Scalar(Scalar::Text(text)) if text == "umap"));
    assert!(matches!(&adata.obsp["connectivities"], Elem::Sparse(_)));
    assert!(matches!(&adata.obsm["X_pca"], Elem::Dense(pca) if pca.shape() == [2, 3]));
    assert_eq!(adata.raw.map(|raw| raw.var.len), Some(2));
}

#[test]
fn an_index_becomes_strings() {
    let mut attributes = encoded("dataframe", "0.2.0");
    attributes.push(("column-order", words(&[])));
    attributes.push(("_index", word("id")));
    let index = array(&encoded("array", "0.2.0"), ints(&[10, 20]));
    let obs = group(&attributes, vec![("id", index)]);
    let adata = decoded(&root(vec![("obs", obs), ("var", frame_node(&["g"], vec![]))]));
    assert_eq!(text_of(&adata.obs.index), ["10", "20"]);
    assert_eq!(adata.obs.index_name.as_deref(), Some("id"));
}

#[test]
fn scalars_are_pythons_numbers() {
    let scalar = |encoding: &str, data| array(&encoded(encoding, "0.2.0"), data);
    let uns = group(
        &encoded("dict", "0.1.0"),
        vec![
            ("python", scalar("numeric-scalar", bytes(DType::U8, &[], &[3]))),
            ("numpy", scalar("array", bytes(DType::U8, &[], &[3]))),
            ("one", scalar("numeric-scalar", bytes(DType::Bool, &[1], &[1]))),
        ],
    );
    let adata = decoded(&root(vec![("obs", frame_node(&["x"], vec![])), ("uns", uns)]));
    let dtypes: Vec<_> = adata
        .uns
        .values()
        .map(|elem| match elem {
            Elem::Scalar(Scalar::Number { dtype, .. }) => *dtype,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(dtypes, [DType::I64, DType::U8, DType::Bool]);
}

#[test]
fn errors_name_file_and_element() {
    let fails = |children: Vec<(&str, Node)>| {
        decode(&root(children), Path::new("a.h5ad")).unwrap_err().to_string()
    };
    assert_eq!(fails(vec![]), "a.h5ad: this is no AnnData file: it has no `obs`");
    let column = array(&encoded("array", "0.2.0"), ints(&[1]));
    assert_eq!(
        fails(vec![("obs", frame_node(&["x", "y"], vec![("n", column)]))]),
        "a.h5ad: /obs/n: has 1 rows, but its table has 2\n  hint: --drop 'obs/n' leaves it out"
    );
    let unknown = group(&encoded("tensor", "9.0"), vec![]);
    let message =
        fails(vec![("obs", frame_node(&["x"], vec![])), ("uns", group(&[], vec![("t", unknown)]))]);
    assert!(message.starts_with("a.h5ad: /uns/t: unknown encoding \"tensor\""), "{message}");
    let message = fails(vec![
        ("X", array(&encoded("array", "0.2.0"), bytes(DType::U8, &[1, 1], &[0]))),
        ("obs", frame_node(&["x", "y"], vec![])),
    ]);
    assert_eq!(
        message,
        "a.h5ad: /X: has shape 1 × 1, but there are 2 observations and 1 variables\n  \
         hint: --drop 'X' leaves it out"
    );
    assert_eq!(
        drop_hint("/obsm/a\u{1b}[m*"),
        "\n  hint: --drop 'obsm/a?[[]m[*]' leaves it out",
        "what a terminal would obey is any character"
    );
}

#[test]
fn an_index_may_share_its_name_with_an_equal_column_only() {
    let line = |list: &[&str]| MemoryText::line(list.iter().copied().collect::<TextBuf>());
    let frame = |column: &[&str]| Frame {
        len: 1,
        index_name: Some("id".to_owned()),
        index: Box::new(Elem::Text(line(&["x"]))),
        columns: [("id".to_owned(), Elem::Text(line(column)))].into_iter().collect(),
    };
    assert!(super::frame::encode(&frame(&["x"]), "/obs").is_ok());
    let error = super::frame::encode(&frame(&["y"]), "/obs").unwrap_err();
    assert!(matches!(error, EncodeError::IndexNameTaken { .. }));
}
