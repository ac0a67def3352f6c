//! From a planned matrix to one that can be read: what only the data can decide.
//!
//! Owns censuses and conversions between encodings. Decides what is counted
//! and what is known from before. Knows nothing of how a region is computed.

mod census;
mod convert;
mod env;
mod resolve;

pub(super) use convert::transposed;
pub use env::CensusEnv;
pub use resolve::resolve;
