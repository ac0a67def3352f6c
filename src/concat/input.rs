//! An input of a concatenation.

use std::path::PathBuf;

use super::told::Notice;
use crate::anndata::AnnData;
use crate::io::Identity;

/// One AnnData object and where it comes from.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its key: the value of the label column, and what `index_unique` appends.
    pub key: String,
    /// The file or directory, as the user wrote it.
    pub path: PathBuf,
    /// What tells whether the file is still the same.
    pub identity: Identity,
    /// What is to be told of it, whatever becomes of it.
    pub notices: Vec<Notice>,
    /// What it holds.
    pub adata: AnnData,
}
