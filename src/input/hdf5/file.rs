//! An HDF5 file as bytes: where its superblock lies, and how wide its addresses are. Knows nothing of
//! what the bytes behind the superblock mean.

use std::path::Path;
use std::sync::Arc;

use super::others::Others;
use crate::input::opened::OpenError;
use crate::io::{Context, Source};

/// An HDF5 file that is read without the library.
pub struct HdfFile {
    pub source: Arc<dyn Source>,
    pub context: Arc<Context>,
    /// Other files that hold some of its bytes.
    pub others: Arc<Others>,
    /// Where the superblock lies; addresses in the file count from here.
    pub base: u64,
    /// Addresses and lengths take eight bytes, as in every file that a usual writer makes. If not,
    /// structures inside the file are left to the library.
    pub wide: bool,
}

/// Nothing that differs from one opening to the next, so that trees can be compared by this.
impl std::fmt::Debug for HdfFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HdfFile")
            .field("path", &self.source.path())
            .field("base", &self.base)
            .field("wide", &self.wide)
            .finish_non_exhaustive()
    }
}

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

impl HdfFile {
    /// Opens a file and finds its superblock (format specification, II.A).
    ///
    /// # Errors
    /// The file is missing, unreadable, or no HDF5 file.
    pub fn open(path: &Path, context: &Arc<Context>) -> Result<Self, OpenError> {
        let source = context.file(path).map_err(|error| OpenError::system(path, error))?;
        Self::new(source, context, &Others::new(context), path)
    }

    /// As [`Self::open`], of a source that is open, and was named as `path`.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn new(
        source: Arc<dyn Source>,
        context: &Arc<Context>,
        others: &Arc<Others>,
        path: &Path,
    ) -> Result<Self, OpenError> {
        let mut base = 0;
        let mut head = [0; 16];
        loop {
            if source.len().saturating_sub(base) < head.len() as u64 {
                return Err(OpenError::NotHdf5 { path: path.to_owned(), found: guess(&*source) });
            }
            source
                .read_metadata_at(base, &mut head)
                .map_err(|error| OpenError::read(path, error))?;
            if head[..8] == SIGNATURE {
                break;
            }
            base = if base == 0 { 512 } else { base * 2 };
        }
        let sizes = if head[8] < 2 { [head[13], head[14]] } else { [head[9], head[10]] };
        // File consistency flags: of no meaning before version 3.
        if head[8] >= 3 && head[11] & 1 != 0 {
            others.note_written(path);
        }
        Ok(Self {
            source,
            context: Arc::clone(context),
            others: Arc::clone(others),
            base,
            wide: sizes == [8, 8],
        })
    }
}

/// What a file that is no HDF5 file seems to be.
fn guess(source: &dyn Source) -> &'static str {
    let mut head = [0; 64];
    let len = source.len().min(head.len() as u64) as usize;
    if source.read_exact_at(0, &mut head[..len]).is_err() {
        return "";
    }
    let text = String::from_utf8_lossy(&head[..len]).trim_start().to_ascii_lowercase();
    match head {
        _ if text.starts_with("version https://git-lfs") => {
            " but the pointer that git-LFS leaves for it (git lfs pull fetches the file)"
        }
        _ if text.starts_with("<!doctype html") || text.starts_with("<html") => {
            " but a web page: the address that it was downloaded from gave a page, not the file"
        }
        _ if text.starts_with("<?xml") => {
            " but an XML document, which may be the error that a download gave"
        }
        _ if len == 0 => " (it is empty)",
        [0x1f, 0x8b, ..] => " but gzip-compressed data (gunzip it first)",
        [b'P', b'K', 3 | 5, ..] => " but a zip archive (unpack it first)",
        _ => "",
    }
}
