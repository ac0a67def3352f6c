//! How the joined axis came about, for `inspect`.

use std::path::Path;

use serde::Serialize;

use crate::base::Indexer;

/// How the axis that is not concatenated is joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AxisReport {
    /// `obs` or `var`.
    pub axis: &'static str,
    /// Number of names in the result.
    pub len: u64,
    /// What becomes of each input's names.
    pub inputs: Vec<InputJoin>,
}

/// What becomes of one input's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InputJoin {
    /// The file.
    pub file: String,
    /// Number of names in the file.
    pub len: u64,
    /// Names that are in the result.
    pub kept: u64,
    /// Names that are not.
    pub dropped: u64,
    /// Names of the result that the file does not have.
    pub introduced: u64,
}

impl InputJoin {
    pub(super) fn new(file: &Path, indexer: &Indexer) -> Self {
        let len = indexer.source_len();
        let kept = len - indexer.num_dropped();
        Self {
            file: file.display().to_string(),
            len,
            kept,
            dropped: len - kept,
            introduced: indexer.target_len() - kept,
        }
    }
}
