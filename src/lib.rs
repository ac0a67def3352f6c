//! anncat: many AnnData files, mounted or written as one, with the semantics of `anndata.concat`.
//!
//! Layers, each of which only looks down (see `docs/ARCHITECTURE.md`):
//! `base < array < tree` are shared; `io < input < anndata < concat` produce lazy arrays;
//! `face < fuse` and `materialize` present a [`tree::Group`]. `recipe` is the one door to what
//! produces; `cli` goes through it and joins the two legs.

pub mod anndata;
pub mod array;
pub mod base;
pub mod cli;
pub mod concat;
pub mod face;
pub mod fuse;
pub mod h5ad;
pub mod input;
pub mod io;
pub mod materialize;
pub mod matrix;
pub mod recipe;
pub mod tree;
