//! Why a tree has no layout.

use crate::base::ReadError;

/// Why a tree has no layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A source failed.
    #[error("cannot read what goes to {element}: {source}")]
    Read {
        /// The element.
        element: String,
        /// What failed, and where.
        source: ReadError,
    },
    /// An element that is known to be unreadable.
    #[error("{element}: {why}")]
    Unreadable {
        /// The element.
        element: String,
        /// Why it cannot be read.
        why: String,
    },
    /// An element that HDF5 cannot hold.
    #[error("{element}: {why}")]
    Unrepresentable {
        /// The element.
        element: String,
        /// What the format lacks, and what to do.
        why: String,
    },
    /// The HDF5 library refused, or made something that is not known here.
    #[error("{element}: {what}")]
    Hdf5 {
        /// The element.
        element: String,
        /// What the library said.
        what: String,
    },
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl LayoutError {
    /// A failed read of what goes to an element.
    pub(super) fn read(element: &str) -> impl FnOnce(ReadError) -> Self + '_ {
        move |source| Self::Read { element: element.to_owned(), source }
    }

    /// A refusal of the library at an element.
    pub(super) fn hdf5(element: &str) -> impl Fn(hdf5::Error) -> Self + '_ {
        move |error| Self::Hdf5 { element: element.to_owned(), what: error.to_string() }
    }

    /// A string that HDF5 cannot hold.
    pub(super) fn nul(element: &str) -> Self {
        Self::Unrepresentable {
            element: element.to_owned(),
            why: "a string holds a NUL character, which HDF5 cannot store\n  hint: write a .zarr"
                .into(),
        }
    }
}
