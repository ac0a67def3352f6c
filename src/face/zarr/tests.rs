//! The zarr face: the contract of faces, and that the `zarrs` crate reads back what was put in.

use std::num::NonZeroU64;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use zarrs::array::{Array, ArrayBytes};
use zarrs::filesystem::FilesystemStore;

use super::*;
use crate::array::{ArraySource, SharedArray, read_all};
use crate::base::{DType, ReadError, Region};
use crate::face::contract::{self, len, node, numbers, tree, walk};
use crate::face::{EntryKind, Face};
use crate::tree::{Attr, Data, FieldValues, Group, Node, RecordArray, RecordField};

fn options() -> Vec<ZarrOptions> {
    let small =
        Geometry { rows: NonZeroU64::new(2), elems: NonZeroU64::new(10), shard_bytes: None };
    let sharded = Geometry { shard_bytes: NonZeroU64::new(400), ..small };
    let default = Geometry::default();
    [
        (ZarrFormat::V2, default),
        (ZarrFormat::V3, default),
        (ZarrFormat::V2, small),
        (ZarrFormat::V3, small),
        (ZarrFormat::V3, sharded),
    ]
    .map(|(format, geometry)| ZarrOptions { format, geometry })
    .to_vec()
}

#[test]
fn the_contract_holds() {
    for options in options() {
        contract::check(&ZarrFace::new(&tree(), &options).unwrap(), &mut |_, _| {});
    }
}

fn write_out(face: &ZarrFace, target: &Path) {
    walk(face, face.root(), "", &mut |path, entry| {
        let path = target.join(&path[1..]);
        match len(entry) {
            None => std::fs::create_dir_all(path).unwrap(),
            Some(len) => {
                let mut bytes = vec![0; len as usize];
                face.read_at(entry.id, 0, &mut bytes).unwrap();
                std::fs::write(path, bytes).unwrap();
            }
        }
    });
}

fn check_arrays(store: &Arc<FilesystemStore>, path: &str, group: &Group) {
    for (name, node) in &group.children {
        let path = format!("{path}/{name}");
        match node {
            Node::Group(group) => check_arrays(store, &path, group),
            Node::Array(array) => check_array(store, &path, &array.data),
        }
    }
}

fn check_array(store: &Arc<FilesystemStore>, path: &str, data: &Data) {
    let read = || {
        let array = Array::open(Arc::clone(store), path).unwrap();
        let bytes: ArrayBytes<'_> = array.retrieve_array_subset(&array.subset_all()).unwrap();
        (array.shape().to_vec(), bytes.into_owned())
    };
    match data {
        Data::Fixed(array) => {
            let (shape, bytes) = read();
            assert_eq!(shape, array.shape(), "{path}");
            assert_eq!(bytes.into_fixed().unwrap()[..], read_all(&**array).unwrap()[..], "{path}");
        }
        Data::Text(text) => {
            let (shape, bytes) = read();
            assert_eq!(shape, text.shape(), "{path}");
            let expected = crate::array::read_all_text(&**text).unwrap();
            let (bytes, offsets) = bytes.into_variable().unwrap().into_parts();
            let found: Vec<&[u8]> = offsets.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let expected: Vec<&[u8]> =
                (0..expected.len()).map(|i| expected.get(i).as_bytes()).collect();
            assert_eq!(found, expected, "{path}");
        }
        // zarrs has no structured type; Python's tests read these.
        Data::Record(_) | Data::Null | Data::Unreadable(_) => {}
    }
}

#[test]
fn zarrs_reads_back_what_was_put_in() {
    for options in options() {
        let tree = tree();
        let face = ZarrFace::new(&tree, &options).unwrap();
        let dir = tempfile::tempdir().unwrap();
        write_out(&face, dir.path());
        let store = Arc::new(FilesystemStore::new(dir.path()).unwrap());
        check_arrays(&store, "", &tree);
    }
}

#[test]
fn records_with_vectors_are_left_out_of_both_versions() {
    let field = RecordField {
        name: "pair".to_owned(),
        inner_shape: smallvec::smallvec![2],
        values: FieldValues::Fixed { dtype: DType::U8, bytes: vec![1, 2, 3, 4] },
    };
    let records = RecordArray { shape: smallvec::smallvec![2], fields: vec![field] };
    let mut tree = tree();
    tree.insert("uns/vectors", node(Data::Record(Arc::new(records)))).unwrap();
    for options in options() {
        let mut face = ZarrFace::new(&tree, &options).unwrap();
        let left_out: Vec<String> =
            face.take_left_out().iter().map(|error| error.to_string()).collect();
        assert!(matches!(&left_out[..], [said] if said.contains("uns/vectors")), "{left_out:?}");
    }
}

#[test]
fn text_of_unknown_length_is_not_made_for_a_listing() {
    let face = ZarrFace::new(&tree(), &ZarrOptions::default()).unwrap();
    let mut dir = face.root();
    for name in ["obs", "_index", "c"] {
        dir = face.lookup(dir, name).unwrap().unwrap().id;
    }
    let len = |face: &ZarrFace| match face.list(dir, 0).unwrap().next().unwrap().entry.kind {
        EntryKind::File { len_bytes } => len_bytes,
        EntryKind::Directory { .. } => None,
    };
    assert_eq!(len(&face), None);
    face.lookup(dir, "0").unwrap();
    assert!(len(&face).is_some());
}

