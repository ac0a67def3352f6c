//! The one door to the engine: what is to be merged, and how, goes in; the merged tree and what is
//! to be told of it come out.
//!
//! A [`Recipe`] names the inputs with their keys, the options of the concatenation and the layout
//! of the store. [`Planned::open`] opens the inputs and decides everything that their headers
//! decide: the shape, the report, the notices. [`Planned::compile`] makes the tree of it, which
//! may have to read much. [`Merged::open`] is both steps. [`plan_file`] keeps a recipe as a file,
//! with the [identity](ContentIdentity) of each input.
//!
//! Owns the order of these steps and the errors of several inputs at once. Knows nothing of command
//! lines, file systems or output files, and prints nothing: progress goes to a
//! [`crate::base::Progress`], what is told is data.

mod document;
mod error;
mod fingerprint;
mod identity;
mod open;
pub mod plan_file;
mod relocate;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::concat::ConcatOptions;
use crate::face::zarr::ZarrOptions;

pub use error::{InputError, RecipeError};
pub use identity::ContentIdentity;
pub use open::{Merged, Planned};
pub use relocate::Relocation;

/// What is to be merged, and how.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// How they are concatenated.
    pub options: ConcatOptions,
    /// How the result is laid out as a zarr store.
    pub layout: ZarrOptions,
}

/// One input of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its key: the value of the label column, and what `index_unique` appends.
    pub key: String,
    /// The file or directory.
    pub path: PathBuf,
    /// What it has to be; `None`: whatever is there.
    pub expected: Option<Expected>,
}

/// What an input has to be, by a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What its content was.
    pub identity: ContentIdentity,
    /// The absolute path that it had.
    pub path: PathBuf,
}

impl Input {
    /// Whatever is at `path`.
    pub fn new(key: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { key: key.into(), path: path.into(), expected: None }
    }
}

/// What opening and compiling may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory for caches and conversions.
    pub memory_bytes: u64,
}

impl Default for Limits {
    /// 512 MiB.
    fn default() -> Self {
        Self { memory_bytes: 512 << 20 }
    }
}
