//! Files that libhdf5 wrote, read by our own path and compared with what went in.

use std::path::Path;
use std::sync::Arc;

use ::hdf5::FileBuilder;
use ::hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};

use super::chunks::{Chunk, Grid, Table};
use super::datatype::Datatype;
use super::file;
use super::library::{self, Library};
use super::metadata::library::ObjectInfo;
use crate::array::{ArraySource, TextBuf, read_all, read_all_text, read_vec};
use crate::base::{DType, Dims, ReadError, Region};
use crate::io::{Context, Limits};
use crate::tree::{Attr, Data, Node};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }

    fn region(&mut self, shape: &[u64]) -> Region {
        let start: Dims = shape.iter().map(|&len| self.below(len)).collect();
        let len: Dims =
            shape.iter().zip(&start).map(|(&len, &at)| 1 + self.below(len - at)).collect();
        Region::new(start, len)
    }
}

/// The same region, an element at a time.
fn slice(all: &[u8], shape: &[u64], region: &Region, width: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..region.num_elements() {
        let (mut rest, mut at, mut stride) = (number, 0, 1);
        for axis in (0..shape.len()).rev() {
            at += (region.start()[axis] + rest % region.len()[axis]) * stride;
            rest /= region.len()[axis];
            stride *= shape[axis];
        }
        out.extend_from_slice(&all[at as usize * width..][..width]);
    }
    out
}

fn context() -> Arc<Context> {
    Context::new(Limits { cache_bytes: 64 << 10, max_open_files: 4, ..Limits::default() })
}

fn root(path: &Path) -> crate::tree::Group {
    super::open(path, &context()).unwrap().root
}

fn fixed(group: &crate::tree::Group, name: &str) -> Arc<dyn ArraySource> {
    match group.get(name) {
        Some(Node::Array(array)) => match &array.data {
            Data::Fixed(array) => Arc::clone(array),
            other => panic!("{name}: {other:?}"),
        },
        other => panic!("{name}: {other:?}"),
    }
}

const FILTERS: [&str; 9] = [
    "contiguous",
    "plain",
    "gzip",
    "shuffle",
    "shuffle gzip",
    "gzip fletcher",
    "fletcher",
    "lzf",
    "shuffle lzf fletcher",
];

fn write<T: ::hdf5::H5Type>(
    file: &::hdf5::File,
    name: &str,
    filters: &str,
    shape: &[usize],
    chunk: &[usize],
    values: &[T],
) {
    let mut builder = file.new_dataset_builder();
    if filters != "contiguous" {
        builder = builder.chunk(chunk.to_vec());
    }
    for filter in filters.split(' ') {
        builder = match filter {
            "gzip" => builder.deflate(4),
            "shuffle" => builder.shuffle(),
            "fletcher" => builder.fletcher32(),
            "lzf" => builder.lzf(),
            _ => builder,
        };
    }
    let data = ndarray::ArrayView::from_shape(ndarray::IxDyn(shape), values).unwrap();
    builder.empty::<T>().shape(shape.to_vec()).create(name).unwrap().write(data).unwrap();
}

#[test]
fn any_region_of_any_layout_is_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let geometries: [(&[usize], &[usize]); 9] = [
        (&[1000], &[100]),
        (&[1003], &[64]),
        (&[57, 33], &[10, 7]),
        (&[57, 33], &[57, 4]),
        (&[57, 33], &[8, 33]),
        (&[100, 3], &[7, 3]),
        (&[9, 8, 7], &[4, 3, 2]),
        (&[9, 8, 7], &[2, 8, 7]),
        (&[1, 1], &[1, 1]),
    ];
    let mut random = Random(1);
    let mut expected = Vec::new();
    for filters in FILTERS {
        for (shape, chunk) in geometries {
            let count: usize = shape.iter().product();
            let name = format!("{filters} {shape:?} {chunk:?}");
            let values: Vec<u64> = (0..count).map(|_| random.below(1000)).collect();
            macro_rules! put {
                ($dtype:ident, $type:ty) => {{
                    let values: Vec<$type> = values.iter().map(|&v| v as $type).collect();
                    write(&file, &name, filters, shape, chunk, &values);
                    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                    (DType::$dtype, bytes)
                }};
            }
            let (dtype, bytes): (_, Vec<u8>) = match random.below(5) {
                0 => put!(U8, u8),
                1 => put!(I16, i16),
                2 => put!(I32, i32),
                3 => put!(F32, f32),
                _ => put!(F64, f64),
            };
            let shape: Dims = shape.iter().map(|&len| len as u64).collect();
            expected.push((name, dtype, shape, bytes));
        }
    }
    file.close().unwrap();
    let root = root(&path);
    for (name, dtype, shape, bytes) in expected {
        let array = fixed(&root, &name);
        assert_eq!((array.dtype(), array.shape()), (dtype, shape.as_slice()), "{name}");
        assert_eq!(read_all(array.as_ref()).unwrap(), bytes, "{name}");
        for _ in 0..20 {
            let region = random.region(&shape);
            let got = read_vec(array.as_ref(), &region).unwrap();
            assert_eq!(
                got,
                slice(&bytes, &shape, &region, dtype.size_bytes()),
                "{name} {region:?}"
            );
        }
        if let Some(grain) = array.grain()
            && grain.iter().zip(&shape).all(|(chunk, len)| chunk <= len)
        {
            let region = Region::new(Dims::from_elem(0, shape.len()), grain);
            let stored = array.stored_chunk(&region).unwrap();
            let passable = !name.contains("lzf") && !name.contains("fletcher");
            // A chunk that lzf could not shrink is stored without it.
            assert!(stored.is_some() || !passable, "{name}");
        }
    }
}

