//! Writes a lazy tree as a real file: `.h5ad` or a `.zarr` directory.
//!
//! Owns how output is scheduled (bounded memory, all cores), staged (written beside the target and
//! renamed) and encoded. Knows no input format and no concatenation: it is handed a
//! [`crate::tree::Group`].

mod codec;
mod error;
pub mod h5ad;
mod leftovers;
mod options;
mod pieces;
mod schedule;
mod target;
pub mod zarr;

pub use error::MaterializeError;
pub use leftovers::{Leftover, Writer, leftovers, remove_leftover};
pub use options::{Cancel, Durability, Existing, Limits, OutputRules};
pub use target::{TargetKind, check_target};
