use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::array::{ArraySource, read_all, read_all_text, read_vec};
use crate::base::{ReadError, Region};
use crate::io::Limits;
use crate::tree::Attr;

fn write(root: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn open_store(root: &Path) -> Source {
    open(
        root,
        &Context::new(Limits { cache_bytes: 1 << 20, max_open_files: 8, ..Limits::default() }),
    )
    .unwrap()
}

fn numbers(source: &Source, path: &str) -> Arc<dyn ArraySource> {
    match source.root.get(path) {
        Some(Node::Array(ArrayNode { data: Data::Fixed(array), .. })) => Arc::clone(array),
        other => panic!("{path}: {other:?}"),
    }
}

fn bytes_of(values: impl IntoIterator<Item = i32>) -> Vec<u8> {
    values.into_iter().flat_map(i32::to_le_bytes).collect()
}

fn v3_array(shape: &str, chunk: &str, codecs: &str) -> String {
    format!(
        r#"{{"zarr_format": 3, "node_type": "array", "shape": {shape}, "data_type": "int32",
        "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": {chunk}}}}},
        "chunk_key_encoding": {{"name": "default", "configuration": {{"separator": "/"}}}},
        "fill_value": 7, "codecs": {codecs}, "attributes": {{"encoding-type": "array"}}}}"#
    )
}

const PLAIN: &str = r#"[{"name": "bytes", "configuration": {"endian": "little"}}]"#;
const GROUP: &str = r#"{"zarr_format": 3, "node_type": "group", "attributes": {"a": "b"}}"#;

/// A 4 × 6 array in chunks of 3 × 4 whose element (i, j) is 6 i + j; the last chunk is absent.
fn grid_store(root: &Path, codecs: &str, encode: impl Fn(Vec<u8>) -> Vec<u8>) {
    write(root, "zarr.json", GROUP);
    write(root, "a/zarr.json", v3_array("[4, 6]", "[3, 4]", codecs));
    for (ci, cj) in [(0, 0), (0, 1), (1, 0)] {
        let chunk = (0..3).flat_map(|i| (0..4).map(move |j| (ci * 3 + i) * 6 + cj * 4 + j));
        write(root, &format!("a/c/{ci}/{cj}"), encode(bytes_of(chunk)));
    }
}

fn grid_value(i: u64, j: u64) -> i32 {
    if i >= 3 && j >= 4 { 7 } else { (i * 6 + j) as i32 }
}

fn every_region(array: &dyn ArraySource, value: impl Fn(u64, u64) -> i32) {
    for i in 0..4 {
        for j in 0..6 {
            for rows in 1..=4 - i {
                for columns in 1..=6 - j {
                    let expected =
                        (i..i + rows).flat_map(|i| (j..j + columns).map(move |j| (i, j)));
                    let expected = bytes_of(expected.map(|(i, j)| value(i, j)));
                    let region = Region::new([i, j].as_slice(), [rows, columns].as_slice());
                    assert_eq!(read_vec(array, &region).unwrap(), expected, "{region:?}");
                }
            }
        }
    }
}

#[test]
fn any_region_of_plain_and_of_compressed_chunks() {
    let zstd = r#"[{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "zstd"},
        {"name": "crc32c"}]"#;
    let encode = |bytes: Vec<u8>| {
        let mut encoded = zstd::bulk::compress(&bytes, 1).unwrap();
        encoded.extend_from_slice(&crc32c::crc32c(&encoded).to_le_bytes());
        encoded
    };
    let store = tempfile::tempdir().unwrap();
    grid_store(store.path(), PLAIN, |bytes| bytes);
    every_region(numbers(&open_store(store.path()), "a").as_ref(), grid_value);
    grid_store(store.path(), zstd, encode);
    let array = numbers(&open_store(store.path()), "a");
    assert_eq!(array.grain(), Some(&[3, 4][..]));
    every_region(array.as_ref(), grid_value);
}

