use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use zarrs::array::{Array, ArrayBytes};
use zarrs::filesystem::FilesystemStore;

use super::*;
use crate::array::{MemoryArray, MemoryText, SharedArray, TextBuf};
use crate::base::{DType, Silent};
use crate::tree::{ArrayNode, Attr, Attrs, Data, Node};

fn node(data: impl Into<Data>) -> Node {
    Node::Array(ArrayNode { attrs: Attrs::new(), data: data.into() })
}

fn ints(shape: &[u64]) -> SharedArray {
    let len: u64 = shape.iter().product();
    let bytes: Vec<u8> = (0..len).flat_map(|i| (i as i32 % 5003).to_le_bytes()).collect();
    MemoryArray::shared(DType::I32, shape, bytes)
}

fn sample() -> Group {
    let mut root = Group::default();
    root.attrs.insert("encoding-type".into(), Attr::Str("anndata".into()));
    root.insert("X/indices", node(ints(&[100_003]))).unwrap();
    root.insert("obsm/dense", node(ints(&[301, 70]))).unwrap();
    root.insert("uns/scalar", node(ints(&[]))).unwrap();
    root.insert("uns/none", node(Data::Null)).unwrap();
    let names: Vec<String> = (0..1000).map(|i| format!("cell {i}")).collect();
    let names: TextBuf = names.iter().map(String::as_str).collect();
    root.insert("obs/_index", node(MemoryText::line(names))).unwrap();
    root
}

#[test]
fn everything_reads_back() {
    let tree = sample();
    let sharded = Geometry {
        rows: NonZeroU64::new(25),
        elems: NonZeroU64::new(1000),
        shard_bytes: NonZeroU64::new(1 << 14),
    };
    for (format, geometry) in [
        (ZarrFormat::V2, Geometry::default()),
        (ZarrFormat::V3, Geometry::default()),
        (ZarrFormat::V3, sharded),
    ] {
        for compression in [
            Compression::None,
            Compression::Gzip { level: 0 },
            Compression::Gzip { level: 6 },
            Compression::Zstd { level: 3 },
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("out.zarr");
            let limits = Limits { max_loaded_elems: Some(20_000), ..Limits::default() };
            let options = ZarrWriteOptions {
                format,
                compression,
                geometry,
                limits,
                ..ZarrWriteOptions::default()
            };
            write(&tree, &path, &options, &Silent).unwrap();
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
            let store = Arc::new(FilesystemStore::new(&path).unwrap());
            for (name, shape) in
                [("/X/indices", &[100_003][..]), ("/obsm/dense", &[301, 70]), ("/uns/scalar", &[])]
            {
                let array = Array::open(store.clone(), name).unwrap();
                let bytes: ArrayBytes<'_> =
                    array.retrieve_array_subset(&array.subset_all()).unwrap();
                let whole = crate::array::read_all(ints(shape).as_ref()).unwrap();
                assert!(bytes.into_fixed().unwrap()[..] == whole[..], "{name} {options:?}");
            }
            let names = Array::open(store.clone(), "/obs/_index").unwrap();
            let names: ArrayBytes<'_> = names.retrieve_array_subset(&names.subset_all()).unwrap();
            let (bytes, _) = names.into_variable().unwrap().into_parts();
            assert!(bytes.ends_with(b"cell 999"));
        }
    }
}

#[test]
fn the_codec_is_in_every_array_document() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.zarr");
    write(&sample(), &path, &ZarrWriteOptions::default(), &Silent).unwrap();
    let root: Value = serde_json::from_slice(&fs::read(path.join("zarr.json")).unwrap()).unwrap();
    let nodes = root.pointer("/consolidated_metadata/metadata").unwrap().as_object().unwrap();
    let arrays: Vec<&Value> = nodes.values().filter(|node| node["node_type"] == "array").collect();
    assert_eq!(arrays.len(), 5);
    for array in arrays {
        assert_eq!(array["codecs"][1]["name"], "zstd");
    }
}

