//! The element model: what AnnData files hold, in anndata's words, over lazy arrays.
//!
//! [`decode()`] turns a [`crate::tree::Group`] into an [`AnnData`], [`encode()`] turns it back. Nothing
//! here knows HDF5 or zarr, and nothing here concatenates. Each encoding has a file of its own,
//! reading and writing side by side; `element` chooses among them, `legacy` holds what anndata
//! stopped writing, `select` leaves out what is not asked for, `decode` and `encode` are about whole
//! files.
//!
//! `element`, `frame`, `categorical`, `nullable` and `awkward` call one another: an element may be a
//! frame, a frame's columns and a categorical's categories are elements. The recursion is in the
//! format, and `tests/layers.rs` knows it.

mod attrs;
mod awkward;
mod categorical;
mod decode;
mod distinct;
mod elem;
mod element;
mod encode;
mod error;
mod frame;
mod legacy;
mod names;
mod nullable;
mod plain;
mod select;
mod sparse;
#[cfg(test)]
mod tests;

pub use categorical::code_dtype;
pub use decode::{decode, unknown_parts};
pub use elem::{
    AnnData, Awkward, Categorical, Elem, Frame, Mapping, NaValue, Nullable, Raw, Scalar, Sparse,
    SparseBody, SparseFormat,
};
pub use encode::{check_tables, encode};
pub use error::{DecodeError, EncodeError, drop_hint};
pub use select::{PatternError, Rule, Selection};
