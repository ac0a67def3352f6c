//! Writes a lazy tree as a real file: `.h5ad` or a `.zarr` directory.
//!
//! Owns how output is scheduled (bounded memory, all cores), staged (written beside the target and
//! renamed) and encoded. Knows no input format and no concatenation: it is handed a
//! [`crate::tree::Group`].

mod blocks;
mod codec;
mod error;
pub mod h5ad;
mod options;
mod pieces;
mod schedule;
mod target;
pub mod zarr;

pub use error::MaterializeError;
pub use options::{Cancel, Durability, Existing, Limits, OutputRules};
pub use target::{TargetKind, check_target, leftovers};
