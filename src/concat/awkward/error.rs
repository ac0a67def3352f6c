//! Why awkward arrays cannot be combined.

use std::path::Path;

use crate::base::{Fault, Kind, ReadError};

/// Why awkward arrays cannot be combined.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AwkwardError {
    /// A form that cannot be parsed, or asks for something this program does not read.
    #[error("the form of an awkward array: {0}")]
    Form(String),
    /// Buffers that contradict their form.
    #[error("an awkward array's buffer {buffer:?}: {what}")]
    Buffer {
        /// Name of the buffer.
        buffer: String,
        /// What was found and expected.
        what: String,
    },
    /// `ak.concatenate` refuses to merge these.
    #[error("awkward arrays cannot be merged: {0}")]
    Unmergeable(String),
    /// A buffer could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Fault for AwkwardError {
    fn kind(&self) -> Kind {
        match self {
            Self::Form(_) => Kind::Unsupported,
            Self::Buffer { .. } => Kind::Corrupt,
            Self::Unmergeable(_) => Kind::Contradiction,
            Self::Read(error) => error.kind(),
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Read(error) => error.file(),
            _ => None,
        }
    }
}
