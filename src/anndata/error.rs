//! Why a tree is not an AnnData, or an AnnData cannot be a tree; and the place in a file that
//! decoding errors name.

use std::path::{Path, PathBuf};

use crate::base::{Fault, Kind, ReadError};
use crate::tree::Group;

/// A file whose tree does not say what an AnnData file says.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DecodeError {
    /// The file holds something else.
    #[error("{file}: this is no AnnData file: {what}", file = file.display())]
    NotAnnData {
        /// The file.
        file: PathBuf,
        /// What is missing, and what the file may be.
        what: String,
    },
    /// An element contradicts itself or its encoding.
    #[error("{file}: {element}: {what}{}", drop_hint(element), file = file.display())]
    Element {
        /// The file.
        file: PathBuf,
        /// Path of the element inside the file.
        element: String,
        /// What was found and what was expected.
        what: String,
    },
    /// An element that may be sound, of a kind that this program does not read.
    #[error("{file}: {element}: {what}{}", drop_hint(element), file = file.display())]
    Unread {
        /// The file.
        file: PathBuf,
        /// Path of the element inside the file.
        element: String,
        /// What it holds.
        what: String,
    },
    /// An element says it is of an encoding that this program does not know.
    #[error(
        "{file}: {element}: unknown encoding {encoding:?}, version {version:?}\n  hint: rewrite \
         the file with a released version of anndata, or remove the element{}",
        drop_hint(element), file = file.display()
    )]
    UnknownEncoding {
        /// The file.
        file: PathBuf,
        /// Path of the element inside the file.
        element: String,
        /// Its `encoding-type`.
        encoding: String,
        /// Its `encoding-version`.
        version: String,
    },
    /// Something small that had to be read could not be.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How an element is left out, where it can be. `element` is its path, or that of a part of it.
#[must_use]
pub fn drop_hint(element: &str) -> String {
    let path = element.trim_start_matches('/');
    let names: Vec<&str> = path.split('/').collect();
    let pattern = match names.as_slice() {
        [""] | ["obs" | "var"] | ["obs" | "var", "_index" | "index"] => return String::new(),
        ["raw", "var" | "varm", name, ..] => format!("raw/{}/{}", names[1], escaped(name)),
        ["raw", ..] => "raw".to_owned(),
        [old, ..] if old.starts_with("raw.") => "raw".to_owned(),
        ["X", ..] => "X".to_owned(),
        [name] => escaped(name),
        [part, name, ..] => format!("{}/{}", escaped(part), escaped(name)),
        [] => return String::new(),
    };
    format!("\n  hint: --drop '{pattern}' leaves it out")
}

/// As a pattern that can be typed within quotes: what a terminal would obey, or what ends the quotes,
/// is any character.
fn escaped(name: &str) -> String {
    glob::Pattern::escape(name).replace(|char: char| char.is_control() || char == '\'', "?")
}

impl Fault for DecodeError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotAnnData { .. } => Kind::NotAnndata,
            Self::Element { .. } => Kind::Contradiction,
            Self::Unread { .. } | Self::UnknownEncoding { .. } => Kind::Unsupported,
            Self::Read(error) => error.kind(),
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::NotAnnData { file, .. }
            | Self::Element { file, .. }
            | Self::Unread { file, .. }
            | Self::UnknownEncoding { file, .. } => Some(file),
            Self::Read(error) => error.file(),
        }
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::NotAnnData { .. } => None,
            Self::Element { element, .. }
            | Self::Unread { element, .. }
            | Self::UnknownEncoding { element, .. } => Some(element),
            Self::Read(error) => error.element(),
        }
    }
}

/// An AnnData that has no form in a file.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EncodeError {
    /// A sparse matrix whose census has not been taken.
    #[error("{element}: this matrix is planned but not compiled")]
    Planned {
        /// Path of the element.
        element: String,
    },
    /// anndata reserves this name for the index.
    #[error(
        "{element}: a column may not be named {name:?}, which stands for the index\n  hint: rename the column in the inputs, or choose another --label"
    )]
    ReservedColumn {
        /// Path of the table.
        element: String,
        /// The column's name.
        name: String,
    },
    /// The index and a column share a name but not their values, which anndata refuses to write.
    #[error(
        "{element}: the index is named {name:?}, as is a column with other values\n  hint: rename \
         the column or the index (adata.obs_names.name) in the inputs, or choose another --label"
    )]
    IndexNameTaken {
        /// Path of the table.
        element: String,
        /// The name.
        name: String,
    },
    /// Two names cannot both stand in a file, where a slash in a name makes a group of what is
    /// before it.
    #[error(
        "{element}: {first:?} and {second:?} exclude each other in a file, where a slash in a name \
         makes a group of what is before it\n  hint: rename one of them in the inputs, or choose \
         another --label"
    )]
    NamesNest {
        /// Path of the table or mapping.
        element: String,
        /// The shorter name.
        first: String,
        /// The name that begins with it.
        second: String,
    },
    /// Comparing an index with a column of its name meant reading them, which failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Fault for EncodeError {
    fn kind(&self) -> Kind {
        match self {
            Self::Planned { .. } => Kind::Defect,
            Self::ReservedColumn { .. } | Self::IndexNameTaken { .. } | Self::NamesNest { .. } => {
                Kind::Unrepresentable
            }
            Self::Read(error) => error.kind(),
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Read(error) => error.file(),
            _ => None,
        }
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::Planned { element }
            | Self::ReservedColumn { element, .. }
            | Self::IndexNameTaken { element, .. }
            | Self::NamesNest { element, .. } => Some(element),
            Self::Read(error) => error.element(),
        }
    }
}

/// Where decoding is: a node of one file's tree.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) root: &'a Group,
    /// Path without a leading slash; empty for the root.
    path: String,
}

impl<'a> Place<'a> {
    pub(super) const fn root(root: &'a Group, file: &'a Path) -> Self {
        Self { file, root, path: String::new() }
    }

    pub(super) fn child(&self, name: &str) -> Self {
        let path =
            if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        Self { file: self.file, root: self.root, path }
    }

    /// The absolute path, as errors show it.
    pub(super) fn element(&self) -> String {
        format!("/{}", self.path)
    }

    /// An element here that is not read.
    pub(super) fn unread(&self, what: &str) -> DecodeError {
        DecodeError::Unread {
            file: self.file.to_path_buf(),
            element: self.element(),
            what: what.to_owned(),
        }
    }

    /// An error at this place.
    pub(super) fn fail(&self, what: impl Into<String>) -> DecodeError {
        DecodeError::Element {
            file: self.file.to_path_buf(),
            element: self.element(),
            what: what.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_defect_has_a_kind() {
        let error = EncodeError::Planned { element: "/X".to_owned() };
        assert_eq!(error.kind(), Kind::Defect);
        assert_eq!(error.element(), Some("/X"));
    }
}
