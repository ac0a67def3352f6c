//! The types of the element model.

use std::sync::Arc;

use indexmap::IndexMap;

use super::error::DecodeError;
use crate::array::{SharedArray, SharedText};
use crate::base::DType;
use crate::tree::RecordArray;

/// Elements by key, in file order.
pub type Mapping = IndexMap<String, Elem>;

/// One AnnData object. Of an input or of a result alike; every array in it is lazy.
#[derive(Debug, Clone)]
pub struct AnnData {
    /// Number of observations.
    pub n_obs: u64,
    /// Number of variables.
    pub n_vars: u64,
    /// `X`: `n_obs × n_vars`.
    pub x: Option<Elem>,
    /// `obs`: `n_obs` rows.
    pub obs: Frame,
    /// `var`: `n_vars` rows.
    pub var: Frame,
    /// `layers`: each `n_obs × n_vars`.
    pub layers: Mapping,
    /// `obsm`: each with `n_obs` rows.
    pub obsm: Mapping,
    /// `varm`: each with `n_vars` rows.
    pub varm: Mapping,
    /// `obsp`: each `n_obs × n_obs`.
    pub obsp: Mapping,
    /// `varp`: each `n_vars × n_vars`.
    pub varp: Mapping,
    /// `raw`.
    pub raw: Option<Raw>,
    /// `uns`.
    pub uns: Mapping,
    /// Keys of `uns` that hold what is not read, and why ([`DecodeError::Unread`]). They matter only
    /// to who wants `uns`.
    pub uns_unread: Vec<(String, DecodeError)>,
}

/// `raw`: the matrix before features were dropped. Its rows are the parent's observations.
#[derive(Debug, Clone)]
pub struct Raw {
    /// `n_obs × raw.var.len()`.
    pub x: Elem,
    /// Its own variables.
    pub var: Frame,
    /// Arrays over its own variables.
    pub varm: Mapping,
}

/// Anything that an AnnData file can hold.
#[derive(Debug, Clone)]
pub enum Elem {
    /// Encoding `array`: numbers or booleans of any rank.
    Dense(SharedArray),
    /// Encoding `string-array`: text of any rank.
    Text(SharedText),
    /// Encodings `csr_matrix` and `csc_matrix`.
    Sparse(Sparse),
    /// Encoding `dataframe`.
    Frame(Frame),
    /// Encoding `categorical`.
    Categorical(Categorical),
    /// Encodings `nullable-integer`, `nullable-boolean`, `nullable-string-array`.
    Nullable(Nullable),
    /// Encodings `numeric-scalar` and `string`.
    Scalar(Scalar),
    /// Encoding `rec-array`.
    Record(Arc<RecordArray>),
    /// Encoding `awkward-array`.
    Awkward(Awkward),
    /// Encoding `dict`.
    Dict(Mapping),
    /// Encoding `anndata` or `raw`, within `uns`: its name, and the parts as they are.
    Object(&'static str, Mapping),
    /// Encoding `null`: Python's `None`.
    Null,
}

/// A scalar.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// A number or boolean: the little-endian bytes of one element.
    Number {
        /// Its type.
        dtype: DType,
        /// `dtype.size_bytes()` bytes.
        bytes: Vec<u8>,
    },
    /// A string.
    Text(String),
}

/// Which axis is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SparseFormat {
    /// Rows are compressed: `indptr` has `n_rows + 1` entries.
    Csr,
    /// Columns are compressed: `indptr` has `n_cols + 1` entries.
    Csc,
}

/// A sparse matrix.
#[derive(Debug, Clone)]
pub struct Sparse {
    /// Compressed axis.
    pub format: SparseFormat,
    /// Rows, columns.
    pub shape: [u64; 2],
    /// Type of the values.
    pub dtype: DType,
    /// Where the arrays come from.
    pub body: SparseBody,
}

/// The arrays of a sparse matrix.
#[derive(Debug, Clone)]
pub enum SparseBody {
    /// They can be read.
    Stored {
        /// Values, `nnz` long, of the matrix's dtype.
        data: SharedArray,
        /// Minor index of each value, `nnz` long, `int32` or `int64` (or as an odd file has it).
        indices: SharedArray,
        /// Where each major slice begins, one longer than the major axis.
        indptr: SharedArray,
    },
    /// They follow from a plan whose census has not been taken: the number identifies the matrix
    /// within its plan.
    Planned(usize),
}

/// A table: columns of equal length over an index.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Number of rows.
    pub len: u64,
    /// Name of the index, if it has one (`_index` and anndata's placeholders count as none).
    pub index_name: Option<String>,
    /// The index: [`Elem::Text`] nearly always; numbers, categoricals or nullable text in odd files.
    pub index: Box<Elem>,
    /// Columns in order: [`Elem::Dense`], [`Elem::Text`], [`Elem::Categorical`],
    /// [`Elem::Nullable`], all one-dimensional and `len` long (rarely others, which are errors).
    pub columns: IndexMap<String, Elem>,
}

/// A categorical array.
#[derive(Debug, Clone)]
pub struct Categorical {
    /// Index into `categories`, signed, -1 for missing.
    pub codes: SharedArray,
    /// Distinct values: [`Elem::Text`], [`Elem::Dense`] or [`Elem::Nullable`].
    pub categories: Box<Elem>,
    /// Whether the order of the categories means something.
    pub ordered: bool,
}

/// Values with a mask beside them.
#[derive(Debug, Clone)]
pub struct Nullable {
    /// [`Elem::Dense`] (integer, boolean, float) or [`Elem::Text`].
    pub values: Box<Elem>,
    /// Boolean, true where missing, of the values' shape.
    pub mask: SharedArray,
    /// What stands for a missing string in pandas, where that is said.
    pub na_value: Option<NaValue>,
}

/// What stands for a missing value in pandas' own dtype of strings (attribute `na-value`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NaValue {
    /// `pd.NA`: comparisons with it are neither true nor false.
    Na,
    /// NaN: comparisons with it are false.
    Nan,
}

/// An awkward array, in the form that `awkward.to_buffers` gives.
#[derive(Debug, Clone)]
pub struct Awkward {
    /// Number of outer elements.
    pub len: u64,
    /// The form, as JSON text.
    pub form: String,
    /// Buffers by name (`node0-offsets`).
    pub buffers: IndexMap<String, SharedArray>,
}
