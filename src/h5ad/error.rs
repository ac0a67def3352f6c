//! Why a tree has no layout.

use crate::tree::ElementError;

/// Why a tree has no layout.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// An element cannot go there.
    #[error(transparent)]
    Element(#[from] ElementError),
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
    /// A refusal of the library at an element.
    pub(super) fn hdf5(element: &str) -> impl Fn(hdf5::Error) -> Self + '_ {
        move |error| Self::Hdf5 { element: element.to_owned(), what: error.to_string() }
    }

    /// A string that HDF5 cannot hold.
    pub(super) fn nul(element: &str) -> Self {
        let what = "a string holds a NUL character, which HDF5 cannot store";
        Self::text(element, what)
    }

    /// Text that HDF5 cannot hold, and zarr can.
    pub(super) fn text(element: &str, what: &str) -> Self {
        let why = format!("{what}\n  hint: write a .zarr");
        ElementError::Unrepresentable { element: element.to_owned(), why }.into()
    }
}
