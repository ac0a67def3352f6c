//! A plan told: what the result holds, how the joined axis came about, what is read before the first
//! answer. For `inspect`; its serialised form is stable.

use std::collections::HashSet;
use std::path::Path;

use serde::Serialize;

use crate::anndata::{
    AnnData, Categorical, Elem, Frame, Mapping, Nullable, Scalar, SparseBody, SparseFormat,
};
use crate::base::{DType, Indexer};
use crate::concat::options::Axis;
use crate::concat::sparse::PlannedSparse;
use crate::concat::texts::PlannedText;

use super::notice::Notice;

/// How the axis that is not concatenated is joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AxisReport {
    /// `obs` or `var`.
    pub axis: &'static str,
    /// Number of names in the result.
    pub len: u64,
    /// What becomes of each input's names, in the order of the inputs.
    pub inputs: Vec<InputJoin>,
}

/// What becomes of one input's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InputJoin {
    /// The file.
    pub file: String,
    /// The input's key.
    pub key: String,
    /// Positions it brings to the concatenated axis.
    pub concatenated: u64,
    /// Number of names on the joined axis.
    pub len: u64,
    /// Names that are in the result.
    pub kept: u64,
    /// Names that are not.
    pub dropped: u64,
    /// Names of the result that the file does not have.
    pub introduced: u64,
}

impl InputJoin {
    /// From how the input is indexed by the joined axis.
    pub fn new(file: &Path, key: &str, concatenated: u64, indexer: &Indexer) -> Self {
        let len = indexer.source_len();
        let kept = len - indexer.num_dropped();
        Self {
            file: file.display().to_string(),
            key: key.to_owned(),
            concatenated,
            len,
            kept,
            dropped: len - kept,
            introduced: indexer.target_len() - kept,
        }
    }
}

/// All of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Observations and variables.
    pub shape: [u64; 2],
    /// The axis that is concatenated.
    pub axis: &'static str,
    /// The axis that is joined.
    pub joined: AxisReport,
    /// Every element of the result.
    pub elements: Vec<ElementReport>,
    /// What is read before the first answer.
    pub reads: Vec<ReadReport>,
    /// What is dropped, converted or replaced.
    pub notices: Vec<NoticeReport>,
}

/// One element of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ElementReport {
    /// Path of the element (`obs/cell_type`).
    pub path: String,
    /// Its encoding, in anndata's words.
    pub encoding: &'static str,
    /// dtype of its values, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Its shape, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u64>>,
}

/// What is read of an element before it can be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReadReport {
    /// Path of the element.
    pub path: String,
    /// Bytes read to count what a join keeps, unless that is known from before.
    pub census_bytes: u64,
    /// Bytes read to convert other encodings.
    pub conversion_bytes: u64,
    /// Strings read to find the distinct ones, unless they are known from before.
    pub census_strings: u64,
}

/// A notice with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoticeReport {
    /// The notice.
    #[serde(flatten)]
    pub notice: Notice,
    /// The notice as a sentence.
    pub message: String,
}

impl From<Notice> for NoticeReport {
    fn from(notice: Notice) -> Self {
        let message = notice.to_string();
        Self { notice, message }
    }
}

impl Report {
    /// Tells what is planned. Reads nothing.
    #[must_use]
    pub fn of(
        merged: &AnnData,
        sparse: &[PlannedSparse],
        texts: &[PlannedText],
        notices: &[Notice],
        joined: &AxisReport,
    ) -> Self {
        let categorical = texts.iter().map(|text| text.path.as_str()).collect();
        let mut elements = Elements { categorical, ..Elements::default() };
        elements.add_adata(merged);
        let mut reads: Vec<ReadReport> = elements
            .planned
            .iter()
            .filter_map(|(path, number)| {
                let report = sparse.get(*number)?.report();
                let read = ReadReport {
                    path: path.clone(),
                    census_bytes: report.census_bytes(),
                    conversion_bytes: report.conversion_bytes(),
                    census_strings: 0,
                };
                (read.census_bytes + read.conversion_bytes > 0).then_some(read)
            })
            .collect();
        reads.extend(texts.iter().filter(|text| text.num_strings() > 0).map(|text| ReadReport {
            path: text.path.trim_start_matches('/').to_owned(),
            census_bytes: 0,
            conversion_bytes: 0,
            census_strings: text.num_strings(),
        }));
        let notices = notices.iter().map(|notice| NoticeReport::from(notice.clone())).collect();
        let axis = if joined.axis == Axis::Var.name() { Axis::Obs } else { Axis::Var };
        Self {
            shape: [merged.n_obs, merged.n_vars],
            axis: axis.name(),
            joined: joined.clone(),
            elements: elements.found,
            reads,
            notices,
        }
    }
}

