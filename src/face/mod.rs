//! Faces: read-only trees of virtual files over a [`crate::tree::Group`].
//!
//! A [`Face`] knows neither where its arrays come from nor who reads its files (FUSE today). Its
//! entries are numbered by arithmetic, so that nothing grows with the number of files, and a file's
//! length is known without reading an input wherever the format allows it.

mod block;
#[cfg(test)]
mod contract;
pub mod h5ad;
mod made;
pub mod zarr;

use std::ops::Range;

use crate::base::{Fault, Kind, ReadError};

pub use block::Block;

/// Number of an entry of one face; from 1 to [`Face::num_entries`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u64);

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory {
        /// How many of its entries are directories.
        num_subdirectories: u64,
    },
    /// A file.
    File {
        /// Length in bytes. `None` only in listings, where finding it out would take reading.
        len_bytes: Option<u64>,
    },
}

/// A file or directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// What it is.
    pub kind: EntryKind,
}

/// An entry with its name, as directories list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The entry; the length of a file may be left out.
    pub entry: Entry,
}

/// A read-only tree of files, which never changes.
///
/// What holds: the entries that [`Face::list`] gives are exactly those that [`Face::lookup`] finds;
/// any range of a file read alone equals the same slice of the whole file; everything may be called
/// from any thread.
pub trait Face: Send + Sync {
    /// The top of the tree: a directory, or the only file.
    fn root(&self) -> EntryId;

    /// The entry of the top, as a listing of it would give it: without the length of a file that is not
    /// known yet. Costs nothing.
    fn known_root(&self) -> Entry;

    /// How many numbers are in use: every id lies in `1..=num_entries()`.
    fn num_entries(&self) -> u64;

    /// Bytes of all files whose length is known without reading an input.
    fn total_bytes(&self) -> u64;

    /// The entry of a number, or nothing. A file's length is always given.
    ///
    /// # Errors
    /// Those of reading, for the few files whose length depends on their content.
    fn entry(&self, id: EntryId) -> Result<Option<Entry>, ReadError>;

    /// The entry of a name in a directory, or nothing. A file's length is always given.
    ///
    /// # Errors
    /// As [`Face::entry`].
    fn lookup(&self, dir: EntryId, name: &str) -> Result<Option<Entry>, ReadError>;

    /// The entries of a directory, from the `from`-th on; `None` when `dir` is not a directory.
    /// Costs nothing but what is taken from the iterator.
    fn list(&self, dir: EntryId, from: u64) -> Option<Box<dyn Iterator<Item = Listed> + '_>>;

    /// Fills `out` with the bytes of a file from `at` on, and says how many there were: fewer than
    /// asked for only at the end of the file.
    ///
    /// # Errors
    /// Those of the sources.
    fn read_at(&self, file: EntryId, at: u64, out: &mut [u8]) -> Result<usize, ReadError>;

    /// The bytes of a file that are decoded together with the one at `at`, itself among them, so
    /// that reading them as well costs little. `None` (the default) when nothing is decoded, or
    /// when it is not known.
    fn decoded_with(&self, _file: EntryId, _at: u64) -> Option<Range<u64>> {
        None
    }

    /// True while it would take long to answer [`Face::entry`], so that whoever has other requests
    /// to answer has it done elsewhere. False by default.
    fn takes_long(&self, _file: EntryId) -> bool {
        false
    }

    /// True when reading a file is no more than copying what an input holds, so that whoever keeps
    /// what it has read keeps it twice. False by default.
    fn is_stored_as_is(&self, _file: EntryId) -> bool {
        false
    }
}

/// Why a tree cannot be presented.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// A name that no file can have.
    #[error("{path}: the name {name:?} cannot be that of a file: {why}\n  hint: rename the element in the inputs, or write an .h5ad file (anncat materialize)", path = or_root(.path))]
    Name {
        /// The group that holds the name.
        path: String,
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Data that the format cannot express or that an input could not give.
    #[error("{path}: {what}", path = or_root(.path))]
    Unpresentable {
        /// The element.
        path: String,
        /// What is wrong, and what to do.
        what: String,
    },
}

impl Fault for FaceError {
    fn kind(&self) -> Kind {
        Kind::Unrepresentable
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::Name { path, .. } | Self::Unpresentable { path, .. } => Some(or_root(path)),
        }
    }
}

/// How many of `wanted` bytes there are from `at` on.
fn left(len_bytes: u64, at: u64, wanted: usize) -> usize {
    len_bytes.saturating_sub(at).min(wanted as u64) as usize
}

fn or_root(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}
