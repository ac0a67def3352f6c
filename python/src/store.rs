//! `_native.Store`: a tree as the files of a zarr store.

use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, PoisonError};

use anncat::base::ReadError;
use anncat::face::zarr::{ZarrFace, ZarrOptions};
use anncat::face::{Entry, EntryId, EntryKind, Face, Listed};
use numpy::PyArray1;
use pyo3::prelude::*;

use crate::engine::{pool, reading};
use crate::error::{Failure, IntoPy};
use crate::merged::Merged;

/// A tree as the files of a zarr store: keys and their bytes.
#[pyclass(module = "anncat._native", frozen)]
pub struct Store {
    merged: Py<Merged>,
    options: ZarrOptions,
    /// The process that made it, and the face. A child makes its own.
    face: Mutex<(u32, ManuallyDrop<Arc<ZarrFace>>)>,
}

impl Store {
    pub fn new(
        py: Python<'_>,
        merged: Py<Merged>,
        options: ZarrOptions,
        tell: Option<&Py<PyAny>>,
    ) -> PyResult<Self> {
        let face = make(py, &merged, &options, tell)?;
        let face = Mutex::new((std::process::id(), ManuallyDrop::new(face)));
        Ok(Self { merged, options, face })
    }

    fn face(&self, py: Python<'_>) -> PyResult<Arc<ZarrFace>> {
        // Locked only while the GIL is held, and so never while a process forks.
        {
            let face = self.face.lock().unwrap_or_else(PoisonError::into_inner);
            if face.0 == std::process::id() {
                return Ok(Arc::clone(&face.1));
            }
        }
        let made = make(py, &self.merged, &self.options, None)?;
        let mut face = self.face.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first.
        if face.0 != std::process::id() {
            *face = (std::process::id(), ManuallyDrop::new(made));
        }
        Ok(Arc::clone(&face.1))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let (pid, face) = self.face.get_mut().unwrap_or_else(PoisonError::into_inner);
        if *pid == std::process::id() {
            // SAFETY: nothing uses the face of a store after this.
            unsafe { ManuallyDrop::drop(face) };
        }
    }
}

fn make(
    py: Python<'_>,
    merged: &Py<Merged>,
    options: &ZarrOptions,
    tell: Option<&Py<PyAny>>,
) -> PyResult<Arc<ZarrFace>> {
    let tree = merged.get().tree(py, tell)?;
    py.detach(|| ZarrFace::new(&tree.root, options))
        .map(Arc::new)
        .map_err(|error| Failure::from(error).into_py(py))
}

/// The entry of a key; nothing when there is none, or when it is a directory and a file is meant.
fn find(face: &ZarrFace, key: &str) -> Result<Option<Entry>, ReadError> {
    let Some(mut entry) = face.entry(face.root())? else { return Ok(None) };
    for name in key.split('/').filter(|name| !name.is_empty()) {
        match face.lookup(entry.id, name)? {
            Some(found) => entry = found,
            None => return Ok(None),
        }
    }
    Ok(Some(entry))
}

fn file(face: &ZarrFace, key: &str) -> Result<Option<(EntryId, u64)>, ReadError> {
    Ok(find(face, key)?.and_then(|entry| match entry.kind {
        EntryKind::File { len_bytes } => Some((entry.id, len_bytes.unwrap_or(0))),
        EntryKind::Directory { .. } => None,
    }))
}

fn names(face: &ZarrFace, prefix: &str) -> Result<Vec<String>, ReadError> {
    let entries = find(face, prefix)?.and_then(|entry| face.list(entry.id, 0));
    let name = |listed: Listed| match listed.entry.kind {
        EntryKind::Directory { .. } => listed.name + "/",
        EntryKind::File { .. } => listed.name,
    };
    Ok(entries.into_iter().flatten().map(name).collect())
}

/// A part of a file: from a start to an end, or the last so many bytes.
fn bytes(
    face: &ZarrFace,
    key: &str,
    start: u64,
    end: Option<u64>,
    suffix: Option<u64>,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some((id, len)) = file(face, key)? else { return Ok(None) };
    let (start, end) = match suffix {
        Some(suffix) => (len.saturating_sub(suffix), len),
        None => (start.min(len), end.unwrap_or(len).min(len)),
    };
    let mut out = anncat::array::zeroed(end.saturating_sub(start), 1)?;
    let read = face.read_at(id, start, &mut out)?;
    if read < out.len() {
        let what = format!("only {read} of {} bytes could be read", out.len());
        return Err(ReadError::corrupt("", key, what).into());
    }
    Ok(Some(out))
}

#[pymethods]
impl Store {
    /// The bytes of a key, or a part of them, as an array of `uint8`; `None` when there is no such
    /// key.
    #[pyo3(signature = (key, start=0, end=None, suffix=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        key: &str,
        start: u64,
        end: Option<u64>,
        suffix: Option<u64>,
    ) -> PyResult<Option<Bound<'py, PyArray1<u8>>>> {
        let face = self.face(py)?;
        let pool = pool(py)?;
        let read = py.detach(|| reading(&pool, || bytes(&face, key, start, end, suffix)));
        let read = read.map_err(|error| error.into_py(py))?;
        Ok(read.map(|bytes| PyArray1::from_vec(py, bytes)))
    }

    /// Length of a key in bytes; `None` when there is no such key.
    fn len_bytes(&self, py: Python<'_>, key: &str) -> PyResult<Option<u64>> {
        let face = self.face(py)?;
        let pool = pool(py)?;
        py.detach(|| reading(&pool, || file(&face, key)))
            .map(|found| found.map(|(_, len)| len))
            .map_err(|error| Failure::from(error).into_py(py))
    }

    /// Names in a directory, those of directories with a slash at the end.
    fn list_dir(&self, py: Python<'_>, prefix: &str) -> PyResult<Vec<String>> {
        let face = self.face(py)?;
        let pool = pool(py)?;
        py.detach(|| reading(&pool, || names(&face, prefix)))
            .map_err(|error| Failure::from(error).into_py(py))
    }

    /// What the format cannot hold and leaves out, as sentences.
    fn left_out(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.face(py)?.left_out().iter().map(ToString::to_string).collect())
    }
}
