//! The h5ad face: the contract of faces, the bytes that `materialize` writes, and that nothing is
//! read before it has to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::array::{ArraySource, Filled, MemoryText, SharedArray, TextBuf, TextSource};
use crate::base::{DType, Region, Silent};
use crate::face::contract::{self, len, node, numbers, read_file, strings, tree};
use crate::materialize::h5ad::{H5adOptions, write};
use crate::tree::Data;

/// A tree with text of several portions, and strings longer than a collection.
fn with_long_text() -> Group {
    let mut root = tree();
    let mut names = strings(20_011);
    names.push(&"long".repeat(50_000));
    names.push("last");
    root.insert("obs/names", node(MemoryText::line(names))).unwrap();
    let nothing: TextBuf = std::iter::repeat_n("", 9000).collect();
    root.insert("obs/nothing", node(MemoryText::line(nothing))).unwrap();
    root.insert("obsm/grid", node(Data::Text(Arc::new(MemoryText::new(&[700, 3], strings(2100))))))
        .unwrap();
    root.insert("obsm/wide", node(numbers(DType::F64, &[301, 131]))).unwrap();
    root
}

fn file_of(face: &H5adFace) -> Vec<u8> {
    let entry = face.entry(face.root()).unwrap().unwrap();
    read_file(face, entry.id, len(entry).unwrap())
}

#[test]
fn the_contract_holds() {
    for tree in [Group::default(), tree(), with_long_text()] {
        contract::check(&H5adFace::new(tree), &mut |_, _| {});
    }
}

#[test]
fn materialize_writes_the_same_bytes() {
    for tree in [Group::default(), tree(), with_long_text()] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.h5ad");
        write(&tree, &path, &H5adOptions::default(), &Silent).unwrap();
        let written = std::fs::read(&path).unwrap();
        assert!(file_of(&H5adFace::new(tree)) == written);
    }
}

/// Counts what is read of an array or text, and fails at first if it is told to.
#[derive(Debug)]
struct Metered<T> {
    inner: T,
    elements: Arc<AtomicU64>,
    failures: AtomicU64,
}

impl<T> Metered<T> {
    fn new(inner: T, elements: &Arc<AtomicU64>, failures: u64) -> Arc<Self> {
        Arc::new(Self { inner, elements: elements.clone(), failures: failures.into() })
    }

    fn read(&self, elements: u64) -> Result<(), ReadError> {
        self.elements.fetch_add(elements, Ordering::Relaxed);
        let fails = self
            .failures
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if fails.is_ok() { Err(ReadError::Changed { file: "a.h5ad".into() }) } else { Ok(()) }
    }
}

impl ArraySource for Metered<SharedArray> {
    fn dtype(&self) -> DType {
        self.inner.dtype()
    }
    fn shape(&self) -> &[u64] {
        self.inner.shape()
    }
    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.read(region.num_elements())?;
        self.inner.read_into(region, out)
    }
    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        let start = element / 100 * 100;
        Some(start..(start + 100).min(self.inner.shape()[0]))
    }
}

impl TextSource for Metered<MemoryText> {
    fn shape(&self) -> &[u64] {
        self.inner.shape()
    }
    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        self.read(range.end - range.start)?;
        self.inner.read_range(range, out)
    }
}

struct Meters {
    numbers: Arc<AtomicU64>,
    text: Arc<AtomicU64>,
}

fn metered(failures: u64) -> (H5adFace, Meters) {
    let meters = Meters { numbers: Arc::default(), text: Arc::default() };
    let array: SharedArray =
        Metered::new(numbers(DType::F32, &[40_000]), &meters.numbers, 0) as SharedArray;
    let text = Metered::new(MemoryText::new(&[30_000], strings(30_000)), &meters.text, failures);
    let mut root = tree();
    root.insert("X/values", node(array)).unwrap();
    root.insert("obs/names", node(Data::Text(text))).unwrap();
    (H5adFace::new(root), meters)
}

#[test]
fn nothing_is_read_before_the_length_is_asked_for_and_text_once_then() {
    let (face, meters) = metered(0);
    let read = |meter: &AtomicU64| meter.load(Ordering::Relaxed);
    assert_eq!(face.known_root().kind, EntryKind::File { len_bytes: None });
    assert!(face.takes_long(face.root()));
    assert_eq!(face.total_bytes(), 0);
    assert_eq!((read(&meters.numbers), read(&meters.text)), (0, 0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| face.entry(face.root()).unwrap().unwrap());
        }
    });
    assert_eq!((read(&meters.numbers), read(&meters.text)), (0, 30_000));
    let len = len(face.entry(face.root()).unwrap().unwrap()).unwrap();
    assert_eq!(face.known_root().kind, EntryKind::File { len_bytes: Some(len) });
    assert!(!face.takes_long(face.root()));
    assert_eq!(face.total_bytes(), len);
    // What is short and encoded is kept.
    for _ in 0..3 {
        file_of(&face);
    }
    assert_eq!(read(&meters.text), 60_000);
}

#[test]
fn a_failure_is_not_kept() {
    let (face, _) = metered(1);
    let first = face.entry(face.root());
    assert!(matches!(first, Err(ReadError::Changed { .. })), "{first:?}");
    assert!(face.takes_long(face.root()));
    contract::check(&face, &mut |_, _| {});
}

#[test]
fn what_is_decoded_together_is_told_as_bytes_of_the_file() {
    let (face, _) = metered(0);
    file_of(&face);
    let layout = &face.laid_out().unwrap().layout;
    let values = layout.numbers.iter().find(|numbers| numbers.element == "/X/values").unwrap();
    let at = |element: u64| values.offset + 4 * element;
    let decoded = |at| face.decoded_with(face.root(), at);
    assert_eq!(decoded(at(350) + 3), Some(at(300)..at(400)));
    assert_eq!(decoded(at(0)), Some(at(0)..at(100)));
    assert_eq!(decoded(at(40_000)), None);
    assert_eq!(decoded(0), None);
}

#[test]
fn what_hdf5_cannot_hold_is_an_error_that_names_it() {
    let nul: TextBuf = ["a\0b"].into_iter().collect();
    for (name, data) in [
        ("uns/nul", Data::from(MemoryText::line(nul))),
        ("uns/bad", Data::Unreadable("a filter is missing".into())),
    ] {
        let mut root = tree();
        root.insert(name, node(data)).unwrap();
        let error = H5adFace::new(root).entry(FILE).unwrap_err().to_string();
        assert!(error.starts_with(&format!("/{name}: the .h5ad file cannot be made")), "{error}");
    }
}

#[test]
fn more_bytes_than_can_be_counted_are_an_error() {
    let mut root = tree();
    let wide = Filled::shared(DType::F64, &[2, 1 << 60], &[0; 8]);
    root.insert("layers/wide", node(wide)).unwrap();
    let error = H5adFace::new(root).entry(FILE).unwrap_err().to_string();
    assert!(error.starts_with("/layers/wide: the .h5ad file cannot be made"), "{error}");
}
