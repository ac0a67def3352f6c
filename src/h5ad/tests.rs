//! That the library, and our own reader, read what was laid out without the library; and that nothing
//! of a layout depends on when, where or by how many threads it was made.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use hdf5::types::VarLenUnicode;

use super::patch::Patch;
use super::*;
use crate::array::{MemoryText, SharedText, TextBuf, TextSource};
use crate::base::ReadError;
use crate::base::testing::without_threads;
use crate::tree::{ArrayNode, Attr, Attrs, Data, Group, Node};

fn text(shape: &[u64], strings: &[String]) -> SharedText {
    let strings: TextBuf = strings.iter().map(String::as_str).collect();
    Arc::new(MemoryText::new(shape, strings))
}

/// Of all lengths around those that matter, empty ones, and some longer than a collection.
fn odd_strings(num: usize) -> Vec<String> {
    (0..num)
        .map(|i| match i % 1000 {
            0..100 => String::new(),
            100 => "é".repeat(70_000 + i),
            n => "ż".repeat(n % 21) + &"x".repeat(i % 9),
        })
        .collect()
}

fn texts() -> Vec<(String, Vec<u64>, Vec<String>)> {
    let long = |len: usize| vec!["x".repeat(len)];
    let many = |len: usize| [long(len), vec![String::new(); 1499]].concat();
    [
        ("short", vec![3], odd_strings(105)[102..].to_vec()),
        ("odd", vec![20_000], odd_strings(20_000)),
        ("grid", vec![100, 30], odd_strings(3000)),
        ("scalar", vec![], long(100_000)),
        ("empty", vec![9000], vec![String::new(); 9000]),
        ("none", vec![0], vec![]),
        // A collection that is just full, and such that lack less or more than a header's room.
        ("full", vec![1500], many(4096 - 32)),
        ("almost", vec![1500], many(4096 - 40)),
        ("nearly", vec![1500], many(4096 - 48)),
        ("over", vec![1500], many(4096 - 31)),
    ]
    .map(|(name, shape, strings)| (name.to_owned(), shape, strings))
    .to_vec()
}

/// The datasets have so many attributes that their headers go on elsewhere.
fn tree(num_attrs: i64) -> Group {
    let mut root = Group::default();
    for (name, shape, strings) in texts() {
        let attrs: Attrs =
            (0..num_attrs).map(|n| (format!("attribute {n}"), Attr::Int(n))).collect();
        let data = Data::Text(text(&shape, &strings));
        root.insert(&format!("uns/{name}"), Node::Array(ArrayNode { attrs, data })).unwrap();
    }
    root
}

fn lay_out(path: &Path, tree: &Group, threads: usize, max_strings: u64) -> Layout {
    let threads = NonZeroUsize::new(threads).unwrap();
    let bounds = Bounds { threads, max_strings, is_cancelled: &|| false };
    let (layout, file) = Draft::named(path, tree, Vec::new(), &bounds).unwrap().finish().unwrap();
    let (mut references, mut heap) = (Vec::new(), Vec::new());
    for text in &layout.texts {
        for portion in (0..text.num_portions()).rev() {
            text.encode(portion, max_strings, &mut references, &mut heap).unwrap();
            file.write_all_at(&references, text.references_of(portion).start).unwrap();
            file.write_all_at(&heap, text.heap_of(portion).start).unwrap();
        }
    }
    layout
}

/// Text of which only is known that no string is more than so many bytes longer than it is.
#[derive(Debug)]
struct Loose(SharedText, u64);

impl TextSource for Loose {
    fn shape(&self) -> &[u64] {
        self.0.shape()
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        self.0.read_range(range, out)
    }

    fn len_bounds(&self, range: Range<u64>) -> Result<Option<Vec<u64>>, ReadError> {
        let mut out = TextBuf::new();
        self.read_range(range, &mut out)?;
        Ok(Some(out.iter().map(|text| text.len() as u64 + self.1).collect()))
    }
}

#[test]
fn text_that_is_shorter_than_it_may_be_leaves_room() {
    let dir = tempfile::tempdir().unwrap();
    let strings = odd_strings(20_000);
    let of = |more| {
        let mut root = Group::default();
        let text: SharedText = Arc::new(Loose(text(&[20_000], &strings), more));
        let node = ArrayNode { attrs: Attrs::default(), data: Data::Text(text) };
        root.insert("uns/odd", Node::Array(node)).unwrap();
        root
    };
    let path = |more: u64| dir.path().join(format!("{more}.h5ad"));
    let exact = lay_out(&path(0), &of(0), 2, 1000);
    for more in [1, 300, 70_000] {
        let loose = lay_out(&path(more), &of(more), 2, 1000);
        assert!(loose.len_bytes > exact.len_bytes);
        let file = hdf5::File::open(path(more)).unwrap();
        let read = file.dataset("uns/odd").unwrap().read_raw::<VarLenUnicode>().unwrap();
        assert!(read.iter().map(VarLenUnicode::as_str).eq(strings.iter().map(String::as_str)));
    }
}

