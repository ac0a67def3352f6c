//! Columns of two frames against what pandas gives (`testdata/pandas_pairs.txt`), and their values.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use indexmap::IndexMap;

use crate::anndata::{Categorical, Elem, Frame, Nullable};
use crate::array::cast::cast_bytes;
use crate::array::{ArraySource, MemoryArray, MemoryText, SharedArray, read_all, read_all_text};
use crate::base::{DType, ReadError, Region};
use crate::concat::options::{Join, MissingText};
use crate::concat::texts::TextPlans;
use crate::concat::told::Notice;

use super::frame::{FrameShare, concat_columns};

fn numbers(dtype: DType, values: &[f64]) -> SharedArray {
    let wide: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut bytes = vec![0; values.len() * dtype.size_bytes()];
    cast_bytes(DType::F64, &wide, dtype, &mut bytes);
    MemoryArray::shared(dtype, &[values.len() as u64], bytes)
}

fn text(values: &[&str]) -> Elem {
    Elem::Text(MemoryText::line(values.iter().copied().collect::<crate::array::TextBuf>()))
}

fn nullable(values: Elem, mask: &[f64]) -> Elem {
    Elem::Nullable(Nullable {
        values: Box::new(values),
        mask: numbers(DType::Bool, mask),
        na_value: None,
    })
}

fn categorical(codes: &[f64], categories: Elem, ordered: bool) -> Elem {
    Elem::Categorical(Categorical {
        codes: numbers(DType::I8, codes),
        categories: Box::new(categories),
        ordered,
    })
}

/// The columns that the table was made of, `rows` (0 or 2) long.
fn column(kind: &str, rows: usize) -> Option<Elem> {
    let dense = |dtype, values: [f64; 2]| Elem::Dense(numbers(dtype, &values[..rows]));
    let masked = |dtype, mask: [f64; 2]| nullable(dense(dtype, [1.0, 0.0]), &mask[..rows]);
    let strings = |mask: [f64; 2]| nullable(text(&["a", ""][..rows]), &mask[..rows]);
    let cat = |codes: [f64; 2], categories: &[&str], ordered| {
        categorical(&codes[..rows], text(categories), ordered)
    };
    // pandas keeps only the categories that occur unless they are given.
    let of_int = |codes: [f64; 2]| {
        categorical(&codes[..rows], Elem::Dense(numbers(DType::I64, &[1.0, 2.0])), false)
    };
    let nan = f64::NAN;
    Some(match kind {
        "bool" => dense(DType::Bool, [1.0, 0.0]),
        "i1" => dense(DType::I8, [1.0, 2.0]),
        "i8" => dense(DType::I64, [1.0, 2.0]),
        "u1" => dense(DType::U8, [1.0, 2.0]),
        "u8" => dense(DType::U64, [1.0, 2.0]),
        "f4" => dense(DType::F32, [1.0, 2.0]),
        "f8" => dense(DType::F64, [1.0, 2.0]),
        "f64nan" => dense(DType::F64, [nan, nan]),
        "f32nan" => dense(DType::F32, [nan, nan]),
        "str" => text(&["a", "b"][..rows]),
        "string" => strings([0.0, 1.0]),
        "stringna" => strings([1.0, 1.0]),
        "cat" if rows == 0 => categorical(&[], text(&[]), false),
        "cat" => cat([0.0, 1.0], &["a", "b"], false),
        "catna" => cat([-1.0, -1.0], &["a"], false),
        "cati" if rows == 0 => categorical(&[], text(&[]), false),
        "cati" => of_int([0.0, 1.0]),
        "catin" => of_int([0.0, -1.0]),
        "catord" => cat([1.0, 0.0], &["b", "a"], true),
        "boolean" => masked(DType::Bool, [0.0, 1.0]),
        "booleanna" => masked(DType::Bool, [1.0, 1.0]),
        "Int64" => masked(DType::I64, [0.0, 1.0]),
        "Int8" => masked(DType::I8, [0.0, 1.0]),
        "UInt8" => masked(DType::U8, [0.0, 1.0]),
        "Int64na" => masked(DType::I64, [1.0, 1.0]),
        _ => return None,
    })
}

