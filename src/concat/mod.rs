//! Concatenation: what `anndata.concat` decides, decided before any data is read.
//!
//! [`plan()`] takes decoded inputs and options to a [`Plan`]: an [`crate::anndata::AnnData`] whose
//! arrays are compositions of the inputs' arrays, with [`Notice`]s about what is dropped or
//! converted. [`Plan::compile`] takes the censuses that sparse matrices need. The definition of
//! every rule is `anndata/_core/merge.py` (0.12) and the pandas 2.3 beneath it; functions of both
//! are named where they are followed.
//!
//! | module | decides |
//! |---|---|
//! | `names`, `axis` | the joined axis and each input's place on it |
//! | `frame`, `column`, `column_rule`, `column_type`, `categories`, `natsort` | columns of frames |
//! | `arrays`, `text_arrays`, `dtype`, `mapping`, `sparse` | matrices and aligned elements |
//! | `other_axis`, `merge`, `equal`, `as_array`, `values`, `number`, `reindex` | what a merge strategy keeps |
//! | `plan`, `report`, `notice` | the whole, and what is told about it |
//!
//! Nothing here knows a file format.

mod arrays;
mod as_array;
pub mod awkward;
mod axis;
mod categories;
mod column;
mod column_rule;
mod column_type;
mod compile;
mod dtype;
mod equal;
mod error;
mod frame;
#[cfg(test)]
mod frame_tests;
mod input;
mod keys;
mod mapping;
mod merge;
mod missing;
mod names;
mod natsort;
mod notice;
mod number;
mod numbering;
mod options;
mod other_axis;
mod plan;
mod records;
mod reindex;
mod report;
mod sorted;
pub mod sparse;
mod text_arrays;
mod values;

pub use compile::CensusError;
pub use error::PlanError;
pub use input::Input;
pub use notice::Notice;
pub use options::{Axis, ConcatOptions, Join, Merge, Pairwise};
pub use plan::{Plan, plan};
pub use report::{AxisReport, ElementReport, InputJoin, NoticeReport, ReadReport, Report};
pub use sparse::{CensusEnv, FillValue, FormatChoice};
