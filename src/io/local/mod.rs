//! Sources on this machine's file systems.
//!
//! Owns what `stat` tells of a file (`stamp`), files that are inputs by themselves (`file`), and
//! directories of files (`directory`), whose files were all looked at once (`survey`) and whose links
//! are followed only as far as they stay within (`beneath`). Knows no format.
//!
//! Order of its files: `stamp` and `beneath`; `file` and `survey`; `directory`.

mod beneath;
mod directory;
mod file;
mod stamp;
mod survey;

use std::path::Path;
use std::sync::Arc;

use super::clock::SystemClock;
use super::context::{Context, Limits, Storage};
use super::source::{Directory, Source};

/// The file systems of this machine.
#[derive(Debug)]
pub(super) struct Local;

impl Storage for Local {
    fn file(&self, path: &Path, context: &Arc<Context>) -> std::io::Result<Arc<dyn Source>> {
        Ok(Arc::new(file::LocalFile::open(path, context)?))
    }

    fn directory(
        &self,
        path: &Path,
        context: &Arc<Context>,
    ) -> std::io::Result<Arc<dyn Directory>> {
        Ok(Arc::new(directory::LocalDirectory::open(path, context)?))
    }
}

impl Context {
    /// An empty context with these limits, for files of this machine.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Self::with(limits, Arc::new(Local), Arc::new(SystemClock::new()))
    }
}
