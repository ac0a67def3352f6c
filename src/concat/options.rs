//! What a user may ask of a concatenation, in the words of `anndata.concat`'s signature, and the
//! axis that everything else is written over.

use crate::anndata::{AnnData, Frame, Mapping};

use super::numpy::FillValue;
use super::sparse;

/// An axis of an AnnData object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Axis {
    /// Observations, axis 0.
    #[default]
    Obs,
    /// Variables, axis 1.
    Var,
}

impl Axis {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Obs => Self::Var,
            Self::Var => Self::Obs,
        }
    }

    /// 0 or 1.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Obs => 0,
            Self::Var => 1,
        }
    }

    /// `obs` or `var`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Obs => "obs",
            Self::Var => "var",
        }
    }

    /// `obsm` or `varm`.
    #[must_use]
    pub const fn mapping_name(self) -> &'static str {
        match self {
            Self::Obs => "obsm",
            Self::Var => "varm",
        }
    }

    /// `obsp` or `varp`.
    #[must_use]
    pub const fn pairwise_name(self) -> &'static str {
        match self {
            Self::Obs => "obsp",
            Self::Var => "varp",
        }
    }

    /// This axis of a matrix of observations by variables.
    #[must_use]
    pub const fn of_matrix(self) -> sparse::Axis {
        match self {
            Self::Obs => sparse::Axis::Rows,
            Self::Var => sparse::Axis::Columns,
        }
    }

    /// Number of positions on this axis.
    #[must_use]
    pub const fn len(self, adata: &AnnData) -> u64 {
        match self {
            Self::Obs => adata.n_obs,
            Self::Var => adata.n_vars,
        }
    }

    /// `obs` or `var`.
    #[must_use]
    pub const fn frame(self, adata: &AnnData) -> &Frame {
        match self {
            Self::Obs => &adata.obs,
            Self::Var => &adata.var,
        }
    }

    /// `obsm` or `varm`.
    #[must_use]
    pub const fn mapping(self, adata: &AnnData) -> &Mapping {
        match self {
            Self::Obs => &adata.obsm,
            Self::Var => &adata.varm,
        }
    }

    /// `obsp` or `varp`.
    #[must_use]
    pub const fn pairwise(self, adata: &AnnData) -> &Mapping {
        match self {
            Self::Obs => &adata.obsp,
            Self::Var => &adata.varp,
        }
    }
}

/// How the axis that is not concatenated is joined, and columns and keys with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Join {
    /// What all inputs have.
    #[default]
    Inner,
    /// What any input has.
    Outer,
}

/// How elements that are not aligned to the concatenated axis are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Merge {
    /// What is the same in every input.
    Same,
    /// What has one possible value.
    Unique,
    /// The first one seen.
    First,
    /// What only one input has.
    Only,
}

/// Whether pairwise elements of the concatenated axis are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pairwise {
    /// They are left out.
    #[default]
    Drop,
    /// They become block-diagonal.
    Keep,
}

/// What becomes of columns of text in which some is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MissingText {
    /// Categorical, unless the distinct values are too many to be in memory at once.
    #[default]
    Auto,
    /// Categorical, as anndata writes it.
    Categorical,
    /// Nullable text, which anndata reads from 0.11 on.
    Nullable,
}

/// What keys are in the column of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LabelValues {
    /// Text.
    #[default]
    Text,
    /// Integers, if all of them are, as of `anndata.concat({1: a, 2: b})`.
    Integers,
}

/// The arguments of `anndata.concat`, the format of sparse results, and what text becomes.
#[derive(Debug, Clone, Default)]
pub struct ConcatOptions {
    /// The axis to concatenate along.
    pub axis: Axis,
    /// How the other axis is joined.
    pub join: Join,
    /// How elements of the other axis are chosen; `None`: none are kept.
    pub merge: Option<Merge>,
    /// How elements of `uns` are chosen; `None`: none are kept.
    pub uns_merge: Option<Merge>,
    /// Column of the concatenated axis that tells the input of each row.
    pub label: Option<String>,
    /// What the categories of that column are.
    pub label_values: LabelValues,
    /// Separator between a name and its input's key; `None`: names stay as they are.
    pub index_unique: Option<String>,
    /// Value of entries that an outer join introduces; `None`: 0 if sparse, else NaN.
    pub fill_value: Option<FillValue>,
    /// What becomes of `obsp` (`varp` along var).
    pub pairwise: Pairwise,
    /// Format of sparse results.
    pub sparse_format: sparse::FormatChoice,
    /// What becomes of text in which some is missing.
    pub missing_text: MissingText,
}
