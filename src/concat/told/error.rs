//! Why a concatenation cannot be planned.

use std::path::{Path, PathBuf};

use crate::anndata::{DecodeError, drop_hint};
use crate::base::{Fault, Kind, ReadError};
use crate::concat::awkward::AwkwardError;

use super::sentence::FirstFew;

/// Why a concatenation cannot be planned. Each names where, what, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlanError {
    /// There is nothing to concatenate.
    #[error("there are no inputs\n  hint: name at least one .h5ad file or .zarr directory")]
    NoInputs,
    /// Two inputs have one key, and the keys are used.
    #[error(
        "the key {key:?} stands for both {first} and {second}; keys must be unique\n  \
         hint: give each input its own key (KEY=PATH, or --keys)",
        first = first.display(), second = second.display()
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// The input that has it first.
        first: PathBuf,
        /// The other input.
        second: PathBuf,
    },
    /// A name is twice on an axis that has to be joined.
    #[error(
        "{file}: {element}: the name {name:?} is there twice; names must be unique to be joined{also}\n  \
         hint: make the names unique (adata.{axis}_names_make_unique()), or leave the file out",
        file = file.display(), also = also_in(others)
    )]
    DuplicateName {
        /// The file.
        file: PathBuf,
        /// Path of the frame (`/var`).
        element: String,
        /// `obs` or `var`.
        axis: &'static str,
        /// The name.
        name: String,
        /// Other files of which the same is true, of this or other names.
        others: Vec<PathBuf>,
    },
    /// Inputs hold things of kinds that cannot be put together under one key.
    #[error(
        "{element}: cannot concatenate {kind} ({file}) with {other_kind} ({other_file})\n  \
         hint: convert one of them{}",
        drop_hint(element), file = file.display(), other_file = other_file.display()
    )]
    MixedKinds {
        /// Path of the element.
        element: String,
        /// What the first file holds.
        kind: &'static str,
        /// The first file.
        file: PathBuf,
        /// What the other file holds.
        other_kind: &'static str,
        /// The other file.
        other_file: PathBuf,
    },
    /// Extents that should agree do not.
    #[error(
        "{file}: {element}: {what}\n  hint: leave the file out{}",
        drop_hint(element), file = file.display()
    )]
    Shape {
        /// The file.
        file: PathBuf,
        /// Path of the element.
        element: String,
        /// What was found and what was expected.
        what: String,
    },
    /// An element that this rule cannot take.
    #[error("{file}: {element}: {what}{}", drop_hint(element), file = file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// Path of the element.
        element: String,
        /// What was found, and a hint.
        what: String,
    },
    /// Awkward arrays that cannot be put together.
    #[error("{element}: {source}\n  hint: leave files out{}", drop_hint(element))]
    Awkward {
        /// Path of the element.
        element: String,
        /// Why.
        source: AwkwardError,
    },
    /// `uns` is to be merged, and holds what is not read.
    #[error("{0}\n  hint: leave out --uns-merge")]
    UnreadUns(DecodeError),
    /// An input could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Fault for PlanError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoInputs | Self::DuplicateKey { .. } => Kind::Usage,
            Self::DuplicateName { .. } => Kind::DuplicateName,
            Self::MixedKinds { .. } | Self::Shape { .. } => Kind::Contradiction,
            Self::Unsupported { .. } => Kind::Unsupported,
            Self::Awkward { source, .. } => source.kind(),
            Self::UnreadUns(error) => error.kind(),
            Self::Read(error) => error.kind(),
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::NoInputs => None,
            // The one that can be changed: what came first is usually what is meant.
            Self::DuplicateKey { second, .. } => Some(second),
            Self::DuplicateName { file, .. }
            | Self::Shape { file, .. }
            | Self::Unsupported { file, .. } => Some(file),
            Self::MixedKinds { other_file, .. } => Some(other_file),
            Self::Awkward { source, .. } => source.file(),
            Self::UnreadUns(error) => error.file(),
            Self::Read(error) => error.file(),
        }
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::NoInputs | Self::DuplicateKey { .. } => None,
            Self::DuplicateName { element, .. }
            | Self::MixedKinds { element, .. }
            | Self::Shape { element, .. }
            | Self::Unsupported { element, .. }
            | Self::Awkward { element, .. } => Some(element),
            Self::UnreadUns(error) => error.element(),
            Self::Read(error) => error.element(),
        }
    }
}

/// The end of a sentence that is true of other files, too.
fn also_in(others: &[PathBuf]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let others: Vec<String> = others.iter().map(|file| file.display().to_string()).collect();
    format!(" (nor are they in {})", FirstFew(&others))
}
