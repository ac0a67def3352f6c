//! Concatenation: what `anndata.concat` decides, decided before any data is read.

pub mod sparse;