#[test]
fn shards_of_either_kind() {
    for at in ["start", "end"] {
        let store = tempfile::tempdir().unwrap();
        let codecs = format!(
            r#"[{{"name": "sharding_indexed", "configuration": {{"chunk_shape": [2, 3],
            "codecs": {PLAIN}, "index_location": "{at}",
            "index_codecs": [{{"name": "bytes", "configuration": {{"endian": "little"}}}},
            {{"name": "crc32c"}}]}}}}]"#
        );
        write(store.path(), "zarr.json", GROUP);
        write(store.path(), "a/zarr.json", v3_array("[4, 6]", "[4, 6]", &codecs));
        // Inner chunks in reverse; the first one is absent.
        let index_len = 4 * 16 + 4;
        let (mut chunks, mut index) = (Vec::new(), vec![0xff; 16]);
        for (ci, cj) in [(0, 1), (1, 0), (1, 1)] {
            let offset = chunks.len() + if at == "start" { index_len } else { 0 };
            let chunk = (0..2).flat_map(|i| (0..3).map(move |j| (ci * 2 + i) * 6 + cj * 3 + j));
            chunks.extend(bytes_of(chunk));
            index.extend((offset as u64).to_le_bytes());
            index.extend(24_u64.to_le_bytes());
        }
        index.extend(crc32c::crc32c(&index).to_le_bytes());
        let shard = if at == "start" { [index, chunks] } else { [chunks, index] }.concat();
        write(store.path(), "a/c/0/0", &shard);
        let value = |i: u64, j: u64| if i < 2 && j < 3 { 7 } else { (i * 6 + j) as i32 };
        every_region(numbers(&open_store(store.path()), "a").as_ref(), value);

        // Whatever is cut off or flipped is an error or does not matter, but never a panic.
        for len in (0..shard.len()).step_by(5) {
            write(store.path(), "a/c/0/0", &shard[..len]);
            let array = numbers(&open_store(store.path()), "a");
            assert!(read_all(array.as_ref()).is_err(), "{at} {len}");
        }
        for flipped in 0..shard.len() {
            let mut shard = shard.clone();
            shard[flipped] ^= 0x80;
            write(store.path(), "a/c/0/0", &shard);
            let _ = read_all(numbers(&open_store(store.path()), "a").as_ref());
        }
    }
}

