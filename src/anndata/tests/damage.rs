//! Whatever stands in a tree, decoding answers and never panics.

use super::*;

/// Paths of all nodes below a group.
fn paths(group: &Group, prefix: &str, out: &mut Vec<String>) {
    for (name, node) in &group.children {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if let Node::Group(group) = node {
            paths(group, &path, out);
        }
        out.push(path);
    }
}

fn attrs_mut<'a>(group: &'a mut Group, path: &str) -> Option<&'a mut Attrs> {
    match path.split_once('/') {
        None => match group.children.get_mut(path)? {
            Node::Group(group) => Some(&mut group.attrs),
            Node::Array(array) => Some(&mut array.attrs),
        },
        Some((name, rest)) => match group.children.get_mut(name)? {
            Node::Group(group) => attrs_mut(group, rest),
            Node::Array(_) => None,
        },
    }
}

fn remove(group: &mut Group, path: &str) {
    match path.split_once('/') {
        None => drop(group.children.shift_remove(path)),
        Some((name, rest)) => {
            if let Some(Node::Group(group)) = group.children.get_mut(name) {
                remove(group, rest);
            }
        }
    }
}

/// Puts a node where another may stand.
fn replace(group: &mut Group, path: &str, node: Node) {
    match path.split_once('/') {
        None => drop(group.children.insert(path.to_owned(), node)),
        Some((name, rest)) => {
            if let Some(Node::Group(group)) = group.children.get_mut(name) {
                replace(group, rest, node);
            }
        }
    }
}

/// Decodes, and encodes what came out.
fn survives(tree: &Group) {
    if let Ok(adata) = decode(tree, Path::new("a.h5ad")) {
        let _ = encode(&adata);
    }
}

fn odd_nodes() -> Vec<Node> {
    let record = |bytes: &[u8]| {
        Data::Record(Arc::new(RecordArray {
            shape: smallvec![3],
            fields: vec![RecordField {
                name: "f".to_owned(),
                inner_shape: smallvec![],
                values: FieldValues::Fixed { dtype: DType::I32, bytes: bytes.to_vec() },
            }],
        }))
    };
    let no_fields = Data::Record(Arc::new(RecordArray { shape: smallvec![3], fields: vec![] }));
    let scalar_text = Data::Text(Arc::new(MemoryText::new(&[], TextBuf::from_iter(["t"]))));
    let mut odd: Vec<Node> = [
        Data::Null,
        Data::Unreadable("why".to_owned()),
        ints(&[]),
        ints(&[i64::MAX, i64::MIN, -1, 0]),
        ints(&[9, 9, 9]),
        bytes(DType::F32, &[3, 1], &[0xff; 12]),
        bytes(DType::U8, &[], &[1]),
        bytes(DType::Bool, &[3, 0, 2], &[]),
        bytes(DType::U64, &[1], &[0xff; 8]),
        strings(&["x", "", "\u{e9}"]),
        strings(&[]),
        fixed_ascii(&["x"]),
        scalar_text,
        record(&[0; 12]),
        record(&[0; 5]),
        no_fields,
    ]
    .into_iter()
    .flat_map(|data| {
        let with = |encoding: &str| array(&encoded(encoding, "0.2.0"), data.clone());
        [array(&[], data.clone()), with("array"), with("numeric-scalar"), with("string-array")]
    })
    .collect();
    odd.push(group(&[], vec![]));
    for encoding in
        ["dict", "dataframe", "categorical", "csr_matrix", "nullable-integer", "awkward-array"]
    {
        odd.push(group(&[("encoding-type", word(encoding))], vec![]));
    }
    odd
}

fn odd_attrs() -> Vec<Attr> {
    vec![
        word(""),
        word("dataframe"),
        word("csc_matrix"),
        word("0.1.0"),
        word("/obs/cat"),
        Attr::Reference("/no/such".to_owned()),
        Attr::Bool(false),
        Attr::Int(-1),
        Attr::Int(i64::MAX),
        Attr::Float(f64::NAN),
        words(&[]),
        words(&["a", "a", "cat/codes"]),
        Attr::IntList(vec![]),
        Attr::IntList(vec![i64::MAX, i64::MAX]),
        Attr::IntList(vec![-1, 3, 2]),
        Attr::Json(serde_json::json!([1.5, null])),
        Attr::Json(serde_json::json!({"class": "ListOffsetArray"})),
    ]
}

#[test]
fn a_node_that_is_missing_or_something_else() {
    let tree = every_encoding();
    let mut all = Vec::new();
    paths(&tree, "", &mut all);
    for path in &all {
        let mut damaged = tree.clone();
        remove(&mut damaged, path);
        survives(&damaged);
        for node in odd_nodes() {
            let mut damaged = tree.clone();
            replace(&mut damaged, path, node);
            survives(&damaged);
        }
    }
    for name in ["raw.X", "raw.var", "raw.varm", "extra"] {
        for node in odd_nodes() {
            let mut damaged = tree.clone();
            remove(&mut damaged, "raw");
            replace(&mut damaged, name, node);
            survives(&damaged);
        }
    }
    for key in ["cat_categories", "obs_keys_multicol", "neighbors"] {
        for node in odd_nodes() {
            let mut damaged = tree.clone();
            replace(&mut damaged, &format!("uns/{key}"), node);
            survives(&damaged);
        }
    }
}

#[test]
fn what_cannot_be_read_is_never_taken_for_absent() {
    let tree = every_encoding();
    let mut all = Vec::new();
    paths(&tree, "", &mut all);
    for path in &all {
        let mut damaged = tree.clone();
        replace(&mut damaged, path, array(&[], Data::Unreadable("why".to_owned())));
        if let Ok(adata) = decode(&damaged, Path::new("a.h5ad")) {
            assert!(!adata.uns_unread.is_empty(), "{path}");
        }
    }
}

#[test]
fn an_attribute_that_is_missing_or_something_else() {
    let tree = every_encoding();
    let mut all = Vec::new();
    paths(&tree, "", &mut all);
    for path in &all {
        let mut probe = tree.clone();
        let names: Vec<String> =
            attrs_mut(&mut probe, path).into_iter().flat_map(|a| a.keys().cloned()).collect();
        for name in names.iter().map(String::as_str).chain(["categories", "h5sparse_format"]) {
            let mut damaged = tree.clone();
            if let Some(attrs) = attrs_mut(&mut damaged, path) {
                attrs.shift_remove(name);
            }
            survives(&damaged);
            for value in odd_attrs() {
                let mut damaged = tree.clone();
                if let Some(attrs) = attrs_mut(&mut damaged, path) {
                    attrs.insert(name.to_owned(), value);
                }
                survives(&damaged);
            }
        }
    }
}
