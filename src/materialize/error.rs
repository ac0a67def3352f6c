//! Why a tree could not be written.

use std::path::{Path, PathBuf};

use crate::base::fault::is_full;
use crate::base::{Fault, Kind};
use crate::face::FaceError;
use crate::tree::ElementError;

/// Why a tree could not be written. Nothing is left behind in any of these cases, but for a complete
/// output whose directory could not be synced.
#[derive(Debug, thiserror::Error)]
pub enum MaterializeError {
    /// The output is there already.
    #[error("{path}: the output exists already\n  hint: --force replaces it", path = path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output is one of the inputs, holds one, or lies in one.
    #[error(
        "{path}: the output would overwrite the input {input}\n  hint: choose another output; an input is never overwritten, not even with --force",
        path = path.display(), input = input.display()
    )]
    IsInput {
        /// The output.
        path: PathBuf,
        /// The input that it would harm.
        input: PathBuf,
    },
    /// The directory that the output would lie in does not exist.
    #[error(
        "{path}: the output's directory does not exist\n  hint: mkdir -p {directory}",
        path = path.display(), directory = directory.display()
    )]
    NoDirectory {
        /// The output.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// What stands at the output's place is of another kind, so it is not replaced.
    #[error(
        "{path}: refusing to replace it: {why}\n  hint: choose another output",
        path = path.display()
    )]
    NotReplaceable {
        /// The output.
        path: PathBuf,
        /// What stands there.
        why: &'static str,
    },
    /// The output cannot hold this many bytes.
    #[error(
        "{path}: not enough space: the output takes {}, and {} are free\n  hint: make room or write elsewhere; --compression makes it smaller",
        mib(*needed), mib(*available), path = path.display()
    )]
    NoSpace {
        /// The output.
        path: PathBuf,
        /// Bytes that the output takes.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// Space ran out on the way.
    #[error(
        "{path}: {element}: no space for the output, which takes {needed} bytes before compression: {source}",
        path = path.display()
    )]
    DiskFull {
        /// The output.
        path: PathBuf,
        /// The element being written.
        element: String,
        /// Bytes that the output takes, before compression.
        needed: u64,
        /// What the system said.
        source: std::io::Error,
    },
    /// An element cannot go to the output.
    #[error(transparent)]
    Element(#[from] ElementError),
    /// A tree that zarr cannot express.
    #[error(transparent)]
    Face(#[from] FaceError),
    /// The operating system refused to write.
    #[error("{path}: {element}: {source}", path = path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// The element being written.
        element: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The operating system refused to make room for the output, or to give it its name.
    #[error("{path}: {doing}: {source}", path = path.display())]
    Staging {
        /// The output.
        path: PathBuf,
        /// What could not be done.
        doing: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The HDF5 library refused to write.
    #[error("{path}: {element}: {what}", path = path.display())]
    Hdf5 {
        /// The output.
        path: PathBuf,
        /// The element being written.
        element: String,
        /// What the library said.
        what: String,
    },
    /// A signal came.
    #[error("interrupted; nothing was written")]
    Cancelled,
}

impl MaterializeError {
    /// Wraps a failed write; a full disk, quota or file size limit gets its own message.
    pub(super) fn write(path: &Path, element: &str, needed: u64, source: std::io::Error) -> Self {
        let (path, element) = (path.to_owned(), element.to_owned());
        if is_full(&source) {
            Self::DiskFull { path, element, needed, source }
        } else {
            Self::Write { path, element, source }
        }
    }
}

impl Fault for MaterializeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Exists { .. } => Kind::OutputExists,
            Self::IsInput { .. } | Self::NoDirectory { .. } | Self::NotReplaceable { .. } => {
                Kind::OutputRefused
            }
            Self::NoSpace { .. } | Self::DiskFull { .. } => Kind::NoSpace,
            Self::Element(error) => error.kind(),
            Self::Face(error) => error.kind(),
            Self::Staging { source, .. } => Kind::of_writing(source),
            Self::Write { .. } | Self::Hdf5 { .. } => Kind::OutputUnwritable,
            Self::Cancelled => Kind::Interrupted,
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Exists { path }
            | Self::IsInput { path, .. }
            | Self::NoDirectory { path, .. }
            | Self::NotReplaceable { path, .. }
            | Self::NoSpace { path, .. }
            | Self::DiskFull { path, .. }
            | Self::Write { path, .. }
            | Self::Staging { path, .. }
            | Self::Hdf5 { path, .. } => Some(path),
            Self::Element(error) => error.file(),
            Self::Face(_) | Self::Cancelled => None,
        }
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::DiskFull { element, .. }
            | Self::Write { element, .. }
            | Self::Hdf5 { element, .. } => Some(element),
            Self::Element(error) => error.element(),
            Self::Face(error) => error.element(),
            _ => None,
        }
    }
}

fn mib(len_bytes: u64) -> String {
    format!("{:.1} MiB", len_bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_has_a_kind() {
        assert_eq!(MaterializeError::Cancelled.kind(), Kind::Interrupted);
    }

    #[test]
    fn what_is_no_element_is_not_told_as_one() {
        let staging = |errno| MaterializeError::Staging {
            path: "out.h5ad".into(),
            doing: "cannot sync .out.h5ad.tmp".to_owned(),
            source: std::io::Error::from_raw_os_error(errno),
        };
        let full = staging(libc::ENOSPC);
        assert_eq!((full.kind(), full.element()), (Kind::NoSpace, None));
        let said = full.to_string();
        assert!(said.starts_with("out.h5ad: cannot sync .out.h5ad.tmp: No space left"), "{said}");
        assert_eq!(staging(libc::EIO).kind(), Kind::OutputUnwritable);
        let source = std::io::Error::from_raw_os_error(libc::EIO);
        let write = MaterializeError::write(Path::new("out.h5ad"), "/X", 0, source);
        assert_eq!((write.kind(), write.element()), (Kind::OutputUnwritable, Some("/X")));
    }
}
