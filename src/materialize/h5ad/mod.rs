//! Writes a tree as an `.h5ad` file laid out as anndata's own.
//!
//! What is small is made by [`crate::h5ad`]: groups, attributes, records, and where all else lies.
//! Text, and numbers that are not compressed, are written by workers at their offsets, without the
//! library. Compressed numbers are encoded by the workers and handed over chunk by chunk.
//!
//! Differs from anndata's own files in one way: arrays of sparse matrices are contiguous or of
//! fixed extent, so `anndata.io.sparse_dataset(...).append` cannot grow them in place.

mod numbers;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use self::numbers::{Layout, LayoutChoice, NumberTask, Writer};
use super::target::Staged;
use super::{Cancel, Limits, MaterializeError, OutputRules, TargetKind};
use crate::base::Progress;
use crate::h5ad::{Bounds, Draft, Filter, LayoutError, PlacedText, numeric_arrays};
use crate::tree::Group;

/// How numeric datasets are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// zlib, at a level of 0 to 9; what the input has deflated is copied as it is below level 7.
    Gzip {
        /// Compression level.
        level: u8,
    },
    /// lzf, h5py's own fast filter.
    Lzf,
}

/// Elements of a chunk, unless told otherwise.
pub const CHUNK_ELEMENTS: u64 = 1 << 16;

/// How an `.h5ad` is written.
#[derive(Debug, Clone)]
pub struct H5adOptions {
    /// Compression of numeric datasets. Text is never compressed.
    pub compression: Compression,
    /// Elements of a chunk of a compressed dataset.
    pub chunk_elements: u64,
    /// What may be in flight.
    pub limits: Limits,
    /// What may be overwritten.
    pub rules: OutputRules,
    /// Stops the work.
    pub cancel: Cancel,
}

impl Default for H5adOptions {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            chunk_elements: CHUNK_ELEMENTS,
            limits: Limits::default(),
            rules: OutputRules::default(),
            cancel: Cancel::default(),
        }
    }
}

/// Writes `tree` to `path`: beside it first, then renamed. On any failure nothing is left behind.
///
/// # Errors
/// The target may not be written, a source fails, the disk is full, or `options.cancel` is set.
pub fn write(
    tree: &Group,
    path: &Path,
    options: &H5adOptions,
    progress: &dyn Progress,
) -> Result<(), MaterializeError> {
    let staged = Staged::new(path, TargetKind::File, &options.rules)?;
    let numbers_bytes = tree.numbers_bytes();
    if options.compression == Compression::None {
        staged.require_space(numbers_bytes)?;
    }
    let output = Output { target: path.to_owned(), needed_bytes: numbers_bytes };
    output.write(tree, &staged, options, progress)?;
    staged.commit()
}

/// What errors tell about the output.
struct Output {
    target: PathBuf,
    /// Before compression.
    needed_bytes: u64,
}

impl Output {
    fn write(
        mut self,
        tree: &Group,
        staged: &Staged,
        options: &H5adOptions,
        progress: &dyn Progress,
    ) -> Result<(), MaterializeError> {
        let encoding = match options.compression {
            Compression::None => None,
            Compression::Gzip { level } => Some(Filter::Gzip { level: level.min(9) }),
            Compression::Lzf => Some(Filter::Lzf),
        };
        let Limits { threads, .. } = options.limits;
        let cancel = &options.cancel;
        let choice = LayoutChoice {
            encoding,
            chunk_elements: options.chunk_elements,
            limits: &options.limits,
            cancel,
        };
        let layouts = choice.choose(&numeric_arrays(tree))?;
        let max_strings = options.limits.max_strings();
        let bounds = Bounds { threads, max_strings, is_cancelled: &|| cancel.is_cancelled() };
        let storage = layouts.iter().map(Layout::storage).collect();
        let draft = Draft::named(staged.path(), tree, storage, &bounds)
            .map_err(|error| self.failed(error))?;
        self.needed_bytes = draft.uncompressed_bytes();
        if options.compression == Compression::None {
            staged.require_space(self.needed_bytes)?;
        }
        let name = self.target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        progress.begin(&format!("writing {name}"), self.needed_bytes);
        let written = self.write_draft(draft, &layouts, options, progress);
        progress.end();
        written
    }

    fn write_draft(
        &self,
        mut draft: Draft,
        layouts: &[Layout],
        options: &H5adOptions,
        progress: &dyn Progress,
    ) -> Result<(), MaterializeError> {
        let failed = |error| self.failed(error);
        let write_failed = |element: &str, source| self.write_failed(element, source);
        let write = |file: &std::fs::File, numbers: &[NumberTask], texts: &[PlacedText]| {
            Writer {
                file,
                limits: &options.limits,
                cancel: &options.cancel,
                progress,
                failed: &failed,
                write_failed: &write_failed,
            }
            .write(numbers, texts)
        };
        // The library finds room for chunks as they come; what else there is has its place after.
        let chunked: Vec<NumberTask> = draft
            .take_chunked()
            .into_iter()
            .filter_map(|chunked| NumberTask::chunked(chunked, layouts))
            .collect();
        write(draft.file(), &chunked, &[])?;
        drop(chunked);
        let (layout, file) = draft.finish().map_err(|error| self.failed(error))?;
        let numbers: Vec<NumberTask> = layout.numbers.into_iter().map(NumberTask::placed).collect();
        write(&file, &numbers, &layout.texts)
    }

    fn write_failed(&self, element: &str, source: std::io::Error) -> MaterializeError {
        MaterializeError::write(&self.target, element, self.needed_bytes, source)
    }

    fn failed(&self, error: LayoutError) -> MaterializeError {
        match error {
            LayoutError::Element(error) => error.into(),
            LayoutError::File(source) => self.write_failed("/", source),
            LayoutError::Cancelled => MaterializeError::Cancelled,
            LayoutError::Hdf5 { element, what } => {
                // The library tells a full disk only in words.
                for errno in [libc::ENOSPC, libc::EDQUOT, libc::EFBIG] {
                    if what.contains(&format!("errno = {errno},")) {
                        let source = std::io::Error::from_raw_os_error(errno);
                        return self.write_failed(&element, source);
                    }
                }
                MaterializeError::Hdf5 { path: self.target.clone(), element, what }
            }
        }
    }
}
