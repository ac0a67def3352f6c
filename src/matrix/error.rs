//! Why an element cannot be had as a matrix.

use std::path::Path;

use crate::base::{DType, Fault, Kind, ReadError};

/// Why an element cannot be had as a matrix. Each names the element.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MatrixError {
    /// The tree has no such element.
    #[error("{element}: there is no such element\n  hint: `inspect` lists what there is")]
    NoElement {
        /// Path of the element.
        element: String,
    },
    /// The element is of another kind than was asked for.
    #[error("{element}: {what}")]
    Kind {
        /// Path of the element.
        element: String,
        /// What it is, what is needed, and a hint.
        what: String,
    },
    /// The values are of another type than was asked for.
    #[error(
        "{element}: its values are {found}, not {asked}\n  hint: ask for {found}, or convert the matrix afterwards"
    )]
    Type {
        /// Path of the element.
        element: String,
        /// The type of the values.
        found: DType,
        /// The type that was asked for.
        asked: DType,
    },
    /// A row or column that is not there.
    #[error("{element}: {axis} {index} is out of range, there are {len}")]
    OutOfRange {
        /// Path of the element.
        element: String,
        /// `row` or `column`.
        axis: &'static str,
        /// What was asked for.
        index: u64,
        /// How many there are.
        len: u64,
    },
    /// A matrix that sprs or ndarray cannot hold.
    #[error("{element}: {what}")]
    Unfit {
        /// Path of the element.
        element: String,
        /// Why.
        what: String,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Cancelled,
    /// A source failed.
    #[error("cannot read {element}: {source}")]
    Read {
        /// Path of the element.
        element: String,
        /// What failed, and where.
        source: ReadError,
    },
}

impl MatrixError {
    pub(super) fn read(element: &str) -> impl Fn(ReadError) -> Self + '_ {
        move |source| Self::Read { element: element.to_owned(), source }
    }
}

impl Fault for MatrixError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoElement { .. } | Self::Type { .. } | Self::OutOfRange { .. } => Kind::Usage,
            Self::Kind { .. } | Self::Unfit { .. } => Kind::Unrepresentable,
            Self::Cancelled => Kind::Interrupted,
            Self::Read { source, .. } => source.kind(),
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Read { source, .. } => source.file(),
            _ => None,
        }
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::NoElement { element }
            | Self::Kind { element, .. }
            | Self::Type { element, .. }
            | Self::OutOfRange { element, .. }
            | Self::Unfit { element, .. } => Some(element),
            Self::Read { element, source } => source.element().or(Some(element)),
            Self::Cancelled => None,
        }
    }
}