#[test]
fn our_walk_of_the_chunk_index_is_the_librarys() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    type Change = fn(&mut FileBuilder) -> &mut FileBuilder;
    let usual: [Change; 3] = [
        |builder| builder.with_fapl(|list| list.libver_earliest()),
        |builder| builder.with_fapl(|list| list.libver_v18()),
        |builder| builder.with_fcpl(|list| list.userblock(1024)),
    ];
    for change in usual {
        let (ours, theirs) = chunks_by_both(&path, change);
        let ours = ours.unwrap();
        assert_eq!(ours.len(), 29 * 34);
        assert_eq!(ours, theirs);
    }
    // The newest format has other indices.
    let (ours, theirs) =
        chunks_by_both(&path, |builder| builder.with_fapl(|list| list.libver_latest()));
    assert!(ours.is_none());
    assert_eq!(theirs.len(), 29 * 34);
}

/// The chunks of a dataset of a new file, by our own walk and by the library's, in order.
fn chunks_by_both(
    path: &Path,
    change: impl FnOnce(&mut FileBuilder) -> &mut FileBuilder,
) -> (Option<Vec<Chunk>>, Vec<Chunk>) {
    let file = change(&mut FileBuilder::new()).create(path).unwrap();
    let values: Vec<i32> = (0..20_000).collect();
    write(&file, "many", "gzip", &[200, 100], &[7, 3], &values);
    file.close().unwrap();
    let file = Arc::new(file::HdfFile::open(path, &context()).unwrap());
    let header = library::locked(|| {
        let handle = library::open_file(&library::Pinned::of(&*file.source)).unwrap();
        ObjectInfo::of(&library::open_dataset(&handle, "/many").unwrap()).unwrap().address
    });
    let datatype = Datatype::Fixed { dtype: DType::I32, swap_bytes: 1, plain: true };
    let grid = Grid::new(&[200, 100], &[7, 3]).unwrap();
    let theirs =
        Table::library_walk(&grid, &Library::new(&file, "/many", &[200, 100], &datatype)).unwrap();
    let ours = Table::own_walk(&file, header, &grid).unwrap();
    let sorted = |mut chunks: Vec<Chunk>| {
        chunks.sort_by_key(|chunk| chunk.index);
        chunks
    };
    (ours.map(sorted), sorted(theirs))
}

#[test]
fn texts_of_every_kind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let texts: Vec<String> = (0..3000).map(|i| "né".repeat(i % 9) + &i.to_string()).collect();
    let vlen: Vec<VarLenUnicode> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let fixed: Vec<FixedUnicode<40>> = texts.iter().map(|text| text.parse().unwrap()).collect();
    write(&file, "vlen", "contiguous", &[3000], &[1], &vlen);
    write(&file, "chunked", "gzip", &[3000], &[70], &vlen);
    write(&file, "square", "shuffle gzip", &[30, 100], &[7, 9], &vlen);
    write(&file, "fixed", "contiguous", &[3000], &[1], &fixed);
    write(&file, "fixed chunked", "lzf", &[30, 100], &[7, 9], &fixed);
    file.new_dataset::<VarLenUnicode>().shape([5]).create("null").unwrap();
    file.new_dataset::<FixedAscii<4>>().shape(()).create("scalar").unwrap();
    file.close().unwrap();
    let root = root(&path);
    let text = |name: &str| match root.get(name) {
        Some(Node::Array(array)) => match &array.data {
            Data::Text(text) => Arc::clone(text),
            other => panic!("{name}: {other:?}"),
        },
        other => panic!("{name}: {other:?}"),
    };
    for name in ["vlen", "chunked", "square", "fixed", "fixed chunked"] {
        let text = text(name);
        let all = read_all_text(text.as_ref()).unwrap();
        assert!(all.iter().eq(texts.iter().map(String::as_str)), "{name}");
        for range in [0..0, 5..6, 99..101, 1234..2999] {
            let mut part = TextBuf::new();
            text.read_range(range.clone(), &mut part).unwrap();
            let expected = &texts[range.start as usize..range.end as usize];
            assert!(part.iter().eq(expected.iter().map(String::as_str)), "{name} {range:?}");
        }
    }
    assert!(read_all_text(text("null").as_ref()).unwrap().iter().eq([""; 5]));
    assert!(read_all_text(text("scalar").as_ref()).unwrap().iter().eq([""]));
}

