//! Arrays one after another: `concat_arrays`, whatever the inputs hold under one path.
//!
//! Owns dense arrays, arrays of text and records; sparse matrices it hands to `sparse`. Decides by
//! the kinds of the inputs' elements which of these it is, and the dtype. Knows no columns: those are
//! `frames`'.

mod concat;
mod dense;
mod records;
mod share;
mod text;

pub(super) use dense::reindex_dense;
pub(super) use share::{ArrayShare, Brought, Kind};
