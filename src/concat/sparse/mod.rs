//! Sparse matrices of a concatenation: planned without reading, then resolved to lazy arrays.
//!
//! [`plan_stack`] and [`plan_pairwise`] decide format, shape and dtype and what each part needs;
//! [`resolve()`] does the work that only the data can decide (a census of what a join drops, the
//! conversion of parts in another encoding) and returns a [`Sparse`] whose `data`, `indices` and
//! `indptr` compute any region on demand.
//!
//! Words used throughout: the *stack axis* is the one being concatenated, the *other axis* the one
//! being joined. The *major* axis of a matrix is the one that `indptr` divides (rows of CSR), the
//! *minor* axis the one that `indices` point into. A stack is *major-aligned* when its stack axis is
//! the major one (CSR along obs, CSC along var): parts follow one another. Otherwise it is
//! *minor-aligned*: each major slice interleaves the parts.
//!
//! Nothing here knows a file format, names of observations or variables, or other elements.

mod cache;
mod census;
mod census_store;
mod column_map;
mod convert;
mod env;
mod handover;
mod interleave;
mod ints;
mod merge;
mod minor_part;
mod offsets;
mod part;
mod plan;
mod remapped;
mod report;
mod resolve;
mod rewrite;
mod source;
mod spill;
mod stack;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use crate::anndata::{Sparse, SparseBody, SparseFormat};
use crate::array::SharedArray;
use crate::base::{DType, Indexer};

pub use cache::BlockCache;
pub use env::CensusEnv;
pub use merge::{equal, plan_reindexed, reindexed, to_dense};
pub use plan::{plan_pairwise, plan_stack};
pub use report::{PartReport, SparseReport, Treatment};
pub use resolve::resolve;

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
    pub(super) fn dtype(&self) -> Option<DType> {
        match self {
            Self::Dense(array) => Some(array.dtype()),
            _ => self.header().map(|(_, _, dtype)| dtype),
        }
    }

    /// Format, shape and dtype of a sparse source.
    fn header(&self) -> Option<(SparseFormat, [u64; 2], DType)> {
        match self {
            Self::Sparse(sparse) => Some((sparse.format, sparse.shape, sparse.dtype)),
            Self::Planned(planned) => Some((planned.format, planned.shape, planned.dtype)),
            Self::Dense(_) | Self::Empty => None,
        }
    }
}

/// The value of entries that a join introduces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FillValue {
    /// An integer, numpy `int64` in promotions.
    Int(i64),
    /// A real number, numpy `float64` in promotions.
    Float(f64),
}

impl FillValue {
    /// The dtype that numpy gives it.
    #[must_use]
    pub const fn dtype(self) -> DType {
        match self {
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::F64,
        }
    }

    /// True for 0 and -0.
    #[must_use]
    pub fn is_zero(self) -> bool {
        match self {
            Self::Int(value) => value == 0,
            Self::Float(value) => value == 0.0,
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
    format: SparseFormat,
    shape: [u64; 2],
    dtype: DType,
    axis: Axis,
    layout: Layout,
    fill: Option<FillValue>,
    parts: Vec<PlannedPart>,
}

/// How the parts lie within the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// The stack axis is the major one.
    Major,
    /// The stack axis is the minor one.
    Minor,
    /// Blocks on the diagonal, in CSR.
    Diagonal,
}

/// A part with its place along the stack axis.
#[derive(Debug, Clone)]
struct PlannedPart {
    part: SparsePart,
    /// First position along the stack axis.
    start: u64,
    treatment: Treatment,
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
