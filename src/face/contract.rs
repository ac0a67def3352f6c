//! What holds of every [`Face`], as a check that each face's tests run; and a tree of all kinds of
//! data to run it over.

use std::sync::Arc;

use super::{Entry, EntryId, EntryKind, Face};
use crate::array::{MemoryArray, MemoryText, SharedArray, TextBuf};
use crate::base::{DType, Dims};
use crate::tree::{
    ArrayNode, Attr, Attrs, Data, FieldValues, Group, Node, RecordArray, RecordField,
};

/// Checks the contract, and gives every entry with its path to `visit`.
pub fn check(face: &dyn Face, visit: &mut dyn FnMut(&str, Entry)) {
    let known = face.known_root();
    let root = face.entry(face.root()).unwrap().unwrap();
    assert_eq!((known.id, root.id), (face.root(), face.root()));
    assert!(!face.takes_long(face.root()), "once the root is known, it does not take long");
    let mut seen = vec![root.id];
    if let Some(len) = len(root) {
        check_file(face, "", root.id, len);
    }
    visit("", root);
    walk(face, root.id, "", &mut |path, entry| {
        seen.push(entry.id);
        if let Some(len) = len(entry) {
            check_file(face, path, entry.id, len);
        }
        visit(path, entry);
    });
    seen.sort();
    let all: Vec<EntryId> = (1..=face.num_entries()).map(EntryId).collect();
    assert_eq!(seen, all, "every number is that of one entry");
    for none in [EntryId(0), EntryId(face.num_entries() + 1)] {
        assert_eq!(face.entry(none).unwrap(), None);
        assert_eq!(face.lookup(none, "x").unwrap(), None);
        assert!(face.list(none, 0).is_none());
        assert_eq!(face.read_at(none, 0, &mut [0; 4]).unwrap(), 0);
    }
    for absent in ["", ".", "c/0", "zarr.jso", "X ", "x"] {
        assert_eq!(face.lookup(face.root(), absent).unwrap(), None);
    }
}

/// Gives everything below a directory to `visit`; what is listed is what is looked up.
pub fn walk(face: &dyn Face, dir: EntryId, path: &str, visit: &mut dyn FnMut(&str, Entry)) {
    let Some(list) = face.list(dir, 0) else { return };
    for (n, listed) in list.enumerate() {
        let found = face.lookup(dir, &listed.name).unwrap().unwrap();
        assert_eq!(found.id, listed.entry.id, "{path}/{}", listed.name);
        assert_eq!(Some(found), face.entry(found.id).unwrap());
        assert_eq!(face.list(dir, n as u64).unwrap().next().unwrap().name, listed.name);
        let path = format!("{path}/{}", listed.name);
        visit(&path, found);
        if let EntryKind::Directory { num_subdirectories } = found.kind {
            let subdirectories = face
                .list(found.id, 0)
                .unwrap()
                .filter(|below| matches!(below.entry.kind, EntryKind::Directory { .. }));
            assert_eq!(subdirectories.count() as u64, num_subdirectories, "{path}");
            walk(face, found.id, &path, visit);
        }
    }
}

/// A file's length; nothing for a directory.
pub fn len(entry: Entry) -> Option<u64> {
    match entry.kind {
        EntryKind::Directory { .. } => None,
        EntryKind::File { len_bytes } => Some(len_bytes.unwrap()),
    }
}

/// All of a file.
pub fn read_file(face: &dyn Face, file: EntryId, len: u64) -> Vec<u8> {
    let mut whole = vec![0xAA; len as usize + 3];
    assert_eq!(face.read_at(file, 0, &mut whole).unwrap() as u64, len);
    whole.truncate(len as usize);
    whole
}

/// Any range of a file equals the same slice of the whole.
fn check_file(face: &dyn Face, path: &str, file: EntryId, len: u64) {
    /// Longer files are tried in as many places as shorter ones.
    const PLACES: u64 = 1 << 10;
    assert!(face.list(file, 0).is_none(), "{path} is no directory");
    let whole = read_file(face, file, len);
    let step = (len / PLACES).max(7) as usize;
    for (at, wanted) in
        (0..len + 5).step_by(step).flat_map(|at| [(at, 1), (at, 5), (at, 64), (at, 3000)])
    {
        let mut part = vec![0x55; wanted];
        let got = face.read_at(file, at, &mut part).unwrap();
        let end = (at as usize + wanted).min(whole.len());
        let expected = whole.get(at as usize..end).unwrap_or(&[]);
        assert!(&part[..got] == expected, "{path} at {at}");
        if let Some(decoded) = face.decoded_with(file, at) {
            assert!(decoded.contains(&at) && decoded.end <= len, "{path} at {at}: {decoded:?}");
        }
    }
}

/// An array of an encoding.
pub fn node(data: impl Into<Data>) -> Node {
    let attrs = Attrs::from_iter([("encoding-type".to_owned(), Attr::Str("array".to_owned()))]);
    Node::Array(ArrayNode { attrs, data: data.into() })
}

/// Numbers that differ from their neighbours.
pub fn numbers(dtype: DType, shape: &[u64]) -> SharedArray {
    let len = shape.iter().product::<u64>() as usize * dtype.size_bytes();
    let top = if dtype == DType::Bool { 2 } else { 251 };
    MemoryArray::shared(dtype, shape, (0..len).map(|i| (i % top) as u8).collect::<Vec<u8>>())
}

/// Strings, empty ones among them.
pub fn strings(num: usize) -> TextBuf {
    let mut text = TextBuf::new();
    for i in 0..num {
        text.push(&["", "é", "plain", "\u{1F9EC}x"][i % 4].repeat(i % 3));
    }
    text
}

/// A tree of all kinds of data.
pub fn tree() -> Group {
    let mut root = Group::default();
    root.attrs.insert("encoding-type".to_owned(), Attr::Str("anndata".to_owned()));
    for (i, dtype) in DType::ALL.into_iter().enumerate() {
        let shape: &[u64] = [&[13][..], &[5, 7], &[3, 4, 5], &[]][i % 4];
        root.insert(&format!("layers/{dtype}"), node(numbers(dtype, shape))).unwrap();
    }
    root.insert("X/data", node(numbers(DType::F32, &[1000]))).unwrap();
    root.insert("obs/empty", node(numbers(DType::F32, &[0]))).unwrap();
    root.insert("obs/_index", node(MemoryText::line(strings(57)))).unwrap();
    root.insert("obs/odd ÿ [key]", node(MemoryText::line(strings(1)))).unwrap();
    root.insert("uns/none", node(Data::Null)).unwrap();
    root.insert("uns/word", node(Data::Text(Arc::new(MemoryText::new(&[], strings(1)))))).unwrap();
    root.insert("uns/words", node(Data::Text(Arc::new(MemoryText::new(&[5, 3], strings(15))))))
        .unwrap();
    root.insert("uns/records", node(Data::Record(Arc::new(records())))).unwrap();
    root
}

fn records() -> RecordArray {
    let bytes = [1.5f32, 2.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let mut names = TextBuf::new();
    names.push("a");
    names.push("bé");
    let field = |name: &str, values| RecordField {
        name: name.to_owned(),
        inner_shape: Dims::new(),
        values,
    };
    let fields = vec![
        field("names", FieldValues::Text(names)),
        field("scores", FieldValues::Fixed { dtype: DType::F32, bytes }),
    ];
    RecordArray { shape: smallvec::smallvec![2], fields }
}
