//! What every layer shares: element types, regions of arrays, axis indexers, progress, and the error
//! of reading.

pub mod dtype;
pub mod error;
pub mod indexer;
pub mod parallel;
pub mod progress;
pub mod region;

pub use dtype::DType;
pub use error::ReadError;
pub use indexer::Indexer;
pub use progress::{Progress, Silent};
pub use region::{Dims, Region};
