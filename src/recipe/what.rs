//! What a recipe says.

use std::path::Path;

use super::identity::Expected;
use super::place::Place;
use crate::anndata::Selection;
use crate::concat::ConcatOptions;
use crate::face::zarr::ZarrOptions;
use crate::io;

/// What is to be merged, and how.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// Which elements of each input count.
    pub selection: Selection,
    /// How they are concatenated.
    pub options: ConcatOptions,
    /// How the result is laid out as a zarr store.
    pub layout: ZarrOptions,
}

/// One input of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its key: the value of the label column, and what `index_unique` appends.
    pub key: String,
    /// The file or directory, and the group in it.
    pub place: Place,
    /// What it has to be; `None`: whatever is there.
    pub expected: Option<Expected>,
}

impl Input {
    /// Whatever is at `place`, which may be a path.
    pub fn new(key: impl Into<String>, place: impl Into<Place>) -> Self {
        Self { key: key.into(), place: place.into(), expected: None }
    }

    /// The file or directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.place.path
    }
}

/// What opening and compiling may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory for caches and conversions.
    pub memory_bytes: u64,
    /// Whether files may be read that were not named, because an input leads to them.
    pub external: io::External,
}

impl Limits {
    /// What of it the inputs may use.
    pub(crate) fn io(self) -> io::Limits {
        io::Limits {
            cache_bytes: usize::try_from(self.memory_bytes / 4).unwrap_or(usize::MAX),
            external: self.external,
            ..io::Limits::default()
        }
    }
}

impl Default for Limits {
    /// 512 MiB, and no files but those that are named.
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, external: io::External::Refuse }
    }
}