#[test]
fn attributes_of_every_kind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let group = file.create_group("g").unwrap();
    let unicode: VarLenUnicode = "é".parse().unwrap();
    let ascii: VarLenAscii = VarLenAscii::from_ascii("a").unwrap();
    group.new_attr::<VarLenUnicode>().create("vlen").unwrap().write_scalar(&unicode).unwrap();
    group.new_attr::<VarLenAscii>().create("ascii").unwrap().write_scalar(&ascii).unwrap();
    let texts: Vec<VarLenUnicode> = ["x", "yz"].iter().map(|t| t.parse().unwrap()).collect();
    group.new_attr::<VarLenUnicode>().shape([2]).create("texts").unwrap().write(&texts).unwrap();
    group.new_attr::<i64>().shape([0]).create("empty").unwrap();
    group.new_attr::<i8>().create("int").unwrap().write_scalar(&-3).unwrap();
    group.new_attr::<f32>().create("float").unwrap().write_scalar(&0.5).unwrap();
    group.new_attr::<bool>().create("bool").unwrap().write_scalar(&true).unwrap();
    group.new_attr::<u16>().shape([2]).create("ints").unwrap().write(&[7_u16, 8]).unwrap();
    drop(group);
    file.close().unwrap();
    let root = root(&path);
    let attrs = root.get("g").unwrap().attrs();
    let expected = [
        ("ascii", Attr::Str("a".to_owned())),
        ("bool", Attr::Bool(true)),
        ("empty", Attr::StrList(vec![])),
        ("float", Attr::Float(0.5)),
        ("int", Attr::Int(-3)),
        ("ints", Attr::IntList(vec![7, 8])),
        ("texts", Attr::StrList(vec!["x".to_owned(), "yz".to_owned()])),
        ("vlen", Attr::Str("é".to_owned())),
    ];
    assert!(
        attrs
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .eq(expected.iter().map(|(name, value)| (*name, value)))
    );
}

#[test]
fn a_file_that_is_none_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        crate::input::open(&path, &context()).unwrap_err().to_string()
    };
    assert!(at("empty", b"").contains("not an HDF5 file (it is empty)"));
    assert!(at("text", b"hello, this is no HDF5 file").contains("not an HDF5 file"));
    assert!(at("gz", &[0x1f, 0x8b, 8, 0, 0]).contains("gunzip"));
    let missing = crate::input::open(&dir.path().join("x"), &context()).unwrap_err();
    assert!(missing.to_string().contains("no such file"));
    let directory = crate::input::open(dir.path(), &context()).unwrap_err();
    assert!(directory.to_string().contains("zarr"));
}

#[test]
fn truncated_and_changed_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let values: Vec<i32> = (0..20_000).collect();
    write(&file, "x", "gzip", &[20_000], &[1000], &values);
    write(&file, "y", "contiguous", &[20_000], &[1000], &values);
    file.close().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for part in 0..20 {
        let cut = dir.path().join("cut.h5");
        std::fs::write(&cut, &bytes[..bytes.len() * part / 20]).unwrap();
        assert!(super::open(&cut, &context()).is_err(), "{part}/20 of the file");
    }
    let array = fixed(&root(&path), "x");
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(read_all(array.as_ref()), Err(ReadError::Changed { .. })));
}

