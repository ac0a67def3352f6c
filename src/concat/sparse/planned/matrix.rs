//! A sparse matrix of the result before anything is read: its parts, and how they lie within it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::anndata::{Sparse, SparseBody, SparseFormat};
use crate::array::SharedArray;
use crate::base::{DType, Indexer};
use crate::concat::numpy::FillValue;

/// An axis of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// Axis 0.
    Rows,
    /// Axis 1.
    Columns,
}

impl Axis {
    /// 0 or 1.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Rows => 0,
            Self::Columns => 1,
        }
    }
}

/// Where a part comes from: for messages, and for the key of what is kept on disk about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The file.
    pub file: Arc<PathBuf>,
    /// Path of the element inside the file (`/X`).
    pub element: String,
    /// Text that changes whenever the file does (a hash of its `io::Identity`). Empty: nothing about
    /// this part is kept on disk.
    pub identity: Arc<str>,
}

impl Origin {
    /// For values that are not sparse, so that nothing is said of them.
    #[must_use]
    pub fn unnamed() -> Self {
        Self { file: Arc::new(PathBuf::new()), element: String::new(), identity: "".into() }
    }
}

/// One input's share of a sparse element.
#[derive(Debug, Clone)]
pub struct SparsePart {
    /// The values.
    pub source: PartSource,
    /// Extent along the stack axis.
    pub extent: u64,
    /// From the merged other axis to the source's.
    pub other: Indexer,
    /// Where it comes from.
    pub origin: Origin,
}

/// What holds the values of a part.
#[derive(Debug, Clone)]
pub enum PartSource {
    /// A sparse matrix whose arrays can be read.
    Sparse(Sparse),
    /// A dense matrix.
    Dense(SharedArray),
    /// A matrix that follows from another plan.
    Planned(Box<PlannedSparse>),
    /// The input does not have this element.
    Empty,
}

impl PartSource {
    /// dtype of the values, where there are any.
    pub fn dtype(&self) -> Option<DType> {
        match self {
            Self::Dense(array) => Some(array.dtype()),
            _ => self.header().map(|(_, _, dtype)| dtype),
        }
    }

    /// Format, shape and dtype of a sparse source.
    pub(super) fn header(&self) -> Option<(SparseFormat, [u64; 2], DType)> {
        match self {
            Self::Sparse(sparse) => Some((sparse.format, sparse.shape, sparse.dtype)),
            Self::Planned(planned) => Some((planned.format, planned.shape, planned.dtype)),
            Self::Dense(_) | Self::Empty => None,
        }
    }
}

/// In which format a stack comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FormatChoice {
    /// The inputs' own when they agree, else CSR.
    #[default]
    Auto,
    /// This one.
    Always(SparseFormat),
}

/// How parts are stacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct StackOptions {
    /// The value of introduced entries; `None` is zero.
    pub fill: Option<FillValue>,
    /// The format of the result.
    pub format: FormatChoice,
}

/// A sparse matrix of the result, before its census.
#[derive(Debug, Clone)]
pub struct PlannedSparse {
    pub(in crate::concat::sparse) format: SparseFormat,
    pub(in crate::concat::sparse) shape: [u64; 2],
    pub(in crate::concat::sparse) dtype: DType,
    pub(in crate::concat::sparse) axis: Axis,
    pub(in crate::concat::sparse) layout: Layout,
    pub(in crate::concat::sparse) fill: Option<FillValue>,
    pub(in crate::concat::sparse) parts: Vec<PlannedPart>,
}

/// How the parts lie within the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The stack axis is the major one.
    Major,
    /// The stack axis is the minor one.
    Minor,
    /// Blocks on the diagonal, in CSR.
    Diagonal,
}

/// A part with its place along the stack axis.
#[derive(Debug, Clone)]
pub struct PlannedPart {
    /// The part.
    pub part: SparsePart,
    /// First position along the stack axis.
    pub start: u64,
    /// What it needs.
    pub treatment: Treatment,
}

impl PlannedSparse {
    /// The format of the result.
    #[must_use]
    pub const fn format(&self) -> SparseFormat {
        self.format
    }

    /// Rows, columns of the result.
    #[must_use]
    pub const fn shape(&self) -> [u64; 2] {
        self.shape
    }

    /// The dtype of the result's values.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// The matrix as it stands in a plan, under the number that identifies it there.
    #[must_use]
    pub const fn header(&self, number: usize) -> Sparse {
        Sparse {
            format: self.format,
            shape: self.shape,
            dtype: self.dtype,
            body: SparseBody::Planned(number),
        }
    }
}

/// What a part needs before it can be read as a piece of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Treatment {
    /// Nothing: its arrays are served as they are, shifted.
    Identity,
    /// Indices change and nothing is lost; rows are rewritten while they are read.
    Remapped,
    /// Entries are lost: what remains of each major slice is counted first.
    Census,
    /// It is rewritten in the format of the result first.
    Converted,
    /// It has no entries of its own.
    Empty,
}
