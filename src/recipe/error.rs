//! Why a recipe cannot be carried out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::anndata::{DecodeError, EncodeError};
use crate::base::{Fault, Kind, ReadError};
use crate::concat::{CensusError, PlanError};
use crate::input::OpenError;

/// Why one input cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InputError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It does not say what an AnnData says.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// It is not what the plan says.
    #[error(
        "{path}: this is not the input that the plan was made of: {what}\n  hint: plan the inputs \
         as they are now with `anncat inspect --save`",
        path = path.display()
    )]
    Changed {
        /// The input.
        path: PathBuf,
        /// What is different.
        what: String,
    },
    /// It could not be looked at to tell whether it is the same.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a recipe cannot be carried out, or a plan not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecipeError {
    /// Inputs cannot be used. The first error is told whole, of the others the first lines.
    #[error("{first}{}", also(others))]
    Inputs {
        /// Why the first of them cannot.
        first: Box<InputError>,
        /// Why the others cannot.
        others: Vec<InputError>,
    },
    /// Inputs contradict each other.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What sparse matrices need could not be read or kept.
    #[error(transparent)]
    Census(#[from] CensusError),
    /// The result has no form in a file.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A file is no plan that this version can carry out.
    #[error("{path}: {what}", path = path.display())]
    NoPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// A plan cannot be read or written.
    #[error("{path}: {doing}: {source}", path = path.display())]
    PlanFile {
        /// The plan.
        path: PathBuf,
        /// What was to be done.
        doing: &'static str,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// What stands where a plan is to be written is something else.
    #[error(
        "{path}: something that is no plan stands there\n  hint: give the plan another name",
        path = path.display()
    )]
    PlanExists {
        /// The file.
        path: PathBuf,
    },
    /// A path that JSON cannot hold.
    #[error(
        "{path}: a plan holds text, and this path is not UTF-8\n  hint: rename the input, or make \
         a link to it",
        path = path.display()
    )]
    NoText {
        /// The path.
        path: PathBuf,
    },
    /// A relocation that moves nothing.
    #[error(
        "no input of the plan lies in {old}\n  hint: the first one is {first}",
        old = old.display(), first = first.display()
    )]
    RelocatesNothing {
        /// The directory that was to be replaced.
        old: PathBuf,
        /// Where the first input of the plan is.
        first: PathBuf,
    },
}

impl RecipeError {
    pub(super) fn no_plan(path: &Path, what: impl Into<String>) -> Self {
        Self::NoPlan { path: path.to_owned(), what: what.into() }
    }

    pub(super) fn plan_file(
        path: &Path,
        doing: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::PlanFile { path, doing, source: Arc::new(source) }
    }
}

/// Other inputs that cannot be used. What can be done about them is mostly the same.
fn also(others: &[InputError]) -> String {
    const MOST_NAMED: usize = 5;
    let mut text = String::new();
    for other in others.iter().take(MOST_NAMED) {
        let other = other.to_string();
        text += &format!("\n  also: {}", other.lines().next().unwrap_or_default());
    }
    if others.len() > MOST_NAMED {
        text += &format!("\n  also: {} more inputs", others.len() - MOST_NAMED);
    }
    text
}

impl Fault for InputError {
    fn kind(&self) -> Kind {
        match self {
            Self::Open(error) => error.kind(),
            Self::Decode(error) => error.kind(),
            Self::Changed { .. } => Kind::Changed,
            Self::Read(error) => error.kind(),
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Open(error) => error.file(),
            Self::Decode(error) => error.file(),
            Self::Changed { path, .. } => Some(path),
            Self::Read(error) => error.file(),
        }
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::Open(error) => error.element(),
            Self::Decode(error) => error.element(),
            Self::Changed { .. } => None,
            Self::Read(error) => error.element(),
        }
    }
}

impl Fault for RecipeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Inputs { first, .. } => first.kind(),
            Self::Plan(error) => error.kind(),
            Self::Census(error) => error.kind(),
            Self::Encode(error) => error.kind(),
            Self::NoPlan { .. } | Self::PlanFile { .. } | Self::NoText { .. } => Kind::Plan,
            Self::PlanExists { .. } => Kind::OutputExists,
            Self::RelocatesNothing { .. } => Kind::Usage,
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Inputs { first, .. } => first.file(),
            Self::Plan(error) => error.file(),
            Self::Census(error) => error.file(),
            Self::Encode(error) => error.file(),
            Self::NoPlan { path, .. }
            | Self::PlanFile { path, .. }
            | Self::NoText { path }
            | Self::PlanExists { path } => Some(path),
            Self::RelocatesNothing { old, .. } => Some(old),
        }
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::Inputs { first, .. } => first.element(),
            Self::Plan(error) => error.element(),
            Self::Census(error) => error.element(),
            Self::Encode(error) => error.element(),
            _ => None,
        }
    }

    fn others(&self) -> Vec<&dyn Fault> {
        match self {
            Self::Inputs { others, .. } => others.iter().map(|other| other as _).collect(),
            _ => Vec::new(),
        }
    }
}
