use std::path::PathBuf;
use std::sync::Arc;

use hdf5::File;
use hdf5::types::{TypeDescriptor, VarLenUnicode};

use super::*;
use crate::array::{
    ArraySource, ChunkFilter, Filled, MemoryArray, MemoryText, SharedArray, StoredChunk, TextBuf,
};
use crate::base::{DType, ReadError, Region, Silent};
use crate::materialize::codec::Zlib;
use crate::tree::{ArrayNode, Attr, Attrs, Data, FieldValues, Node, RecordArray, RecordField};

fn attrs(pairs: &[(&str, Attr)]) -> Attrs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn encoding(kind: &str) -> Attrs {
    attrs(&[
        ("encoding-type", Attr::Str(kind.into())),
        ("encoding-version", Attr::Str("0.1.0".into())),
    ])
}

fn array(data: impl Into<Data>) -> Node {
    Node::Array(ArrayNode { attrs: encoding("array"), data: data.into() })
}

fn floats(shape: &[u64]) -> SharedArray {
    let len: u64 = shape.iter().product();
    let bytes: Vec<u8> = (0..len).flat_map(|i| ((i % 37) as f32 * 0.731).to_le_bytes()).collect();
    MemoryArray::shared(DType::F32, shape, bytes)
}

fn ints(shape: &[u64]) -> SharedArray {
    let len: u64 = shape.iter().product();
    let bytes: Vec<u8> = (0..len).flat_map(|i| (i as i32 * 3 % 20_011).to_le_bytes()).collect();
    MemoryArray::shared(DType::I32, shape, bytes)
}

