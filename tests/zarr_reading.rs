//! The zarr input against zarr-python: stores that it wrote, of every format, codec, dtype and rank,
//! read whole and in random parts.
//!
//! Needs a Python with zarr 3: `ANNCAT_PYTHON` names it, or it is that of `ANNCAT_VENV` or of the
//! project's `.venv` (scripts/venv makes one). Without one the test fails, unless
//! `ANNCAT_SKIP_PYTHON` says that this is meant. `ANNCAT_ZARR_STORES` may list further stores,
//! separated by `:`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anncat::array::{TextBuf, TextSource, read_all, read_all_text, read_vec};
use anncat::base::Region;
use anncat::io::{Context, Limits};
use anncat::tree::{ArrayNode, Data, FieldValues, Node, RecordArray};
use serde_json::Value;

fn python() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ANNCAT_PYTHON") {
        return Some(path.into());
    }
    let venv = std::env::var_os("ANNCAT_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv"), PathBuf::from);
    let path = venv.join("bin/python");
    path.exists().then_some(path)
}

/// A generator of numbers below a bound; the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound.max(1)
    }

    fn region(&mut self, shape: &[u64]) -> Region {
        let start: Vec<u64> = shape.iter().map(|&extent| self.below(extent + 1)).collect();
        let len: Vec<u64> =
            shape.iter().zip(&start).map(|(&extent, &at)| self.below(extent - at + 1)).collect();
        Region::new(start.as_slice(), len.as_slice())
    }
}

/// The elements of `region` in a row-major array, one by one.
fn slice(bytes: &[u8], shape: &[u64], region: &Region, element_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..region.num_elements() {
        let (mut rest, mut at, mut stride) = (number, 0, 1);
        for axis in (0..shape.len()).rev() {
            at += (region.start()[axis] + rest % region.len()[axis]) * stride;
            rest /= region.len()[axis];
            stride *= shape[axis];
        }
        let at = at as usize * element_bytes;
        out.extend_from_slice(&bytes[at..at + element_bytes]);
    }
    out
}

fn check_text(text: &dyn TextSource, expected: &Value, dice: &mut Dice, name: &str) {
    let expected: Vec<&str> =
        expected.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let all = read_all_text(text).unwrap();
    assert!(all.iter().eq(expected.iter().copied()), "{name}: {all:?} is not {expected:?}");
    for _ in 0..10 {
        let start = dice.below(expected.len() as u64 + 1);
        let end = start + dice.below(expected.len() as u64 - start + 1);
        let mut part = TextBuf::new();
        text.read_range(start..end, &mut part).unwrap();
        let expected = &expected[start as usize..end as usize];
        assert!(part.iter().eq(expected.iter().copied()), "{name} {start}..{end}");
    }
}

fn check_record(record: &RecordArray, expected: &Value, name: &str) {
    let expected = expected.as_object().unwrap();
    assert_eq!(record.fields.len(), expected.len(), "{name}");
    for (field, (key, values)) in record.fields.iter().zip(expected) {
        assert_eq!(&field.name, key, "{name}");
        let values = values.as_array().unwrap();
        match &field.values {
            FieldValues::Text(text) => {
                assert!(text.iter().eq(values.iter().map(|value| value.as_str().unwrap())));
            }
            FieldValues::Fixed { dtype, bytes } => {
                let numbers =
                    bytes.chunks_exact(dtype.size_bytes()).map(|bytes| match dtype.name() {
                        "bool" => f64::from(bytes[0]),
                        "float32" => f64::from(f32::from_le_bytes(bytes.try_into().unwrap())),
                        "float64" => f64::from_le_bytes(bytes.try_into().unwrap()),
                        "int64" => i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
                        "int32" => f64::from(i32::from_le_bytes(bytes.try_into().unwrap())),
                        other => panic!("{name}: no test for fields of {other}"),
                    });
                let values = values.iter().map(|value| {
                    value.as_f64().or(value.as_bool().map(|value| f64::from(u8::from(value))))
                });
                assert!(numbers.map(Some).eq(values), "{name}/{key}");
            }
        }
    }
}

#[test]
fn what_zarr_python_reads() {
    let Some(python) = python() else {
        assert!(
            std::env::var_os("ANNCAT_SKIP_PYTHON").is_some(),
            "there is no Python with zarr: run scripts/venv, or set ANNCAT_PYTHON (or ANNCAT_SKIP_PYTHON)"
        );
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/draw/zarr_stores.py");
    let further = std::env::var("ANNCAT_ZARR_STORES").unwrap_or_default();
    let mut command = Command::new(python);
    command.arg(script).arg(out.path()).args(further.split(':').filter(|path| !path.is_empty()));
    assert!(command.status().unwrap().success());
    let rows = std::fs::read(out.path().join("expected.json")).unwrap();
    let rows: Value = serde_json::from_slice(&rows).unwrap();
    let context =
        Context::new(Limits { cache_bytes: 4 << 20, max_open_files: 16, ..Limits::default() });
    let mut dice = Dice(1);
    let (mut opened, mut failures) = (std::collections::HashMap::new(), Vec::new());
    for row in rows.as_array().unwrap() {
        let text = |key: &str| row[key].as_str().unwrap();
        let store = PathBuf::from(text("store"));
        let source = opened
            .entry(store.clone())
            .or_insert_with(|| anncat::input::open(&store, &context).unwrap());
        let name = format!("{}/{}", store.display(), text("path"));
        let shape: Vec<u64> =
            row["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        let expected = std::fs::read(out.path().join(text("file"))).unwrap();
        let json = || serde_json::from_slice(&expected).unwrap();
        let Some(Node::Array(ArrayNode { data, .. })) = source.root.get(text("path")) else {
            panic!("{name} is missing");
        };
        match (text("kind"), data) {
            ("number", Data::Fixed(array)) => {
                assert_eq!(
                    (array.dtype().name(), array.shape()),
                    (text("dtype"), &shape[..]),
                    "{name}"
                );
                let all = read_all(array.as_ref()).unwrap();
                assert!(all == expected, "{name}: {all:?} is not {expected:?}");
                for _ in 0..10 {
                    let region = dice.region(&shape);
                    let part = read_vec(array.as_ref(), &region).unwrap();
                    let expected = slice(&expected, &shape, &region, array.dtype().size_bytes());
                    assert!(part == expected, "{name} {region:?}");
                }
            }
            ("text", Data::Text(array)) => {
                assert_eq!(array.shape(), &shape[..], "{name}");
                check_text(array.as_ref(), &json(), &mut dice, &name);
            }
            ("record", Data::Record(record)) => check_record(record, &json(), &name),
            (kind, data) => failures.push(format!("{name}: {kind} is read as {data:?}")),
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
    println!("{} arrays of {} stores", rows.as_array().unwrap().len(), opened.len());
}
