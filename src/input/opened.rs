//! What comes of opening an input, or why it could not be opened. Knows no format.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::meant;
use crate::base::{Fault, Kind, ReadError};
use crate::io;
use crate::tree;

/// An opened input.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path it was opened by.
    pub path: PathBuf,
    /// Everything in it. Headers and attributes are in memory, array data is read when asked for.
    pub root: tree::Group,
    /// What it was when it was opened.
    pub identity: io::Identity,
    /// What is to be told of it.
    pub notes: Vec<Note>,
}

/// Something about an opened input that who named it may not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The flags of this file, which is it or one that it leads to, say that a program has it open for
    /// writing.
    OpenForWriting(PathBuf),
    /// Bytes of it lie in this other file.
    OtherFile(PathBuf),
}

/// Why an input could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// Nothing is there.
    #[error("{path}: there is no such file or directory{}", missing_hint(path, meant.as_deref()), path = path.display())]
    Missing {
        /// The path given.
        path: PathBuf,
        /// A path that is there, and may be meant.
        meant: Option<PathBuf>,
    },
    /// The group that was asked for is not in it.
    #[error("{path}: there is no group {group:?} in it{}", groups_hint(path, groups), path = path.display())]
    NoGroup {
        /// The file or store.
        path: PathBuf,
        /// The group asked for.
        group: String,
        /// Groups that are there.
        groups: Vec<String>,
    },
    /// The operating system refused.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Unreadable {
        /// The path given.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// A pipe, a device or a socket.
    #[error(
        "{path}: this is neither a file nor a directory\n  hint: write what comes from a pipe into a file first",
        path = path.display()
    )]
    NoFile {
        /// The path given.
        path: PathBuf,
    },
    /// A directory that holds no zarr store.
    #[error("{path}: this directory is not a zarr store (it has no zarr.json, .zgroup or .zmetadata)\n  hint: give the path of an .h5ad file or of the .zarr directory itself", path = path.display())]
    NotZarr {
        /// The path given.
        path: PathBuf,
    },
    /// A file that is no HDF5 file.
    #[error("{path}: this is not an HDF5 file{found}\n  hint: inputs are .h5ad files and .zarr directories", path = path.display())]
    NotHdf5 {
        /// The path given.
        path: PathBuf,
        /// What it seems to be instead, as a clause, or nothing.
        found: &'static str,
    },
    /// It changed while it was opened, or leads to a file that was not named.
    #[error(transparent)]
    Read(ReadError),
    /// A file that says of itself that it is open for writing, and that libhdf5 does not open then.
    #[error("{path}: a program has it open for writing, or had when it was killed ({what})\n  hint: close it there; where nobody has it open, `h5clear -s` takes the mark away", path = path.display())]
    OpenForWriting {
        /// The path given.
        path: PathBuf,
        /// What the library says.
        what: String,
    },
    /// A file or store of the right kind whose bytes contradict themselves.
    #[error("{path}: the file is damaged or incomplete: {what}\n  hint: copy or download it again", path = path.display())]
    Damaged {
        /// The path given.
        path: PathBuf,
        /// What was found.
        what: String,
    },
}

impl OpenError {
    /// The same of an error of reading.
    pub(super) fn read(path: &Path, error: ReadError) -> Self {
        match error {
            ReadError::Io { source, .. } => Self::Unreadable { path: path.to_owned(), source },
            other => Self::Read(other),
        }
    }

    pub(super) fn system(path: &Path, error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::NotFound {
            Self::Missing { path: path.to_owned(), meant: meant::nearest(path) }
        } else {
            Self::Unreadable { path: path.to_owned(), source: Arc::new(error) }
        }
    }
}

impl Fault for OpenError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing { .. } | Self::NoGroup { .. } => Kind::InputMissing,
            Self::Unreadable { .. } | Self::OpenForWriting { .. } => Kind::InputUnreadable,
            Self::NoFile { .. } | Self::NotZarr { .. } | Self::NotHdf5 { .. } => Kind::NotAnndata,
            Self::Damaged { .. } => Kind::Corrupt,
            Self::Read(error) => error.kind(),
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Missing { path, .. }
            | Self::NoGroup { path, .. }
            | Self::Unreadable { path, .. }
            | Self::NoFile { path }
            | Self::NotZarr { path }
            | Self::NotHdf5 { path, .. }
            | Self::OpenForWriting { path, .. }
            | Self::Damaged { path, .. } => Some(path),
            Self::Read(error) => error.file(),
        }
    }
}

fn missing_hint(path: &Path, meant: Option<&Path>) -> String {
    if let Some(meant) = meant {
        format!("\n  hint: did you mean {}?", meant.display())
    } else if path.to_string_lossy().contains(['~', '*', '?', '[']) {
        "\n  hint: a shell expands ~ and * only where they are not quoted".to_owned()
    } else {
        String::new()
    }
}

fn groups_hint(path: &Path, groups: &[String]) -> String {
    const SHOWN: usize = 8;
    let named: Vec<String> =
        groups.iter().take(SHOWN).map(|group| format!("{}::{group}", path.display())).collect();
    match groups.len() {
        0 => String::new(),
        number if number > SHOWN => {
            format!("\n  hint: its groups are {} and {} more", named.join(", "), number - SHOWN)
        }
        _ => format!("\n  hint: its groups are {}", named.join(", ")),
    }
}