#[test]
fn chunks_in_shards_are_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.zarr");
    let geometry = Geometry {
        elems: NonZeroU64::new(5003),
        shard_bytes: NonZeroU64::new(1 << 20),
        rows: None,
    };
    let compression = Compression::Gzip { level: 6 };
    let options = ZarrWriteOptions { geometry, compression, ..ZarrWriteOptions::default() };
    write(&sample(), &path, &options, &Silent).unwrap();
    let shard = fs::metadata(path.join("X/indices/c/0")).unwrap().len();
    assert!(shard < 100_003 * 4 / 2, "{shard}");
    let array = fs::read(path.join("X/indices/zarr.json")).unwrap();
    let array: Value = serde_json::from_slice(&array).unwrap();
    assert_eq!(array["codecs"].as_array().unwrap().len(), 1);
    assert_eq!(array["codecs"][0]["configuration"]["codecs"][1]["name"], "gzip");
}

/// Cancels the work once a chunk of some size is written; counts those chunks.
struct CancelsAt {
    chunk_bytes: u64,
    written: AtomicU64,
    cancel: Cancel,
}

impl Progress for CancelsAt {
    fn begin(&self, _what: &str, _total_bytes: u64) {}

    fn advance(&self, bytes: u64) {
        if bytes == self.chunk_bytes {
            self.written.fetch_add(1, Ordering::Relaxed);
            self.cancel.cancel();
        }
    }

    fn end(&self) {}
}

#[test]
fn cancelling_does_not_wait_for_a_shard() {
    let dir = tempfile::tempdir().unwrap();
    let geometry = Geometry {
        elems: NonZeroU64::new(5003),
        shard_bytes: NonZeroU64::new(1 << 20),
        rows: None,
    };
    let limits = Limits { threads: NonZeroUsize::MIN, ..Limits::default() };
    let options = ZarrWriteOptions { geometry, limits, ..ZarrWriteOptions::default() };
    let progress = CancelsAt {
        chunk_bytes: 5003 * 4,
        written: AtomicU64::new(0),
        cancel: options.cancel.clone(),
    };
    let written = write(&sample(), &dir.path().join("out.zarr"), &options, &progress);
    assert!(matches!(written, Err(MaterializeError::Cancelled)));
    assert_eq!(progress.written.into_inner(), 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_level_beyond_all_is_the_last_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.zarr");
    let compression = Compression::Zstd { level: 99 };
    write(&sample(), &path, &ZarrWriteOptions { compression, ..Default::default() }, &Silent)
        .unwrap();
    let array = fs::read(path.join("X/indices/zarr.json")).unwrap();
    let array: Value = serde_json::from_slice(&array).unwrap();
    assert_eq!(array["codecs"][1]["configuration"]["level"], 22);
}

#[test]
fn a_store_is_replaced_only_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.zarr");
    let mut options = ZarrWriteOptions::default();
    write(&sample(), &path, &options, &Silent).unwrap();
    assert!(matches!(
        write(&sample(), &path, &options, &Silent),
        Err(MaterializeError::Exists { .. })
    ));
    options.rules.existing = crate::materialize::Existing::Replace;
    let mut other = Group::default();
    other.insert("only", node(ints(&[3]))).unwrap();
    write(&other, &path, &options, &Silent).unwrap();
    assert!(path.join("only").is_dir() && !path.join("X").exists());
    options.cancel.cancel();
    assert!(matches!(write(&sample(), &path, &options, &Silent), Err(MaterializeError::Cancelled)));
    assert!(path.join("only").is_dir());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_zarr_cannot_hold_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.zarr");
    let mut tree = sample();
    tree.insert("uns/..", node(ints(&[1]))).unwrap();
    let left_out = write(&tree, &path, &ZarrWriteOptions::default(), &Silent).unwrap();
    let told: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    assert!(
        matches!(told.as_slice(), [one] if one.starts_with("uns: the name \"..\"")),
        "{told:?}"
    );
}