#[test]
fn names_that_cannot_be_files_are_left_out_but_of_frames() {
    let mut root = Group::default();
    root.insert("uns/..", node(numbers(DType::I8, &[1]))).unwrap();
    root.insert("uns/kept", node(numbers(DType::I8, &[1]))).unwrap();
    let face = ZarrFace::new(&root, &ZarrOptions::default()).unwrap();
    let [error] = face.left_out() else { panic!("{:?}", face.left_out()) };
    assert!(error.to_string().starts_with("uns: the name \"..\" cannot be"), "{error}");
    let uns = face.lookup(face.root(), "uns").unwrap().unwrap();
    assert!(face.lookup(uns.id, "..").unwrap().is_none());
    assert!(face.lookup(uns.id, "kept").unwrap().is_some());

    let mut frame = Group::default();
    frame.attrs.insert("column-order".to_owned(), Attr::StrList(vec!["..".to_owned()]));
    frame.insert("..", node(numbers(DType::I8, &[1]))).unwrap();
    root.insert("obs", Node::Group(frame)).unwrap();
    assert!(ZarrFace::new(&root, &ZarrOptions::default()).is_err());
}

/// Counts the elements read of an array.
#[derive(Debug)]
struct Metered {
    inner: SharedArray,
    elements: Arc<std::sync::atomic::AtomicU64>,
}

impl crate::array::ArraySource for Metered {
    fn dtype(&self) -> DType {
        self.inner.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.inner.shape()
    }

    fn read_into(&self, region: &crate::base::Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.elements.fetch_add(region.num_elements(), std::sync::atomic::Ordering::Relaxed);
        self.inner.read_into(region, out)
    }
}

#[test]
fn looking_costs_nothing_and_reading_costs_what_is_read() {
    for options in options() {
        let elements = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let read = || elements.swap(0, std::sync::atomic::Ordering::Relaxed);
        let mut root = Group::default();
        for (name, shape) in [("line", &[500][..]), ("table", &[40, 30]), ("block", &[9, 8, 7])] {
            let inner = numbers(DType::F32, shape);
            let metered = Metered { inner, elements: Arc::clone(&elements) };
            root.insert(name, node(Arc::new(metered) as SharedArray)).unwrap();
        }
        let face = ZarrFace::new(&root, &options).unwrap();
        let mut chunks = Vec::new();
        walk(&face, face.root(), "", &mut |path, entry| {
            if let Some(len) = len(entry)
                && !path.ends_with("zarr.json")
                && !path.contains("/.z")
            {
                chunks.push((entry.id, len));
            }
        });
        assert_eq!(read(), 0, "{options:?}");
        for (id, len) in chunks {
            // Twelve bytes touch four elements at most.
            for at in (0..len.saturating_sub(12)).step_by(5) {
                face.read_at(id, at, &mut [0; 12]).unwrap();
                assert!(read() <= 4, "{options:?}");
            }
        }
    }
}

/// An array of which a hundred elements are decoded at once.
#[derive(Debug)]
struct Hundreds(SharedArray);

impl ArraySource for Hundreds {
    fn dtype(&self) -> DType {
        self.0.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.0.shape()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.0.read_into(region, out)
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        let start = element / 100 * 100;
        Some(start..(start + 100).min(self.shape()[0]))
    }
}

#[test]
fn what_is_decoded_together_is_told_in_bytes_of_the_file() {
    let mut root = Group::default();
    let array: SharedArray = Arc::new(Hundreds(numbers(DType::I32, &[730])));
    root.insert("a", node(array)).unwrap();
    for shard_bytes in [None, NonZeroU64::new(256 * 4)] {
        let elems = NonZeroU64::new(if shard_bytes.is_some() { 64 } else { 256 });
        let geometry = Geometry { elems, shard_bytes, rows: None };
        let face = ZarrFace::new(&root, &ZarrOptions { format: ZarrFormat::V3, geometry }).unwrap();
        let mut files = Vec::new();
        walk(&face, face.root(), "", &mut |path, entry| {
            if path.starts_with("/a/c/") {
                files.push(entry.id);
            }
        });
        assert_eq!(files.len(), 3);
        // Elements 256 to 511: those from 200, 300, 400 and 500 on, as far as they are in the file.
        let told = |at| face.decoded_with(files[1], at);
        assert_eq!(told(0), Some(0..44 * 4));
        assert_eq!(told(44 * 4), Some(44 * 4..144 * 4));
        assert_eq!(told(143 * 4 + 3), Some(44 * 4..144 * 4));
        assert_eq!(told(255 * 4), Some(244 * 4..256 * 4));
        // The last file holds the elements from 512 to 729; the rest is padding.
        assert_eq!(face.decoded_with(files[2], 217 * 4), Some(188 * 4..218 * 4));
        assert_eq!(face.decoded_with(files[2], 218 * 4), None);
        assert_eq!(face.decoded_with(face.root(), 0), None);
    }
}
