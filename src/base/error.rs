//! The error of reading data: one type for every layer that moves bytes, so that a face can turn it
//! into an errno and the command line into a sentence.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{Fault, Kind};

/// Why data could not be read. Cheap to clone: caches hand the same failure to every waiter.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The operating system refused.
    #[error("{}{source}", place(file, element))]
    Io {
        /// The file read from.
        file: PathBuf,
        /// Path of the element inside the file (`/X/data`), or empty.
        element: String,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The source is no longer what it was when it was opened.
    #[error("{file}: the file has changed since it was opened\n  hint: start again; a mount has to be made anew", file = file.display())]
    Changed {
        /// The file that changed.
        file: PathBuf,
    },
    /// The bytes contradict themselves.
    #[error("{}{what}", place(file, element))]
    Corrupt {
        /// The file read from.
        file: PathBuf,
        /// Path of the element inside the file.
        element: String,
        /// What was found, and what was expected.
        what: String,
    },
    /// The bytes are of a kind that this program does not read.
    #[error("{}{what}", place(file, element))]
    Unsupported {
        /// The file read from.
        file: PathBuf,
        /// Path of the element inside the file.
        element: String,
        /// What was found and what to do.
        what: String,
    },
    /// Whoever asked for it wants it no longer.
    #[error("cancelled")]
    Cancelled,
}

/// `file: element: `, without what is not known.
fn place(file: &std::path::Path, element: &str) -> String {
    let mut place = String::new();
    if !file.as_os_str().is_empty() {
        place.push_str(&format!("{}: ", file.display()));
    }
    if !element.is_empty() {
        place.push_str(element);
        place.push_str(": ");
    }
    place
}

impl ReadError {
    /// Wraps an [`std::io::Error`] with the place where it happened.
    pub fn io(
        file: impl Into<PathBuf>,
        element: impl Into<String>,
        source: std::io::Error,
    ) -> Self {
        Self::Io { file: file.into(), element: element.into(), source: Arc::new(source) }
    }

    /// Bytes that contradict themselves.
    pub fn corrupt(
        file: impl Into<PathBuf>,
        element: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self::Corrupt { file: file.into(), element: element.into(), what: what.into() }
    }

    /// The same error, said of an element of its file, unless it names one already.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        if let Self::Io { element, .. }
        | Self::Corrupt { element, .. }
        | Self::Unsupported { element, .. } = &mut self
            && element.is_empty()
        {
            name.clone_into(element);
        }
        self
    }

    /// The same error, said of a file, unless it names one already.
    #[must_use]
    pub fn of_file(mut self, path: &Path) -> Self {
        if let Self::Io { file, .. } | Self::Corrupt { file, .. } | Self::Unsupported { file, .. } =
            &mut self
            && file.as_os_str().is_empty()
        {
            path.clone_into(file);
        }
        self
    }

    /// Bytes of a kind that is not read.
    pub fn unsupported(
        file: impl Into<PathBuf>,
        element: impl Into<String>,
        what: impl Into<String>,
    ) -> Self {
        Self::Unsupported { file: file.into(), element: element.into(), what: what.into() }
    }
}

impl Fault for ReadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { source, .. } => Kind::of_reading(source),
            Self::Changed { .. } => Kind::Changed,
            Self::Corrupt { .. } => Kind::Corrupt,
            Self::Unsupported { .. } => Kind::Unsupported,
            Self::Cancelled => Kind::Interrupted,
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Io { file, .. }
            | Self::Changed { file }
            | Self::Corrupt { file, .. }
            | Self::Unsupported { file, .. } => {
                Some(file).filter(|file| !file.as_os_str().is_empty())
            }
            Self::Cancelled => None,
        }
        .map(PathBuf::as_path)
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::Io { element, .. }
            | Self::Corrupt { element, .. }
            | Self::Unsupported { element, .. } => Some(element.as_str()),
            Self::Changed { .. } | Self::Cancelled => None,
        }
        .filter(|element| !element.is_empty())
    }
}
