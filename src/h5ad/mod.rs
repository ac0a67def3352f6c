//! The bytes of an `.h5ad` file, without its numbers and long text: where everything lies.
//!
//! A [`Draft`] is a file that libhdf5 makes: groups, attributes, records and short text are in it,
//! numbers only have their room. [`Draft::finish`] closes it, gives long text its room behind that,
//! and returns the [`Layout`]: which bytes of the file are still to come, and from which lazy arrays.
//! Whoever writes these (`materialize`) or computes them when they are read (`face`) has the same
//! file, byte for byte, on every run: nothing of it depends on time, on threads or on its name.
//!
//! Compressed numbers are the exception: their chunks go through libhdf5, between the two steps.
//!
//! Not known here: where arrays come from, who reads the file, and how much is in flight.

mod draft;
mod error;
mod heap;
mod measure;
mod patch;
mod placed;
mod raw;
mod record;
#[cfg(test)]
mod tests;
mod text;
mod types;

pub use draft::{Chunked, Draft, numeric_arrays};
pub use error::LayoutError;
pub use heap::PlacedText;
pub use measure::Bounds;
pub use placed::{Filter, Grid, Layout, PlacedNumbers, Storage};
pub use raw::ChunkWriter;
