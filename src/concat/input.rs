//! An input of a concatenation.

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

/// An input during planning: borrowed, and possibly standing for the `raw` of the user's input.
#[derive(Debug, Clone)]
pub(super) struct Source<'a> {
    pub key: &'a str,
    pub file: Arc<PathBuf>,
    pub identity: Arc<str>,
    /// Path of the object inside the file: empty, or `/raw`.
    pub prefix: &'static str,
    pub adata: std::borrow::Cow<'a, AnnData>,
}

impl Source<'_> {
    /// The path of an element of this object.
    pub fn element(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

    /// Where an element comes from.
    pub fn origin(&self, path: &str) -> Origin {
        Origin {
            file: Arc::clone(&self.file),
            element: self.element(path),
            identity: Arc::clone(&self.identity),
        }
    }
}