#[test]
fn damaged_chunks_are_corrupt() {
    let store = tempfile::tempdir().unwrap();
    let codecs = |name: &str| format!(r#"[{{"name": "bytes"}}, {{"name": "{name}"}}]"#);
    for name in ["gzip", "zstd", "blosc", "numcodecs.zlib", "numcodecs.lz4", "numcodecs.bz2"] {
        let codecs = match name {
            "gzip" | "numcodecs.zlib" | "numcodecs.bz2" => {
                codecs(name).replace("\"}]", "\", \"configuration\": {\"level\": 1}}]")
            }
            _ => codecs(name),
        };
        grid_store(store.path(), &codecs, |bytes| bytes);
        let array = numbers(&open_store(store.path()), "a");
        let outcome = read_all(array.as_ref());
        assert!(matches!(outcome, Err(ReadError::Corrupt { .. })), "{name}: {outcome:?}");
    }
    grid_store(store.path(), PLAIN, |bytes| bytes[1..].to_vec());
    let array = numbers(&open_store(store.path()), "a");
    assert!(matches!(read_all(array.as_ref()), Err(ReadError::Corrupt { .. })));
}

#[test]
fn a_store_that_changes_is_noticed() {
    let store = tempfile::tempdir().unwrap();
    grid_store(store.path(), PLAIN, |bytes| bytes);
    let source = open_store(store.path());
    let array = numbers(&source, "a");
    read_all(array.as_ref()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(store.path(), "a/c/0/0", bytes_of(0..12));
    assert!(matches!(read_all(array.as_ref()), Err(ReadError::Changed { .. })));
    let second = open_store(store.path());
    assert_ne!(source.identity, second.identity);
    let array = numbers(&second, "a");
    read_all(array.as_ref()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(store.path(), "a/c/1/1", bytes_of(0..12));
    assert!(matches!(read_all(array.as_ref()), Err(ReadError::Changed { .. })), "was absent");
}

#[test]
fn consolidated_order_and_directories() {
    let store = tempfile::tempdir().unwrap();
    write(store.path(), ".zgroup", r#"{"zarr_format": 2}"#);
    let array = r#"{"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "<i4", "order": "C",
        "filters": null, "compressor": null, "fill_value": 0}"#;
    for name in ["b", "A", "c"] {
        write(store.path(), &format!("g/{name}/.zarray"), array);
    }
    write(store.path(), "g/.zgroup", r#"{"zarr_format": 2}"#);
    write(store.path(), "g/.zattrs", r#"{"x": [1, 2]}"#);
    write(store.path(), "stray/file", "");
    let names = |source: &Source| match source.root.get("g") {
        Some(Node::Group(group)) => {
            assert_eq!(group.attrs["x"], Attr::IntList(vec![1, 2]));
            group.children.keys().cloned().collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(names(&open_store(store.path())), ["A", "b", "c"]);
    let consolidated = |names: &[&str]| {
        let arrays: String =
            names.iter().map(|name| format!(r#","g/{name}/.zarray": {array}"#)).collect();
        format!(
            r#"{{"zarr_consolidated_format": 1, "metadata": {{".zgroup": {{"zarr_format": 2}},
            "g/.zgroup": {{"zarr_format": 2}}, "g/.zattrs": {{"x": [1, 2]}} {arrays}}}}}"#
        )
    };
    write(store.path(), ".zmetadata", consolidated(&["c", "A", "b"]));
    assert_eq!(names(&open_store(store.path())), ["c", "A", "b"]);
    // Metadata that leads out of the store, or that is no JSON, is not relied on.
    write(store.path(), ".zmetadata", consolidated(&["c", ".."]));
    assert_eq!(names(&open_store(store.path())), ["A", "b", "c"]);
    write(store.path(), ".zmetadata", "{");
    assert_eq!(names(&open_store(store.path())), ["A", "b", "c"]);
}

#[test]
fn documents_of_no_or_another_version_are_damage() {
    let context = Context::new(Limits::default());
    for (group, damaged) in [
        (r#"{"zarr_format": 2}"#, false),
        (r#"{"zarr_format": 3}"#, true),
        (r#"{"zarr_format": "2"}"#, true),
        ("{}", true),
    ] {
        for place in [".zgroup", "g/.zgroup"] {
            let store = tempfile::tempdir().unwrap();
            write(store.path(), ".zgroup", r#"{"zarr_format": 2}"#);
            write(store.path(), place, group);
            let opened = open(store.path(), &context);
            assert_eq!(
                matches!(opened, Err(OpenError::Damaged { .. })),
                damaged,
                "{place} {group}"
            );
        }
    }
    let store = tempfile::tempdir().unwrap();
    write(store.path(), "zarr.json", GROUP.replace('3', "2"));
    assert!(matches!(open(store.path(), &context), Err(OpenError::Damaged { .. })));
}

#[test]
fn what_is_no_store_is_refused() {
    let context = Context::new(Limits::default());
    let store = tempfile::tempdir().unwrap();
    let open = || open(store.path(), &context);
    assert!(matches!(open(), Err(OpenError::NotZarr { .. })));
    write(store.path(), "zarr.json", "{");
    assert!(matches!(open(), Err(OpenError::Damaged { .. })));
    write(store.path(), "zarr.json", v3_array("[1]", "[1]", PLAIN));
    assert!(matches!(open(), Err(OpenError::Damaged { .. })));
    write(store.path(), "zarr.json", GROUP);
    write(store.path(), "a/zarr.json", v3_array("[1]", "[1]", r#"[{"name": "unheard-of"}]"#));
    let source = open().unwrap();
    let Some(Node::Array(array)) = source.root.get("a") else { panic!() };
    assert!(matches!(&array.data, Data::Unreadable(why) if why.contains("unheard-of")));
}

#[test]
fn strings_of_a_nested_object_array() {
    let store = tempfile::tempdir().unwrap();
    write(store.path(), ".zgroup", r#"{"zarr_format": 2}"#);
    write(
        store.path(),
        "s/.zarray",
        r#"{"zarr_format": 2, "shape": [3, 2], "chunks": [2, 1], "dtype": "|O", "order": "F",
        "filters": [{"id": "vlen-utf8"}], "compressor": null, "fill_value": 0}"#,
    );
    let vlen = |strings: &[&str]| {
        let mut bytes = (strings.len() as u32).to_le_bytes().to_vec();
        for text in strings {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    };
    // Nested, though nothing says so; the chunk 1/1 is absent.
    write(store.path(), "s/0/0", vlen(&["a", "ccc"]));
    write(store.path(), "s/0/1", vlen(&["b", "d"]));
    write(store.path(), "s/1/0", vlen(&["é", ""]));
    let source = open_store(store.path());
    let Some(Node::Array(ArrayNode { data: Data::Text(text), .. })) = source.root.get("s") else {
        panic!()
    };
    let all = read_all_text(text.as_ref()).unwrap();
    assert_eq!(all.iter().collect::<Vec<_>>(), ["a", "b", "ccc", "d", "é", "0"]);
    for start in 0..6 {
        for end in start..=6 {
            let mut part = crate::array::TextBuf::new();
            text.read_range(start..end, &mut part).unwrap();
            let expected = all.iter().skip(start as usize).take((end - start) as usize);
            assert!(part.iter().eq(expected));
        }
    }
    write(store.path(), "s/0/1", [2, 0, 0, 0, 1, 0, 0, 0, 0xff, 0, 0, 0, 0]);
    let source = open_store(store.path());
    let Some(Node::Array(ArrayNode { data: Data::Text(text), .. })) = source.root.get("s") else {
        panic!()
    };
    assert!(matches!(read_all_text(text.as_ref()), Err(ReadError::Corrupt { .. })));
}

#[test]
fn a_huge_chunk_is_decoded_once_and_any_region_of_it_is_what_was_written() {
    use std::io::Write as _;
    let store = tempfile::tempdir().unwrap();
    let all = bytes_of((0..600_000).map(|i| i % 1009 * 7));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&all).unwrap();
    let codecs = |codec: &str| format!("[{}, {codec}]", &PLAIN[1..PLAIN.len() - 1]);
    let lz4 = [&(all.len() as u32).to_le_bytes()[..], &lz4_flex::block::compress(&all)].concat();
    let kinds = [
        ("gzip", r#"{"name": "gzip", "configuration": {"level": 1}}"#, gzip.finish().unwrap()),
        (
            "zstd",
            r#"{"name": "zstd", "configuration": {}}"#,
            zstd::bulk::compress(&all, 1).unwrap(),
        ),
        // Decoded in memory as a whole, and kept on disk too.
        ("lz4", r#"{"name": "numcodecs.lz4", "configuration": {}}"#, lz4),
    ];
    write(store.path(), "zarr.json", GROUP);
    let mut len = 0;
    for (name, codec, bytes) in &kinds {
        let array = v3_array("[600, 1000]", "[600, 1000]", &codecs(codec));
        write(store.path(), &format!("{name}/zarr.json"), array);
        write(store.path(), &format!("{name}/c/0/0"), bytes);
        len += bytes.len() as u64;
    }
    let meter = Arc::new(crate::io::testing::Meter::default());
    let limits = Limits { cache_bytes: 1 << 20, max_open_files: 8, ..Limits::default() };
    let source = open(store.path(), &meter.context(limits)).unwrap();
    meter.reset();
    for (name, _, _) in &kinds {
        let array = numbers(&source, name);
        assert_eq!(array.grain(), None, "{name}: too large to align to");
        for (rows, columns) in
            [(0..600, 0..1000), (17..18, 3..900), (100..300, 0..1), (599..600, 0..1000)]
        {
            let region = Region::new(
                crate::base::Dims::from_slice(&[rows.start, columns.start]),
                crate::base::Dims::from_slice(&[
                    rows.end - rows.start,
                    columns.end - columns.start,
                ]),
            );
            let expected: Vec<u8> = rows
                .flat_map(|row| {
                    all[((row * 1000 + columns.start) * 4) as usize
                        ..((row * 1000 + columns.end) * 4) as usize]
                        .to_vec()
                })
                .collect();
            assert!(read_vec(&*array, &region).unwrap() == expected, "{name} {region:?}");
        }
    }
    assert!(meter.bytes() <= len, "{} of {len}: decoded once", meter.bytes());
}

#[test]
fn a_chunk_that_holds_more_than_it_should_fills_no_memory() {
    use std::io::Write as _;
    let store = tempfile::tempdir().unwrap();
    write(store.path(), "zarr.json", GROUP);
    let codecs = format!(r#"[{}, {{"name": "gzip"}}]"#, &PLAIN[1..PLAIN.len() - 1]);
    write(store.path(), "a/zarr.json", v3_array("[1000000]", "[1000000]", &codecs));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..100 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    write(store.path(), "a/c/0", gzip.finish().unwrap());
    let error = read_all(&*numbers(&open_store(store.path()), "a")).unwrap_err().to_string();
    assert!(error.contains("more than 4000000 bytes"), "{error}");
}
