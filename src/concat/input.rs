//! An input of a concatenation.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::anndata::AnnData;
use crate::io::Identity;

use super::sparse::Origin;

/// One AnnData object and where it comes from.
#[derive(Debug, Clone)]
pub struct Input {
    /// Its key: the value of the label column, and what `index_unique` appends.
    pub key: String,
    /// The file or directory, as the user wrote it.
    pub path: PathBuf,
    /// What tells whether the file is still the same.
    pub identity: Identity,
    /// What it holds.
    pub adata: AnnData,
}

/// An input during planning: the user's, or the `raw` of one.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
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
