//! Writing a tree as a real file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anncat::concat::NoticeReport;
use anncat::materialize::{
    Cancel, Durability, Existing, Limits, OutputRules, TargetKind, check_target, h5ad, zarr,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::engine::pool;
use crate::error::{Failure, IntoPy};
use crate::interrupt::interruptible;
use crate::merged::Merged;
use crate::options::layout;

/// How a file is written; checked by Python.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct WriteOptions {
    overwrite: bool,
    sync: bool,
    compression: Option<String>,
    /// Whether the user asked for it, or for none.
    is_compression_chosen: bool,
    level: Option<u8>,
    chunk_rows: Option<u64>,
    chunk_elems: Option<u64>,
    zarr_format: u8,
    shard_bytes: Option<u64>,
    memory_bytes: u64,
    max_loaded_elems: Option<u64>,
    threads: Option<usize>,
}

/// One of the two formats, with its options.
enum Output {
    H5ad(h5ad::H5adOptions),
    Zarr(zarr::ZarrWriteOptions),
}

impl WriteOptions {
    fn limits(&self) -> Limits {
        let mut limits = Limits {
            memory_bytes: self.memory_bytes / 2,
            max_loaded_elems: self.max_loaded_elems,
            ..Limits::default()
        };
        if let Some(threads) = self.threads.and_then(NonZeroUsize::new) {
            limits.threads = threads;
        }
        limits
    }

    fn rules(&self, inputs: Vec<PathBuf>) -> OutputRules {
        OutputRules {
            existing: if self.overwrite { Existing::Replace } else { Existing::Refuse },
            inputs,
            durability: if self.sync { Durability::Synced } else { Durability::Cached },
        }
    }

    fn h5ad(&self, rules: OutputRules) -> PyResult<h5ad::H5adOptions> {
        let defaults = h5ad::H5adOptions::default();
        let compression = match self.compression.as_deref() {
            None => h5ad::Compression::None,
            Some("gzip") => h5ad::Compression::Gzip { level: self.level.unwrap_or(4) },
            Some("lzf") => h5ad::Compression::Lzf,
            Some(other) => return Err(no_compression(other, "gzip, lzf or None")),
        };
        Ok(h5ad::H5adOptions {
            compression,
            chunk_elements: self.chunk_elems.unwrap_or(defaults.chunk_elements),
            limits: self.limits(),
            rules,
            cancel: Cancel::default(),
        })
    }

    fn zarr(&self, rules: OutputRules) -> PyResult<zarr::ZarrWriteOptions> {
        let compression = match self.compression.as_deref() {
            None => zarr::Compression::None,
            Some("gzip") => zarr::Compression::Gzip { level: self.level.unwrap_or(4) },
            Some("zstd") => zarr::Compression::Zstd { level: self.level.unwrap_or(1) },
            Some(other) => return Err(no_compression(other, "zstd, gzip or None")),
        };
        let layout = layout(self.zarr_format, self.chunk_rows, self.chunk_elems, self.shard_bytes)?;
        Ok(zarr::ZarrWriteOptions {
            format: layout.format,
            compression,
            geometry: layout.geometry,
            limits: self.limits(),
            rules,
            cancel: Cancel::default(),
        })
    }
}

fn no_compression(name: &str, known: &str) -> PyErr {
    PyValueError::new_err(format!("compression cannot be {name:?} here: {known}"))
}

/// Writes the tree to `path`, whose name ends in .h5ad or .zarr; gives what zarr left out, and what
/// else is to be told of the file.
pub fn write(
    merged: &Merged,
    py: Python<'_>,
    path: PathBuf,
    options: &WriteOptions,
    tell: Option<&Py<PyAny>>,
) -> PyResult<(Vec<String>, Vec<NoticeReport>)> {
    let rules = options.rules(merged.handle.engine(py)?.planned.files());
    let (output, kind) = if path.extension().is_some_and(|end| end == "zarr") {
        (Output::Zarr(options.zarr(rules.clone())?), TargetKind::Directory)
    } else {
        (Output::H5ad(options.h5ad(rules.clone())?), TargetKind::File)
    };
    check_target(&path, kind, &rules).map_err(|error| Failure::from(error).into_py(py))?;
    let tree = merged.tree(py, tell)?;
    let pool = pool(py)?;
    let is_told = !options.is_compression_chosen;
    interruptible(py, tell, move |watched| {
        let cancel = Cancel::on(watched.cancel.clone());
        pool.install(|| match output {
            Output::H5ad(options) => {
                let options = h5ad::H5adOptions { cancel, ..options };
                h5ad::write(&tree.root, &path, &options, watched)?;
                let notice = tree.plain_output().filter(|_| is_told).map(NoticeReport::from);
                Ok((Vec::new(), notice.into_iter().collect()))
            }
            Output::Zarr(options) => {
                let options = zarr::ZarrWriteOptions { cancel, ..options };
                let left_out = zarr::write(&tree.root, &path, &options, watched)?;
                Ok((left_out.iter().map(ToString::to_string).collect(), Vec::new()))
            }
        })
    })
}