#[test]
fn text_that_is_laid_out_by_hand_reads_back() {
    for num_attrs in [0, 3, 7, 40] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.h5ad");
        let layout = lay_out(&path, &tree(num_attrs), 2, u64::MAX);
        assert_eq!(layout.len_bytes, std::fs::metadata(&path).unwrap().len());
        let by_hand: Vec<&str> = layout.texts.iter().map(|text| text.element.as_str()).collect();
        let names = ["odd", "grid", "scalar", "empty", "full", "almost", "nearly", "over"];
        assert_eq!(by_hand, names.map(|name| format!("/uns/{name}")));
        let file = hdf5::File::open(&path).unwrap();
        for (name, shape, strings) in texts() {
            let dataset = file.dataset(&format!("uns/{name}")).unwrap();
            let extent: Vec<u64> = dataset.shape().iter().map(|&n| n as u64).collect();
            assert_eq!(extent, shape);
            let read = dataset.read_raw::<VarLenUnicode>().unwrap();
            assert!(read.iter().map(|text| text.as_str()).eq(strings.iter()), "{name}");
            let attrs = dataset.attr_names().unwrap();
            assert_eq!(attrs.len() as i64, num_attrs);
        }
    }
}

#[test]
fn nothing_depends_on_time_place_or_threads() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (name, threads, max_strings) in [("a", 1, u64::MAX), ("b.h5ad", 3, 100)] {
        let path = dir.path().join(name);
        lay_out(&path, &tree(3), threads, max_strings);
        files.push(std::fs::read(path).unwrap());
        // Times in HDF5 are whole seconds.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert!(files[0] == files[1]);
}

#[test]
fn portions_are_found_by_their_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let layout = lay_out(&dir.path().join("out.h5ad"), &tree(0), 2, u64::MAX);
    for text in &layout.texts {
        for portion in 0..text.num_portions() {
            for range in [text.references_of(portion), text.heap_of(portion)] {
                for at in range.clone().take(1).chain(range.rev().take(1)) {
                    assert_eq!(text.portion_at(at), portion, "{} at {at}", text.element);
                }
            }
        }
    }
}

#[test]
fn strings_that_change_are_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let layout = lay_out(&dir.path().join("out.h5ad"), &tree(0), 2, u64::MAX);
    let mut changed = layout.texts[0].clone();
    changed.text.source = text(&[20_000], &vec!["another".to_owned(); 20_000]);
    let error = changed.encode(0, u64::MAX, &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("/uns/odd"), "{error}");
}

#[test]
fn text_is_measured_where_no_thread_can_be_started() {
    let name = "h5ad::tests::text_is_measured_where_no_thread_can_be_started";
    without_threads(name, || {
        let (threads, max_strings) = (NonZeroUsize::new(4).unwrap(), u64::MAX);
        let bounds = Bounds { threads, max_strings, is_cancelled: &|| false };
        let draft = Draft::in_memory(&tree(0), &bounds).unwrap();
        assert_eq!(draft.finish().unwrap().0.texts.len(), 8);
    });
}

#[test]
fn work_stops_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let threads = NonZeroUsize::MIN;
    let bounds = Bounds { threads, max_strings: u64::MAX, is_cancelled: &|| true };
    let begun = Draft::named(&dir.path().join("out"), &tree(0), Vec::new(), &bounds);
    assert!(matches!(begun, Err(LayoutError::Cancelled)));
}

#[test]
fn what_the_library_would_not_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out");
    lay_out(&path, &tree(0), 2, u64::MAX);
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let patch = Patch(&file);
    let end = patch.end().unwrap();
    assert_eq!(end, file.metadata().unwrap().len());
    // The header of the root group has no data.
    assert!(patch.set_place(48, 16, 0).is_err());
    assert!(patch.set_place(end - 4, 16, 0).is_err());
    file.write_all_at(&[7], 30).unwrap();
    assert!(patch.end().is_err() && patch.set_end(end).is_err());
}
