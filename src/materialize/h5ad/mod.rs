//! Writes a tree as an `.h5ad` file laid out as anndata's own.
//!
//! The library is used for what is small: groups, attributes, text, chunk indexes. Numbers that
//! are not compressed are contiguous: their bytes are set aside when the dataset is made, and
//! workers write them at their offsets without the library. Compressed numbers are encoded by the
//! workers and handed over chunk by chunk.
//!
//! Differs from anndata's own files in one way: arrays of sparse matrices are contiguous or of
//! fixed extent, so `anndata.io.sparse_dataset(...).append` cannot grow them in place.

mod numbers;
mod raw;
mod record;
mod skeleton;
mod text;
mod types;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use hdf5::File;

use self::numbers::{Encoding, LayoutChoice, Writer};
use self::skeleton::{TextTask, lay_out, numeric_arrays};
use self::text::TextWriter;
use super::target::Staged;
use super::{Cancel, Limits, MaterializeError, OutputRules, TargetKind};
use crate::base::Progress;
use crate::tree::{Data, Group, Node};

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

/// Bytes that one string takes in a dataset, beside its text.
const TEXT_REFERENCE_BYTES: u64 = 16;

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
    let total_bytes = uncompressed_bytes(tree);
    if options.compression == Compression::None {
        staged.require_space(total_bytes)?;
    }
    let output = Output { target: path.to_owned(), total_bytes };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    progress.begin(&format!("writing {name}"), total_bytes);
    let written = output.write(tree, staged.path(), options, progress);
    progress.end();
    written?;
    staged.commit()
}

/// Bytes of all data of a tree before compression; of text only what has a fixed size.
fn uncompressed_bytes(tree: &Group) -> u64 {
    tree.children
        .values()
        .map(|node| match node {
            Node::Group(group) => uncompressed_bytes(group),
            Node::Array(array) => match &array.data {
                Data::Fixed(array) => {
                    array.shape().iter().product::<u64>() * array.dtype().size_bytes() as u64
                }
                Data::Text(text) => text.num_elements() * TEXT_REFERENCE_BYTES,
                Data::Record(_) | Data::Null | Data::Unreadable(_) => 0,
            },
        })
        .sum()
}

/// What errors tell about the output.
struct Output {
    target: PathBuf,
    total_bytes: u64,
}

impl Output {
    fn write(
        &self,
        tree: &Group,
        staged: &Path,
        options: &H5adOptions,
        progress: &dyn Progress,
    ) -> Result<(), MaterializeError> {
        let encoding = match options.compression {
            Compression::None => None,
            Compression::Gzip { level } => Some(Encoding::Gzip { level: level.min(9) }),
            Compression::Lzf => Some(Encoding::Lzf),
        };
        let choice = LayoutChoice {
            encoding,
            chunk_elements: options.chunk_elements,
            limits: &options.limits,
            cancel: &options.cancel,
        };
        let layouts = choice.choose(&numeric_arrays(tree))?;
        let failed = |element: &str, error| self.failed(element, &error);
        let file = create(staged).map_err(|error| self.failed("/", &error))?;
        let tasks = lay_out(&file, tree, layouts, &failed)?;
        let beside = std::fs::OpenOptions::new()
            .write(true)
            .open(staged)
            .map_err(|source| self.write_failed("/", source))?;
        // A failure on one side stops the other.
        let cancel = options.cancel.part();
        let writer = Writer {
            file: &beside,
            limits: &options.limits,
            cancel: &cancel,
            progress,
            failed: &failed,
            write_failed: &|element, source| self.write_failed(element, source),
        };
        let stop_on_failure = |result: Result<(), MaterializeError>| {
            if result.is_err() {
                cancel.cancel();
            }
            result
        };
        let (texts, numbers) = std::thread::scope(|scope| {
            let texts = scope.spawn(|| {
                stop_on_failure(self.write_texts(&tasks.texts, options, &cancel, progress))
            });
            let numbers = stop_on_failure(writer.write(&tasks.numbers));
            (texts.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), numbers)
        });
        match (texts, numbers) {
            (Ok(()), Ok(())) => {}
            (Err(MaterializeError::Cancelled), Err(error)) | (Err(error), _) | (_, Err(error)) => {
                return Err(error);
            }
        }
        drop(tasks);
        file.close().map_err(|error| self.failed("/", &error))
    }

    /// Text goes through the library, one dataset after the other, beside the numbers.
    fn write_texts(
        &self,
        tasks: &[TextTask],
        options: &H5adOptions,
        cancel: &Cancel,
        progress: &dyn Progress,
    ) -> Result<(), MaterializeError> {
        let max_strings = options.limits.max_loaded_elems.unwrap_or(u64::MAX);
        for task in tasks {
            let failed = |element: &str, error| self.failed(element, &error);
            let mut writer = TextWriter::new(&task.dataset, task.source.as_ref())
                .map_err(|error| failed(&task.element, error))?;
            loop {
                if cancel.is_cancelled() {
                    return Err(MaterializeError::Cancelled);
                }
                let num_strings = writer
                    .write_run(max_strings)
                    .map_err(|error| error.at(&task.element, &failed))?;
                if num_strings == 0 {
                    break;
                }
                progress.advance(num_strings * TEXT_REFERENCE_BYTES);
            }
        }
        Ok(())
    }

    fn write_failed(&self, element: &str, source: std::io::Error) -> MaterializeError {
        MaterializeError::write(&self.target, element, self.total_bytes, source)
    }

    /// The library tells a full disk only in words.
    fn failed(&self, element: &str, error: &hdf5::Error) -> MaterializeError {
        let what = error.to_string();
        for errno in [libc::ENOSPC, libc::EDQUOT, libc::EFBIG] {
            if what.contains(&format!("errno = {errno},")) {
                return self.write_failed(element, std::io::Error::from_raw_os_error(errno));
            }
        }
        MaterializeError::Hdf5 { path: self.target.clone(), element: element.to_owned(), what }
    }
}

/// Data of this size and more starts on a page.
const ALIGN_FROM_BYTES: u64 = 64 << 10;
const PAGE_BYTES: u64 = 4096;

/// An empty file, in the format of HDF5 1.8, which everything reads and which, unlike older ones, has
/// room for attributes over 64 KiB (the column order of very wide frames).
fn create(path: &Path) -> hdf5::Result<File> {
    let mut builder = File::with_options();
    builder
        .with_fapl(|access| access.libver_v18().alignment(ALIGN_FROM_BYTES, PAGE_BYTES))
        .create(path)
}