fn frame(columns: &[(&str, Elem)], len: u64) -> Frame {
    Frame {
        len,
        index_name: None,
        index: Box::new(text(&vec!["x"; len as usize])),
        columns: columns
            .iter()
            .map(|(name, column)| ((*name).to_owned(), column.clone()))
            .collect(),
    }
}

fn concat(frames: &[Frame], join: Join) -> (IndexMap<String, Elem>, Vec<Notice>) {
    let shares: Vec<FrameShare<'_>> = frames
        .iter()
        .map(|frame| FrameShare { frame: Some(frame), len: frame.len, origin: None })
        .collect();
    let mut notices = Vec::new();
    let mut texts = TextPlans { choice: MissingText::Nullable, planned: Vec::new() };
    let columns = concat_columns(&shares, join, "/obs", &mut notices, &mut texts).unwrap();
    (columns, notices)
}

fn dtype_name(elem: &Elem) -> String {
    match elem {
        Elem::Dense(array) => array.dtype().to_string(),
        Elem::Text(_) => "object".to_owned(),
        Elem::Categorical(categorical) if categorical.ordered => "ordered".to_owned(),
        Elem::Categorical(_) => "category".to_owned(),
        Elem::Nullable(nullable) => match &*nullable.values {
            Elem::Dense(values) if values.dtype() == DType::Bool => "boolean".to_owned(),
            Elem::Dense(values) => {
                values.dtype().to_string().replace("uint", "UInt").replace("int", "Int")
            }
            _ => "string".to_owned(),
        },
        _ => "?".to_owned(),
    }
}

/// True when a file can hold pandas' dtype only as what was found.
fn stands_for(found: &str, expected: &str) -> bool {
    match expected {
        // Objects are text, with missing values nullable text; booleans alone stay booleans.
        "object" => ["object", "string", "boolean"].contains(&found),
        "Float32" | "Float64" => found == expected.to_lowercase(),
        _ => found == expected,
    }
}

