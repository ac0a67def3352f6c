//! numpy's arithmetic of types and numbers.
//!
//! Owns the promotion of dtypes, the value that fills what a join introduces, and numbers compared
//! and added across dtypes. Decides which dtype holds what several hold together. Knows no element,
//! file or frame; what pandas does beyond numpy is in `frames`.

mod fill;
mod number;
mod promotion;

pub use fill::FillValue;
pub(super) use number::{Number, sum};
pub(super) use promotion::{Filled, fill_bytes, nan_bytes, promote_fill, result_type};
