//! What people are told: notices of what is dropped or converted, the report of a plan, and errors.
//!
//! Owns their sentences and the stable form that `inspect --json` gives them. Decides nothing: each
//! is made where its reason is found. Knows no rule of concatenation.

mod error;
mod notice;
mod report;
mod sentence;

pub use error::PlanError;
pub use notice::{CostsMost, NamesOfAKind, Notice};
pub use report::{AxisReport, ElementReport, InputJoin, NoticeReport, ReadReport, Report};
pub use sentence::first_of;