#[test]
fn dtypes_are_those_of_pandas() {
    let mut wrong = Vec::new();
    for line in include_str!("testdata/pandas_pairs.txt").lines().filter(|l| !l.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        for (expected, (first, second)) in fields[2..].iter().zip([(2, 2), (0, 2), (2, 0)]) {
            let frames = [(fields[0], first), (fields[1], second)].map(|(kind, rows)| {
                let columns: Vec<(&str, Elem)> =
                    column(kind, rows).into_iter().map(|column| ("x", column)).collect();
                frame(&columns, rows as u64)
            });
            let (columns, _) = concat(&frames, Join::Outer);
            let found = dtype_name(&columns["x"]);
            // Booleans among floats: objects that are all floats.
            let is_bool = |kind: &str| kind == "bool";
            let is_float = |kind: &str| kind.starts_with('f');
            let (a, b) = (fields[0], fields[1]);
            let becomes_floats = found == "float64"
                && *expected == "object"
                && ((is_bool(a) && is_float(b)) || (is_float(a) && is_bool(b)));
            if !becomes_floats && !stands_for(&found, expected) {
                wrong.push(format!(
                    "{}:{first} with {}:{second} gives {found}, not {expected}",
                    fields[0], fields[1]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

fn strings(elem: &Elem) -> Vec<Option<String>> {
    let (values, mask) = match elem {
        Elem::Text(values) => (Arc::clone(values), None),
        Elem::Nullable(nullable) => match &*nullable.values {
            Elem::Text(values) => (Arc::clone(values), Some(read_all(&*nullable.mask).unwrap())),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let values = read_all_text(&*values).unwrap();
    let is_missing = |at: usize| mask.as_ref().is_some_and(|mask| mask[at] != 0);
    values.iter().enumerate().map(|(at, v)| (!is_missing(at)).then(|| v.to_owned())).collect()
}

#[test]
fn a_mixture_becomes_text_with_a_notice() {
    let frames = [
        frame(&[("x", Elem::Dense(numbers(DType::F32, &[0.1, f64::NAN])))], 2),
        frame(&[("x", text(&["a"]))], 1),
    ];
    let (columns, notices) = concat(&frames, Join::Inner);
    let expected = [Some("0.10000000149011612"), None, Some("a")];
    assert_eq!(strings(&columns["x"]), expected.map(|v| v.map(str::to_owned)));
    assert!(
        matches!(&notices[..], [Notice::ColumnBecomesText { element, .. }] if element == "/obs/x")
    );
}

#[test]
fn booleans_among_floats_become_floats() {
    let frames = [
        frame(&[("x", column("bool", 2).unwrap())], 2),
        frame(&[("x", column("f8", 2).unwrap())], 2),
    ];
    let (columns, notices) = concat(&frames, Join::Inner);
    let Elem::Dense(values) = &columns["x"] else { panic!("{:?}", columns["x"]) };
    assert_eq!(values.dtype(), DType::F64);
    let expected: Vec<u8> = [1.0_f64, 0.0, 1.0, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    assert_eq!(read_all(&**values).unwrap(), expected);
    assert!(matches!(&notices[..], [Notice::ColumnsConverted { to, .. }] if to == "float64"));
}

#[test]
fn nothing_among_booleans_is_missing_booleans() {
    let flags = |codes: &[f64], ordered| {
        categorical(codes, Elem::Dense(numbers(DType::Bool, &[0.0, 1.0])), ordered)
    };
    for nothing in [
        categorical(&[-1.0, -1.0], Elem::Dense(numbers(DType::I64, &[1.0, 2.0])), false),
        categorical(&[-1.0, -1.0], text(&["a"]), false),
        nullable(text(&["", ""]), &[1.0, 1.0]),
    ] {
        let frames = [
            frame(&[("x", nothing)], 2),
            frame(&[("x", flags(&[1.0, 0.0], true))], 2),
            frame(&[("x", flags(&[-1.0, 1.0], false))], 2),
        ];
        let (columns, notices) = concat(&frames, Join::Inner);
        // The categories are told to become booleans; what holds nothing mixes with nothing.
        assert!(
            matches!(&notices[..], [Notice::ColumnsConverted { from, to, .. }]
                if from.iter().all(|kind| kind.contains("bool")) && to == "nullable bool"),
            "{notices:?}"
        );
        let Elem::Nullable(found) = &columns["x"] else { panic!("{:?}", columns["x"]) };
        assert_eq!(read_all(&*found.mask).unwrap(), [1, 1, 0, 0, 1, 0]);
        let Elem::Dense(values) = &*found.values else { panic!("{:?}", found.values) };
        assert_eq!(values.dtype(), DType::Bool);
        assert_eq!(read_all(&**values).unwrap(), [0, 0, 1, 0, 0, 1]);
    }
}

fn category_names(elem: &Elem) -> Vec<String> {
    let Elem::Categorical(categorical) = elem else { panic!("{elem:?}") };
    let text = crate::concat::names::category_text(&categorical.categories).unwrap();
    text.iter().map(str::to_owned).collect()
}

#[test]
fn categories_are_natsorted_unless_the_first_frame_has_them_all() {
    let of = |categories: &[&str]| frame(&[("x", categorical(&[0.0], text(categories), false))], 1);
    let (columns, _) = concat(&[of(&["x10", "x2"]), of(&["x1"])], Join::Inner);
    assert_eq!(category_names(&columns["x"]), ["x1", "x2", "x10"]);
    let (columns, _) = concat(&[of(&["x10", "x2"]), of(&["x2"])], Join::Inner);
    assert_eq!(category_names(&columns["x"]), ["x10", "x2"]);
    let (columns, _) = concat(&[of(&["x2"]), of(&["x10", "x2"])], Join::Inner);
    assert_eq!(category_names(&columns["x"]), ["x2", "x10"]);
}

#[test]
fn codes_follow_their_categories() {
    let of = |codes: &[f64], categories: &[&str]| {
        frame(&[("x", categorical(codes, text(categories), false))], codes.len() as u64)
    };
    let frames = [of(&[0.0, -1.0, 1.0], &["b", "c"]), of(&[1.0, 0.0], &["a", "b"])];
    let (columns, _) = concat(&frames, Join::Inner);
    let Elem::Categorical(categorical) = &columns["x"] else { panic!() };
    assert_eq!(category_names(&columns["x"]), ["a", "b", "c"]);
    assert_eq!(read_all(&*categorical.codes).unwrap(), [1, 0xff, 2, 1, 0]);
}

#[test]
fn columns_keep_the_order_of_appearance() {
    let of = |names: &[&str]| {
        let columns: Vec<(&str, Elem)> =
            names.iter().map(|name| (*name, column("i8", 2).unwrap())).collect();
        frame(&columns, 2)
    };
    let frames = [of(&["c", "a"]), of(&["b", "a", "c"])];
    let names = |join| concat(&frames, join).0.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(Join::Inner), ["c", "a"]);
    assert_eq!(names(Join::Outer), ["c", "a", "b"]);
}

#[test]
fn missing_columns_of_one_block_are_judged_together() {
    // Both float64 columns lie in one block: since one has values, neither is left out of promotion.
    let floats = |second| {
        let nan = Elem::Dense(numbers(DType::F64, &[f64::NAN, f64::NAN]));
        frame(&[("x", nan), ("y", Elem::Dense(numbers(DType::F64, &[second, 1.0])))], 2)
    };
    let small = frame(&[("x", column("f4", 2).unwrap()), ("y", column("f4", 2).unwrap())], 2);
    let (columns, _) = concat(&[floats(1.0), small.clone()], Join::Inner);
    assert_eq!(dtype_name(&columns["x"]), "float64");
    let lone = frame(&[("x", Elem::Dense(numbers(DType::F64, &[f64::NAN; 2])))], 2);
    let (columns, _) = concat(&[lone, small], Join::Inner);
    assert_eq!(dtype_name(&columns["x"]), "float32");
}

#[test]
fn integer_categories_are_rounded_where_they_become_floats() {
    // 2⁵³ + 1 is no float64: pandas casts it, and its codes follow.
    let of = |categories: SharedArray| {
        frame(&[("x", categorical(&[0.0], Elem::Dense(categories), false))], 1)
    };
    let large = MemoryArray::shared(DType::I64, &[1], ((1_i64 << 53) + 1).to_le_bytes().to_vec());
    let (columns, _) = concat(&[of(large), of(numbers(DType::F64, &[0.5]))], Join::Inner);
    let Elem::Categorical(merged) = &columns["x"] else { panic!() };
    assert_eq!(read_all(&*merged.codes).unwrap(), [1, 0]);
    let Elem::Dense(categories) = &*merged.categories else { panic!() };
    let expected = numbers(DType::F64, &[0.5, (1_u64 << 53) as f64]);
    assert_eq!(read_all(&**categories).unwrap(), read_all(&*expected).unwrap());
}

#[test]
fn categories_that_are_no_number_have_an_order_too() {
    // pandas refuses them; sorting must not stumble over them.
    let many: Vec<f64> = (0..200)
        .map(|at| if at % 3 == 0 { f64::NAN } else { f64::from(at * 7919 % 211) })
        .collect();
    let of = |categories: &[f64]| {
        let categories = Elem::Dense(numbers(DType::F64, categories));
        frame(&[("x", categorical(&[1.0], categories, false))], 1)
    };
    let (columns, _) = concat(&[of(&many), of(&[0.25, 0.5])], Join::Inner);
    let Elem::Categorical(merged) = &columns["x"] else { panic!() };
    assert_eq!(read_all(&*merged.codes).unwrap().len(), 2 * merged.codes.dtype().size_bytes());
}

/// Missing numbers that count how often they are read.
#[derive(Debug)]
struct Counted(SharedArray, Arc<AtomicUsize>);

impl ArraySource for Counted {
    fn dtype(&self) -> DType {
        self.0.dtype()
    }
    fn shape(&self) -> &[u64] {
        self.0.shape()
    }
    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read_into(region, out)
    }
}

#[test]
fn a_block_of_many_columns_is_asked_once() {
    let reads = Arc::new(AtomicUsize::new(0));
    let names: Vec<String> = (0..200).map(|at| at.to_string()).collect();
    let of = |dtype, values: [f64; 2]| {
        let column = || Elem::Dense(Arc::new(Counted(numbers(dtype, &values), Arc::clone(&reads))));
        let columns: Vec<(&str, Elem)> =
            names.iter().map(|name| (name.as_str(), column())).collect();
        frame(&columns, 2)
    };
    let frames = [of(DType::F64, [f64::NAN; 2]), of(DType::F32, [1.0, 2.0])];
    let (columns, _) = concat(&frames, Join::Inner);
    assert!(columns.values().all(|column| dtype_name(column) == "float32"));
    let reads = reads.load(Ordering::Relaxed);
    assert!(reads <= 3 * names.len(), "{reads} reads of {} columns", names.len());
}
