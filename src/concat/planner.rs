//! What planning carries along: the inputs, what was asked, and what is told on the way.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::anndata::{AnnData, Sparse, SparseFormat};
use crate::array::TextBuf;

use super::options::ConcatOptions;
use super::sparse::{Origin, PlannedSparse, Treatment};
use super::texts::TextPlans;
use super::told::{Notice, PlanError};

/// An input during planning: the user's, or the `raw` of one.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// Its key.
    pub key: &'a str,
    /// The file.
    pub file: Arc<PathBuf>,
    /// The file's identity, as text.
    pub identity: Arc<str>,
    /// What it holds.
    pub adata: Cow<'a, AnnData>,
}

impl Source<'_> {
    /// Where the element at a path comes from.
    pub fn origin(&self, element: String) -> Origin {
        Origin { file: Arc::clone(&self.file), element, identity: Arc::clone(&self.identity) }
    }
}

/// What planning gathers besides the result.
#[derive(Debug)]
pub struct Planner<'a> {
    /// The inputs.
    pub sources: &'a [Source<'a>],
    /// What the user asked.
    pub options: &'a ConcatOptions,
    /// Where the objects lie in their files: empty, or `/raw`.
    pub prefix: &'static str,
    /// What was dropped or converted.
    pub notices: Vec<Notice>,
    /// Sparse matrices that are resolved later.
    pub sparse: Vec<PlannedSparse>,
    /// Text that becomes categorical later.
    pub texts: TextPlans,
    /// Names that an inner join dropped.
    pub dropped: Vec<DroppedNames>,
}

/// Names of an axis that an inner join drops.
#[derive(Debug, Clone)]
pub struct DroppedNames {
    /// Path of the axis.
    pub element: String,
    /// The names, each once.
    pub names: Arc<TextBuf>,
}

impl<'a> Planner<'a> {
    /// Begins.
    pub fn new(
        sources: &'a [Source<'a>],
        options: &'a ConcatOptions,
        prefix: &'static str,
    ) -> Self {
        Self {
            sources,
            options,
            prefix,
            notices: Vec::new(),
            sparse: Vec::new(),
            texts: TextPlans { choice: options.missing_text, planned: Vec::new() },
            dropped: Vec::new(),
        }
    }

    /// Where each input's element at a path comes from.
    pub fn origins(&self, path: &str) -> Vec<Origin> {
        self.sources.iter().map(|source| source.origin(path.to_owned())).collect()
    }

    /// The path of an element in a file.
    pub fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

    /// Takes a planned matrix in, with the notice of what it converts.
    pub fn add_sparse(&mut self, planned: PlannedSparse, path: &str) -> Result<Sparse, PlanError> {
        let files: Vec<String> = planned
            .report()
            .parts
            .iter()
            .filter(|part| part.treatment == Treatment::Converted)
            .map(|part| part.origin.file.display().to_string())
            .collect();
        if !files.is_empty() {
            let to = match planned.format() {
                SparseFormat::Csr => "csr_matrix",
                SparseFormat::Csc => "csc_matrix",
            };
            self.notices.push(Notice::SparseConverted { element: self.at(path), to, files });
        }
        let header = planned.header(self.sparse.len());
        self.sparse.push(planned);
        Ok(header)
    }
}