fn sample() -> Group {
    let mut root = Group { attrs: encoding("anndata"), ..Group::default() };
    root.insert("X/data", array(floats(&[300_001]))).unwrap();
    root.insert("X/indices", array(ints(&[300_001]))).unwrap();
    root.insert("layers/dense", array(floats(&[1001, 130]))).unwrap();
    root.insert("layers/wide", array(ints(&[3, 200_000]))).unwrap();
    root.insert("obsm/cube", array(floats(&[50, 7, 11]))).unwrap();
    root.insert("obsm/none", array(floats(&[50, 0]))).unwrap();
    root.insert("uns/flags", array(MemoryArray::shared(DType::Bool, &[3], vec![1, 0, 1]))).unwrap();
    root.insert("uns/scalar", array(floats(&[]))).unwrap();
    root.insert("uns/half", array(MemoryArray::shared(DType::F16, &[1], vec![0, 0x3c]))).unwrap();
    let complex: Vec<u8> = [1.5_f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    root.insert("uns/complex", array(MemoryArray::shared(DType::C128, &[1], complex))).unwrap();
    let words: TextBuf = ["a", "", "żółw", "d", "e", "f"].into_iter().collect();
    root.insert("uns/words", array(MemoryText::line(words.clone()))).unwrap();
    let grid: crate::array::SharedText = Arc::new(MemoryText::new(&[2, 3], words));
    root.insert("uns/grid", array(grid)).unwrap();
    let one: crate::array::SharedText =
        Arc::new(MemoryText::new(&[], ["one"].into_iter().collect::<TextBuf>()));
    root.insert("uns/one", array(one)).unwrap();
    let many: Vec<String> = (0..40_000).map(|i| format!("cell{i}")).collect();
    let many: TextBuf = many.iter().map(String::as_str).collect();
    root.insert("obs/_index", array(MemoryText::line(many))).unwrap();
    root.insert("uns/null", array(Data::Null)).unwrap();
    let records = RecordArray {
        shape: smallvec::smallvec![2],
        fields: vec![
            RecordField {
                name: "id".into(),
                inner_shape: smallvec::smallvec![],
                values: FieldValues::Fixed { dtype: DType::U8, bytes: vec![7, 8] },
            },
            RecordField {
                name: "gene".into(),
                inner_shape: smallvec::smallvec![],
                values: FieldValues::Text(["CD3E", "MS4A1"].into_iter().collect()),
            },
            RecordField {
                name: "pair".into(),
                inner_shape: smallvec::smallvec![2],
                values: FieldValues::Fixed {
                    dtype: DType::I16,
                    bytes: vec![1, 0, 2, 0, 3, 0, 4, 0],
                },
            },
        ],
    };
    root.insert("uns/records", array(Data::Record(Arc::new(records)))).unwrap();
    if let Some(Node::Group(obs)) = root.children.get_mut("obs") {
        obs.attrs = attrs(&[
            ("column-order", Attr::StrList(vec![])),
            ("wide", Attr::StrList((0..6000).map(|i| format!("column{i}")).collect())),
            ("shape", Attr::IntList(vec![3, 4])),
            ("ordered", Attr::Bool(true)),
            ("n", Attr::Int(-3)),
            ("x", Attr::Float(0.5)),
        ]);
    }
    root
}

struct Scratch {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn scratch() -> Scratch {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.h5ad");
    Scratch { _dir: dir, path }
}

/// Every numeric array read back through the library equals its source.
fn assert_numbers(tree: &Group, file: &File) {
    for (path, array) in numeric_arrays(tree) {
        let dataset = file.dataset(&path).unwrap();
        let shape: Vec<u64> = dataset.shape().iter().map(|&extent| extent as u64).collect();
        assert_eq!(shape, array.shape(), "{path}");
        let whole = crate::array::read_all(array.as_ref()).unwrap();
        let read: Vec<u8> = match array.dtype() {
            DType::F32 => {
                dataset.read_raw::<f32>().unwrap().iter().flat_map(|x| x.to_le_bytes()).collect()
            }
            DType::I32 => {
                dataset.read_raw::<i32>().unwrap().iter().flat_map(|x| x.to_le_bytes()).collect()
            }
            DType::Bool => dataset.read_raw::<bool>().unwrap().iter().map(|&x| x.into()).collect(),
            _ => continue,
        };
        assert!(read == whole, "{path}");
    }
}

#[test]
fn everything_reads_back() {
    let tree = sample();
    for compression in [
        Compression::None,
        Compression::Gzip { level: 4 },
        Compression::Gzip { level: 0 },
        Compression::Lzf,
    ] {
        let out = scratch();
        let options = H5adOptions { compression, ..H5adOptions::default() };
        write(&tree, &out.path, &options, &Silent).unwrap();
        let file = File::open(&out.path).unwrap();
        assert_numbers(&tree, &file);
        let strings = |path: &str| -> Vec<String> {
            let strings = file.dataset(path).unwrap().read_raw::<VarLenUnicode>().unwrap();
            strings.iter().map(|text| text.as_str().to_owned()).collect()
        };
        assert_eq!(strings("uns/grid"), ["a", "", "żółw", "d", "e", "f"]);
        assert_eq!(file.dataset("uns/grid").unwrap().shape(), [2, 3]);
        assert_eq!(strings("uns/one"), ["one"]);
        assert_eq!(strings("obs/_index")[39_999], "cell39999");
        assert!(file.dataset("uns/null").unwrap().space().unwrap().is_null());
        for name in ["layers", "obsm", "varm", "obsp", "varp", "uns"] {
            assert!(file.group(name).is_ok());
        }
        let obs = file.group("obs").unwrap();
        assert_eq!(obs.attr("shape").unwrap().read_raw::<i64>().unwrap(), [3, 4]);
        assert!(obs.attr("ordered").unwrap().read_scalar::<bool>().unwrap());
        assert_eq!(obs.attr("column-order").unwrap().shape(), [0]);
        let wide = obs.attr("wide").unwrap().read_raw::<VarLenUnicode>().unwrap();
        assert_eq!(wide[5999].as_str(), "column5999");
        let records = file.dataset("uns/records").unwrap().dtype().unwrap();
        let TypeDescriptor::Compound(records) = records.to_descriptor().unwrap() else {
            panic!("not a compound");
        };
        assert_eq!(records.fields[1].ty, TypeDescriptor::VarLenUnicode);
        assert_eq!(file.dataset("X/data").unwrap().is_chunked(), compression != Compression::None);
    }
}

#[test]
fn tight_limits_change_nothing() {
    let tree = sample();
    for (compression, elems) in [
        (Compression::None, 1000),
        (Compression::Gzip { level: 1 }, 3000),
        (Compression::Lzf, 100_000),
    ] {
        let out = scratch();
        let limits = Limits { memory_bytes: 1, max_loaded_elems: Some(elems), ..Limits::default() };
        let options = H5adOptions { compression, limits, ..H5adOptions::default() };
        write(&tree, &out.path, &options, &Silent).unwrap();
        assert_numbers(&tree, &File::open(&out.path).unwrap());
    }
}

/// A source that is stored in deflated chunks, and tells how often one was asked for as it is.
#[derive(Debug)]
struct Deflated {
    whole: SharedArray,
    grain: [u64; 1],
    copies: std::sync::atomic::AtomicU64,
}

impl ArraySource for Deflated {
    fn dtype(&self) -> DType {
        self.whole.dtype()
    }
    fn shape(&self) -> &[u64] {
        self.whole.shape()
    }
    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.whole.read_into(region, out)
    }
    fn grain(&self) -> Option<&[u64]> {
        Some(&self.grain)
    }
    fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        // The second half of the chunks has to be encoded anew.
        if !region.start()[0].is_multiple_of(self.grain[0]) || region.start()[0] > 150_000 {
            return Ok(None);
        }
        self.copies.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let raw = crate::array::read_vec(self.whole.as_ref(), region)?;
        let mut bytes = Vec::new();
        Zlib::new(4).compress(&raw, &mut bytes);
        Ok(Some(StoredChunk { filters: vec![ChunkFilter::Deflate], bytes }))
    }
}

