//! The one door to the engine: what is to be merged, and how, goes in; the merged tree and what is
//! to be told of it come out.
//!
//! A [`Recipe`] names the inputs with their keys, the options of the concatenation and the layout
//! of the store. [`Planned::open`] opens the inputs and decides everything that their headers
//! decide: the shape, the report, the notices. [`Planned::compile`] makes the tree of it, which
//! may have to read much. [`Merged::open`] is both steps. [`plan_file`] keeps a recipe as a file,
//! with the [identity](ContentIdentity) of each input.
//!
//! Owns the order of these steps and the errors of several inputs at once. Knows nothing of command
//! lines, file systems or output files, and prints nothing: progress goes to a
//! [`crate::base::Progress`], what is told is data.

mod document;
mod error;
mod fingerprint;
mod identity;
mod notices;
mod open;
mod place;
pub mod plan_file;
mod relocate;
#[cfg(test)]
mod tests;
mod what;

pub use error::{InputError, RecipeError};
pub use identity::{ContentIdentity, Expected};
pub use open::{Merged, Planned};
pub use place::Place;
pub use relocate::Relocation;
pub use what::{Input, Limits, Recipe};
