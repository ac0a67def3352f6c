//! What each input brings to an element, and of what kind it is.

use crate::anndata::Elem;
use crate::base::{DType, Indexer};

/// One input's share of an element.
#[derive(Debug, Clone)]
pub struct ArrayShare<'a> {
    /// The element; `None` where the input does not have it.
    pub elem: Option<&'a Elem>,
    /// Extent along the concatenated axis.
    pub extent: u64,
    /// From the joined other axis to this input's.
    pub other: Indexer,
}

/// The dtype that one input's share brings to the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Brought {
    /// What it is in the input; `None` where the input does not have it.
    pub own: Option<DType>,
    /// What it is with all that is filled in.
    pub dtype: DType,
}

impl Brought {
    /// Of an input that has no part in it.
    pub const NOTHING: Self = Self { own: None, dtype: DType::Bool };
}

/// What an element is, as far as concatenation cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Dense,
    /// Text.
    Text,
    /// A sparse matrix.
    Sparse,
    /// A frame.
    Frame,
    /// An awkward array.
    Awkward,
    /// A record array.
    Record,
    /// Nothing that can be concatenated.
    Other,
}

impl Kind {
    /// The kind of an element.
    pub const fn of(elem: &Elem) -> Self {
        match elem {
            Elem::Dense(_) => Self::Dense,
            Elem::Text(_) => Self::Text,
            Elem::Sparse(_) => Self::Sparse,
            Elem::Frame(_) => Self::Frame,
            Elem::Awkward(_) => Self::Awkward,
            Elem::Record(_) => Self::Record,
            _ => Self::Other,
        }
    }

    /// In a sentence.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Dense => "a dense array",
            Self::Text => "an array of strings",
            Self::Sparse => "a sparse matrix",
            Self::Frame => "a data frame",
            Self::Awkward => "an awkward array",
            Self::Record => "a record array",
            Self::Other => "an element that is no array",
        }
    }
}
