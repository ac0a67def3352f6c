//! Concatenation: what `anndata.concat` decides, decided before any data is read.
//!
//! [`plan()`] takes decoded inputs and options to a [`Plan`]: an [`crate::anndata::AnnData`] whose
//! arrays are compositions of the inputs' arrays, with [`Notice`]s about what is dropped or
//! converted. [`Plan::compile`] takes the censuses that sparse matrices need. The definition of
//! every rule is `anndata/_core/merge.py` (0.12) and the pandas 2.3 beneath it; functions of both
//! are named where they are followed.
//!
//! Each room says in its `mod.rs` what it owns and what it decides; from the bottom up:
//!
//! | room | what |
//! |---|---|
//! | `numpy` | promotion of dtypes, numbers across dtypes |
//! | `kept` | what was counted, in private files and from one run to the next |
//! | `names` | the names of an axis and the keys of mappings, joined |
//! | [`awkward`] | awkward arrays |
//! | [`sparse`] | sparse matrices, planned and served |
//! | `texts` | the distinct values of text with missing ones |
//! | `told` | notices, the report, errors |
//! | `arrays` | dense arrays, text and records, one after another |
//! | `frames` | columns of frames |
//! | `merging` | what a merge strategy keeps |
//!
//! On the floor are what is asked ([`ConcatOptions`]) and of what ([`Input`]), what planning carries
//! along (`planner`), and what puts the rooms' results together: `join`, `mapping`, `unique`, `plan`,
//! `compile`.
//! `tests/layers.rs` checks the order.
//!
//! Nothing here knows a file format.

mod arrays;
pub mod awkward;
mod compile;
mod frames;
mod input;
mod join;
mod kept;
mod mapping;
mod merging;
mod names;
mod numpy;
mod options;
mod plan;
mod planner;
pub mod sparse;
mod texts;
mod told;
mod unique;

pub use compile::{CensusError, Compiled};
pub use input::Input;
pub use numpy::FillValue;
pub use options::{Axis, ConcatOptions, Join, LabelValues, Merge, MissingText, Pairwise};
pub use plan::{Plan, plan};
pub use planner::DroppedNames;
pub use sparse::{CensusEnv, FormatChoice};
pub use told::{
    AxisReport, ElementReport, InputJoin, Notice, NoticeReport, PlanError, ReadReport, Report,
};
pub use unique::NameCheck;