#[derive(Default)]
struct Elements<'a> {
    /// Paths of text that becomes categorical.
    categorical: HashSet<&'a str>,
    found: Vec<ElementReport>,
    /// Paths of the matrices that are planned, and their numbers.
    planned: Vec<(String, usize)>,
}

impl Elements<'_> {
    fn add_adata(&mut self, adata: &AnnData) {
        if let Some(x) = &adata.x {
            self.add("X", x);
        }
        self.add_frame("obs", &adata.obs);
        self.add_frame("var", &adata.var);
        let mappings = [
            ("layers", &adata.layers),
            ("obsm", &adata.obsm),
            ("varm", &adata.varm),
            ("obsp", &adata.obsp),
            ("varp", &adata.varp),
        ];
        for (group, mapping) in mappings {
            self.add_mapping(group, mapping);
        }
        if let Some(raw) = &adata.raw {
            self.add("raw/X", &raw.x);
            self.add_frame("raw/var", &raw.var);
            self.add_mapping("raw/varm", &raw.varm);
        }
        self.add_mapping("uns", &adata.uns);
    }

    fn add_mapping(&mut self, group: &str, mapping: &Mapping) {
        for (key, elem) in mapping {
            self.add(&format!("{group}/{key}"), elem);
        }
    }

    fn add_frame(&mut self, path: &str, frame: &Frame) {
        self.push(path, "dataframe", None, Some(vec![frame.len, frame.columns.len() as u64]));
        self.add_mapping(path, &frame.columns);
    }

    fn add(&mut self, path: &str, elem: &Elem) {
        match elem {
            Elem::Dict(mapping) => {
                self.push(path, "dict", None, None);
                self.add_mapping(path, mapping);
            }
            Elem::Object(encoding, parts) => {
                self.push(path, encoding, None, None);
                self.add_mapping(path, parts);
            }
            Elem::Frame(frame) => self.add_frame(path, frame),
            Elem::Sparse(sparse) => {
                if let SparseBody::Planned(number) = sparse.body {
                    self.planned.push((path.to_owned(), number));
                }
                let encoding = match sparse.format {
                    SparseFormat::Csr => "csr_matrix",
                    SparseFormat::Csc => "csc_matrix",
                };
                self.push(
                    path,
                    encoding,
                    Some(sparse.dtype.to_string()),
                    Some(sparse.shape.into()),
                );
            }
            Elem::Dense(array) => {
                let shape = Some(array.shape().to_vec());
                self.push(path, "array", Some(array.dtype().to_string()), shape);
            }
            Elem::Text(text) => {
                self.push(path, "string-array", None, Some(text.shape().to_vec()));
            }
            Elem::Categorical(categorical) => self.add_categorical(path, categorical),
            Elem::Nullable(nullable) => self.add_nullable(path, nullable),
            Elem::Scalar(Scalar::Number { dtype, .. }) => {
                self.push(path, "numeric-scalar", Some(dtype.to_string()), None);
            }
            Elem::Scalar(Scalar::Text(_)) => self.push(path, "string", None, None),
            Elem::Record(records) => {
                self.push(path, "rec-array", None, Some(records.shape.to_vec()));
            }
            Elem::Awkward(array) => {
                self.push(path, "awkward-array", None, Some(vec![array.len]));
            }
            Elem::Null => self.push(path, "null", None, None),
        }
    }

    fn add_categorical(&mut self, path: &str, categorical: &Categorical) {
        let (number, kind) = match &*categorical.categories {
            Elem::Dense(values) => (values.shape(), values.dtype().to_string()),
            Elem::Text(values) => (values.shape(), "strings".to_owned()),
            Elem::Nullable(values) => (values.mask.shape(), "strings".to_owned()),
            _ => (&[][..], "values".to_owned()),
        };
        let number = number.first().copied().unwrap_or(0);
        let order = if categorical.ordered { "ordered " } else { "" };
        let dtype = Some(format!("{number} {order}{kind}"));
        self.push(path, "categorical", dtype, Some(categorical.codes.shape().to_vec()));
    }

    fn add_nullable(&mut self, path: &str, nullable: &Nullable) {
        if self.categorical.contains(format!("/{path}").as_str()) {
            let shape = Some(nullable.mask.shape().to_vec());
            return self.push(path, "categorical", Some("strings".to_owned()), shape);
        }
        let (encoding, dtype) = match &*nullable.values {
            Elem::Dense(values) if values.dtype() == DType::Bool => ("nullable-boolean", None),
            Elem::Dense(values) => ("nullable-integer", Some(values.dtype().to_string())),
            _ => ("nullable-string-array", None),
        };
        self.push(path, encoding, dtype, Some(nullable.mask.shape().to_vec()));
    }

    fn push(
        &mut self,
        path: &str,
        encoding: &'static str,
        dtype: Option<String>,
        shape: Option<Vec<u64>>,
    ) {
        self.found.push(ElementReport { path: path.to_owned(), encoding, dtype, shape });
    }
}
