//! Inputs of a plan that are elsewhere now.

use std::path::{Path, PathBuf};

/// A directory and where it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// The directory (or input) as the plan has it, an absolute path.
    pub old: PathBuf,
    /// Where that is now.
    pub new: PathBuf,
}

impl Relocation {
    /// Where `path` is now, if it lies in the old directory. Whole names count: `/data/a` does not
    /// lie in `/da`.
    #[must_use]
    pub fn apply(&self, path: &Path) -> Option<PathBuf> {
        let rest = path.strip_prefix(&self.old).ok()?;
        // Joining nothing would end the path in a slash.
        Some(if rest.as_os_str().is_empty() { self.new.clone() } else { self.new.join(rest) })
    }
}