#[test]
fn stored_chunks_pass_through() {
    let out = scratch();
    let source = Arc::new(Deflated {
        whole: ints(&[300_001]),
        grain: [24_000],
        copies: std::sync::atomic::AtomicU64::new(0),
    });
    let mut tree = Group::default();
    tree.insert("X/indices", array(source.clone() as SharedArray)).unwrap();
    let options =
        H5adOptions { compression: Compression::Gzip { level: 1 }, ..H5adOptions::default() };
    write(&tree, &out.path, &options, &Silent).unwrap();
    let file = File::open(&out.path).unwrap();
    assert_numbers(&tree, &file);
    assert_eq!(file.dataset("X/indices").unwrap().chunk().unwrap(), [24_000]);
    // One to look, seven to copy.
    assert_eq!(source.copies.load(std::sync::atomic::Ordering::Relaxed), 8);
}

/// A source that fails, or asks to stop, once it is some way in.
#[derive(Debug)]
struct Failing(SharedArray, Option<Cancel>);

impl ArraySource for Failing {
    fn dtype(&self) -> DType {
        self.0.dtype()
    }
    fn shape(&self) -> &[u64] {
        self.0.shape()
    }
    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        if region.start()[0] > 100_000 {
            match &self.1 {
                Some(cancel) => cancel.cancel(),
                None => {
                    return Err(ReadError::corrupt("in.h5ad", "/X/data", "a chunk is cut short"));
                }
            }
        }
        self.0.read_into(region, out)
    }
}

#[test]
fn a_failure_leaves_nothing_behind() {
    for compression in [Compression::None, Compression::Gzip { level: 1 }] {
        for cancel in [None, Some(Cancel::default())] {
            let out = scratch();
            let mut tree = sample();
            let failing: SharedArray = Arc::new(Failing(floats(&[300_001]), cancel.clone()));
            if let Some(Node::Group(x)) = tree.children.get_mut("X") {
                x.children.insert("data".to_owned(), array(failing));
            }
            let limits = Limits { max_loaded_elems: Some(10_000), ..Limits::default() };
            let options = H5adOptions {
                compression,
                limits,
                cancel: cancel.clone().unwrap_or_default(),
                ..H5adOptions::default()
            };
            let error = write(&tree, &out.path, &options, &Silent).unwrap_err();
            match cancel {
                Some(_) => assert!(matches!(error, MaterializeError::Cancelled)),
                None => {
                    let text = error.to_string();
                    assert!(text.contains("in.h5ad") && text.contains("/X/data"), "{text}");
                }
            }
            assert_eq!(std::fs::read_dir(out.path.parent().unwrap()).unwrap().count(), 0);
        }
    }
}

#[test]
fn what_hdf5_cannot_hold_is_named() {
    for (name, node) in [
        ("uns/nul", array(MemoryText::line(["a\0b"].into_iter().collect::<TextBuf>()))),
        ("uns/bad", array(Data::Unreadable("a filter is missing".into()))),
    ] {
        let out = scratch();
        let mut tree = sample();
        tree.insert(name, node).unwrap();
        let error = write(&tree, &out.path, &H5adOptions::default(), &Silent).unwrap_err();
        assert!(error.to_string().contains(&format!("/{name}")), "{error}");
        assert_eq!(std::fs::read_dir(out.path.parent().unwrap()).unwrap().count(), 0);
    }
}

#[test]
fn more_bytes_than_can_be_counted_are_no_space() {
    let mut root = Group::default();
    // As 64 bits count them, these are no bytes at all.
    root.insert("X", array(Filled::shared(DType::F64, &[2, 1 << 60], &[0; 8]))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let written = write(&root, &dir.path().join("out.h5ad"), &H5adOptions::default(), &Silent);
    assert!(matches!(written, Err(MaterializeError::NoSpace { .. })), "{written:?}");
}
