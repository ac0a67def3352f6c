//! What every layer shares: element types, regions of arrays, axis indexers, progress, the error of
//! reading, what every error says of itself, and the names of zarr's documents.

pub mod dtype;
pub mod error;
pub mod fault;
pub mod huge_pages;
pub mod indexer;
mod lookup3;
pub mod memory;
pub mod parallel;
pub mod plain_dims;
pub mod progress;
pub mod region;
pub mod said;
pub mod sync;
#[cfg(test)]
pub(crate) mod testing;
pub mod zarr_documents;

pub use dtype::DType;
pub use error::ReadError;
pub use fault::{Fault, FaultReport, Kind};
pub use indexer::Indexer;
pub use lookup3::lookup3;
pub use progress::{Progress, Silent};
pub use region::{Dims, Region};
