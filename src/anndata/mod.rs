//! The element model: what AnnData files hold, in anndata's words, over lazy arrays.
//!
//! `decode` turns a [`crate::tree::Group`] into an [`AnnData`], `encode` turns it back. Nothing here
//! knows HDF5 or zarr, and nothing here concatenates.

mod elem;

pub use elem::{
    AnnData, Awkward, Categorical, Elem, Frame, Mapping, Nullable, Raw, Scalar, Sparse, SparseBody,
    SparseFormat,
};