#[test]
fn a_huge_chunk_is_decoded_once_and_any_region_of_it_is_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let values: Vec<i32> = (0..600_000).map(|i| i % 1009 * 7).collect();
    let all: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    // The last one is decoded in memory as a whole, and is kept on disk too.
    let kinds = ["gzip", "shuffle gzip", "shuffle", "shuffle lzf fletcher"];
    for filters in kinds {
        write(&file, filters, filters, &[600_000], &[600_000], &values);
        write(&file, &format!("{filters} 2"), filters, &[600, 1000], &[600, 1000], &values);
    }
    file.close().unwrap();
    let len = std::fs::metadata(&path).unwrap().len();
    let meter = Arc::new(crate::io::testing::Meter::default());
    let limits = Limits { cache_bytes: 1 << 20, max_open_files: 4, ..Limits::default() };
    let root = super::open(&path, &meter.context(limits)).unwrap().root;
    meter.reset();
    let mut random = Random(5);
    for filters in kinds {
        for name in [filters.to_owned(), format!("{filters} 2")] {
            let array = fixed(&root, &name);
            assert_eq!(array.grain(), None, "{name}: too large to align to");
            let shape = array.shape().to_vec();
            for _ in 0..20 {
                let region = random.region(&shape);
                let read = read_vec(&*array, &region).unwrap();
                assert!(read == slice(&all, &shape, &region, 4), "{name} {region:?}");
            }
        }
    }
    assert!(meter.bytes() < len + (1 << 20), "{} of {len}: decoded once", meter.bytes());
}

#[test]
fn of_a_chunk_that_is_stored_as_it_is_only_what_is_wanted_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let values: Vec<i32> = (0..2_000_000).collect();
    write(&file, "x", "plain", &[1000, 2000], &[1000, 1000], &values);
    file.close().unwrap();
    let meter = Arc::new(crate::io::testing::Meter::default());
    let limits = Limits { cache_bytes: 1 << 20, max_open_files: 4, ..Limits::default() };
    let array = fixed(&super::open(&path, &meter.context(limits)).unwrap().root, "x");
    let all: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    // Rows, of which a chunk has one piece; and a part of a few columns of both chunks.
    for (start, len, reads, bytes) in
        [([5, 0], [3, 2000], 2, 24_000), ([1, 998], [100, 3], 2, 2 * 99 * 4000 + 12)]
    {
        let region = Region::new(&start[..], &len[..]);
        // The table of chunks.
        read_vec(&*array, &region).unwrap();
        meter.reset();
        let read = read_vec(&*array, &region).unwrap();
        assert!(read == slice(&all, &[1000, 2000], &region, 4), "{region:?}");
        assert_eq!((meter.reads(), meter.bytes()), (reads, bytes), "{region:?}");
    }
}

#[test]
fn any_region_of_more_chunks_than_are_listed_at_once_is_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    // The chunks of the last row alone are runs, and come after all that are listed first.
    let geometries: [(&[usize], &[usize]); 2] = [(&[70_000], &[1]), (&[513, 256], &[2, 1])];
    let mut expected = Vec::new();
    for filters in ["plain", "shuffle"] {
        for (shape, chunk) in geometries {
            let count: usize = shape.iter().product();
            let values: Vec<u16> = (0..count).map(|at| (at % 65_521) as u16).collect();
            let name = format!("{filters} {shape:?}");
            write(&file, &name, filters, shape, chunk, &values);
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            expected.push((name, shape.iter().map(|&len| len as u64).collect::<Dims>(), bytes));
        }
    }
    file.close().unwrap();
    let root = root(&path);
    let mut random = Random(3);
    for (name, shape, bytes) in expected {
        let array = fixed(&root, &name);
        assert!(read_all(&*array).unwrap() == bytes, "{name}");
        for _ in 0..5 {
            let region = random.region(&shape);
            let read = read_vec(&*array, &region).unwrap();
            assert!(read == slice(&bytes, &shape, &region, 2), "{name} {region:?}");
        }
    }
}

#[test]
fn a_chunk_that_is_stored_in_more_than_may_be_used_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    let file = ::hdf5::File::create(&path).unwrap();
    let dataset =
        file.new_dataset_builder().chunk([100]).deflate(4).empty::<u8>().shape([100]).create("x");
    let stored = vec![0_u8; 1 << 20];
    library::locked(|| {
        // SAFETY: the buffer has the length that is given, and the chunk begins at the first element.
        let code = unsafe {
            hdf5_sys::h5d::H5Dwrite_chunk(
                dataset.unwrap().id(),
                hdf5_sys::h5p::H5P_DEFAULT,
                0,
                [0].as_ptr(),
                stored.len(),
                stored.as_ptr().cast(),
            )
        };
        assert!(code >= 0);
    });
    file.close().unwrap();
    let array = fixed(&root(&path), "x");
    let error = read_all(&*array).unwrap_err();
    assert!(matches!(error, ReadError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("/x: a chunk of 1048576 bytes"), "{error}");
    assert!(array.stored_chunk(&Region::line(0..100)).unwrap().is_none());
}
