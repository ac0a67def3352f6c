//! Real files of many ages decode to what anndata reads: `tests/data/decoded.txt` has one line an
//! element, made by `tests/python/programs/describe_anndata.py`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::path::Path;

use anncat::anndata::{
    AnnData, Elem, Frame, Mapping, Scalar, SparseBody, SparseFormat, decode, encode,
};
use anncat::array::{SharedArray, SharedText, read_all, read_all_text};
use anncat::tree::FieldValues;
use anncat::{input, io};

/// 64-bit FNV-1a.
fn checksum(data: &[u8]) -> String {
    let value = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |value, &byte| {
        (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{value:016x}")
}

fn extents(shape: &[u64]) -> String {
    match shape {
        [] => "scalar".to_owned(),
        shape => shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("x"),
    }
}

#[derive(Default)]
struct Description {
    lines: Vec<String>,
}

impl Description {
    fn of(name: &str, adata: &AnnData) -> Self {
        let mut out = Self::default();
        out.lines.push(format!("# {name} {} {}", adata.n_obs, adata.n_vars));
        match &adata.x {
            Some(x) => out.element("X", x),
            None => out.lines.push("X null".to_owned()),
        }
        out.frame("obs", &adata.obs);
        out.frame("var", &adata.var);
        for (name, mapping) in [
            ("layers", &adata.layers),
            ("obsm", &adata.obsm),
            ("varm", &adata.varm),
            ("obsp", &adata.obsp),
            ("varp", &adata.varp),
            ("uns", &adata.uns),
        ] {
            out.mapping(name, mapping);
        }
        if let Some(raw) = &adata.raw {
            out.element("raw/X", &raw.x);
            out.frame("raw/var", &raw.var);
            out.mapping("raw/varm", &raw.varm);
        }
        out
    }

    fn numbers(&mut self, path: &str, array: &SharedArray) {
        let sum = checksum(&read_all(array.as_ref()).unwrap());
        self.lines.push(format!("{path} {} {} {sum}", array.dtype(), extents(array.shape())));
    }

    fn strings<'a>(&mut self, path: &str, shape: &[u64], texts: impl Iterator<Item = &'a str>) {
        let joined: Vec<u8> = texts.flat_map(|text| text.bytes().chain([0])).collect();
        self.lines.push(format!("{path} strings {} {}", extents(shape), checksum(&joined)));
    }

    fn text(&mut self, path: &str, text: &SharedText) {
        let texts = read_all_text(text.as_ref()).unwrap();
        self.strings(path, text.shape(), texts.iter());
    }

    fn mapping(&mut self, path: &str, mapping: &Mapping) {
        self.lines.push(format!("{path} dict"));
        for (key, elem) in mapping {
            self.element(&format!("{path}/{key}"), elem);
        }
    }

    fn frame(&mut self, path: &str, frame: &Frame) {
        let name = frame.index_name.as_deref().unwrap_or("-");
        self.lines.push(format!("{path} frame {} {name}", frame.len));
        self.element(&format!("{path}/@"), &frame.index);
        for (name, column) in &frame.columns {
            self.element(&format!("{path}/{name}"), column);
        }
    }

    fn element(&mut self, path: &str, elem: &Elem) {
        match elem {
            Elem::Dense(array) => self.numbers(path, array),
            Elem::Text(text) => self.text(path, text),
            Elem::Sparse(matrix) => {
                let format = match matrix.format {
                    SparseFormat::Csr => "csr",
                    SparseFormat::Csc => "csc",
                };
                self.lines.push(format!("{path} {format} {}", extents(&matrix.shape)));
                let SparseBody::Stored { data, indices, indptr } = &matrix.body else {
                    panic!("{path} is planned")
                };
                for (name, array) in [("data", data), ("indices", indices), ("indptr", indptr)] {
                    self.numbers(&format!("{path}/{name}"), array);
                }
            }
            Elem::Frame(frame) => self.frame(path, frame),
            Elem::Categorical(column) => {
                let ordered = if column.ordered { "ordered" } else { "unordered" };
                self.lines.push(format!("{path} categorical {ordered}"));
                self.numbers(&format!("{path}/codes"), &column.codes);
                self.element(&format!("{path}/categories"), &column.categories);
            }
            Elem::Nullable(column) => {
                self.lines.push(format!("{path} nullable"));
                self.element(&format!("{path}/values"), &column.values);
                self.numbers(&format!("{path}/mask"), &column.mask);
            }
            Elem::Scalar(Scalar::Number { dtype, bytes }) => {
                self.lines.push(format!("{path} {dtype} scalar {}", checksum(bytes)));
            }
            Elem::Scalar(Scalar::Text(text)) => {
                self.lines.push(format!("{path} string {}", checksum(text.as_bytes())));
            }
            Elem::Record(records) => {
                self.lines.push(format!("{path} records {}", extents(&records.shape)));
                for field in &records.fields {
                    let path = format!("{path}/{}", field.name);
                    let shape: Vec<u64> =
                        records.shape.iter().chain(&field.inner_shape).copied().collect();
                    match &field.values {
                        FieldValues::Fixed { dtype, bytes } => {
                            let line = format!("{path} {dtype} {}", extents(&shape));
                            self.lines.push(format!("{line} {}", checksum(bytes)));
                        }
                        FieldValues::Text(texts) => self.strings(&path, &shape, texts.iter()),
                    }
                }
            }
            Elem::Dict(mapping) | Elem::Object(_, mapping) => self.mapping(path, mapping),
            Elem::Null => self.lines.push(format!("{path} null")),
            Elem::Awkward(_) => self.lines.push(format!("{path} awkward")),
        }
    }
}

#[test]
fn real_files_decode_as_anndata_reads_them_and_encode_without_loss() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let golden = std::fs::read_to_string(data.join("decoded.txt")).unwrap();
    let context = io::Context::new(io::Limits::default());
    let mut files = 0;
    for expected in golden.split("# ").skip(1) {
        let mut expected = expected.lines();
        let head = expected.next().unwrap();
        let name = head.split(' ').next().unwrap();
        let path = data.join(name);
        let source = input::open(&path, &context).unwrap();
        let adata = decode(&source.root, &path).unwrap();
        let found = Description::of(name, &adata);
        assert_eq!(found.lines[0], format!("# {head}"));
        for (found, expected) in found.lines[1..].iter().zip(expected.clone()) {
            assert_eq!(found, expected, "in {name}");
        }
        assert_eq!(found.lines.len() - 1, expected.count(), "in {name}");
        // What is written in the modern encodings reads back the same.
        let again = decode(&encode(&adata).unwrap(), &path).unwrap();
        assert_eq!(Description::of(name, &again).lines, found.lines, "in {name}");
        files += 1;
    }
    assert!(files > 10, "the golden file names only {files} files");
}
