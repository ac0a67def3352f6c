//! `_native.Merged`: a recipe that is open.

use std::path::PathBuf;
use std::sync::Arc;

use anncat::base::parallel::sequentially;
use anncat::concat::NoticeReport;
use anncat::materialize::{Existing, OutputRules, TargetKind, check_target};
use anncat::matrix::Matrix;
use anncat::recipe::{Limits, Merged as Tree, Recipe, Relocation, plan_file};
use numpy::PyArray1;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::engine::{Call, Engine, Handle, pool};
use crate::error::{Failure, IntoPy};
use crate::interrupt::{interruptible, leavable};
use crate::numbers;
use crate::options::{Options, layout, limits};
use crate::store::Store;
use crate::write::{WriteOptions, write};

/// What is not larger is read by the thread that asks: the pool may be at something large.
const SMALL_BYTES: u64 = 4 << 20;

/// A recipe that is open: its headers are read, its data are not.
#[pyclass(module = "anncat._native", frozen)]
pub struct Merged {
    pub handle: Handle,
}

impl Merged {
    fn open_recipe(py: Python<'_>, mut recipe: Recipe, limits: Limits) -> PyResult<Self> {
        // Wherever the process goes, its inputs stay where they are.
        for input in &mut recipe.inputs {
            input.place.path = std::path::absolute(&input.place.path)?;
        }
        let pool = pool(py)?;
        let opening = recipe.clone();
        let engine = leavable(py, move || Engine::open(&pool, &opening, limits))?;
        Ok(Self { handle: Handle::new(engine, recipe, limits) })
    }

    /// The tree, compiled on first use, which can be interrupted.
    pub fn tree(&self, py: Python<'_>, tell: Option<&Py<PyAny>>) -> PyResult<Arc<Tree>> {
        let engine = self.handle.engine(py)?;
        if let Some(tree) = engine.compiled() {
            return Ok(tree);
        }
        let pool = pool(py)?;
        interruptible(py, tell, move |watched| Ok(engine.merged(&pool, watched)?))
    }
}

#[pymethods]
impl Merged {
    /// Opens inputs, given as (key, path or path::group).
    #[staticmethod]
    fn open(
        py: Python<'_>,
        inputs: Vec<(String, PathBuf)>,
        options: Options,
        memory_bytes: u64,
        follow_external: bool,
    ) -> PyResult<Self> {
        Self::open_recipe(py, options.recipe(inputs)?, limits(memory_bytes, follow_external))
    }

    /// Opens the text of a plan; an input that is no longer what it says is an error.
    #[staticmethod]
    fn from_plan(
        py: Python<'_>,
        plan: &str,
        memory_bytes: u64,
        follow_external: bool,
    ) -> PyResult<Self> {
        let recipe =
            plan_file::from_json(plan).map_err(|error| Failure::from(error).into_py(py))?;
        Self::open_recipe(py, recipe, limits(memory_bytes, follow_external))
    }

    /// The same of a plan that is a file, with directories and where they are now.
    #[staticmethod]
    fn from_plan_file(
        py: Python<'_>,
        path: PathBuf,
        relocate: Vec<(PathBuf, PathBuf)>,
        memory_bytes: u64,
        follow_external: bool,
    ) -> PyResult<Self> {
        let moved = relocate.into_iter().map(|(old, new)| Relocation { old, new });
        let moved: Vec<Relocation> = moved.collect();
        let recipe = py
            .detach(|| plan_file::read(&path, &moved))
            .map_err(|error| Failure::from(error).into_py(py))?;
        Self::open_recipe(py, recipe, limits(memory_bytes, follow_external))
    }

    /// The plan, with the identity of each input: what a worker needs to open the same.
    fn plan(&self, py: Python<'_>) -> PyResult<String> {
        let engine = self.handle.engine(py)?;
        let pool = pool(py)?;
        py.detach(|| {
            let _call = Call::begin();
            let pinned = pool.install(|| engine.planned.pinned())?;
            Ok(anncat::recipe::plan_file::to_json(&pinned)?)
        })
        .map_err(|error: Failure| error.into_py(py))
    }

    /// Observations, variables.
    fn shape(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        let [n_obs, n_vars] = self.handle.engine(py)?.planned.shape();
        Ok((n_obs, n_vars))
    }

    /// What `anncat inspect --json` prints, as far as the headers tell.
    fn report(&self, py: Python<'_>) -> PyResult<String> {
        text(serde_json::to_string(&self.handle.engine(py)?.planned.report()))
    }

    /// What is dropped, converted or replaced: what is known, or all of it, for which names that
    /// are many have to be read.
    fn notices(&self, py: Python<'_>, all: bool) -> PyResult<String> {
        let engine = self.handle.engine(py)?;
        if all {
            let (pool, engine) = (pool(py)?, engine.clone());
            leavable(py, move || Ok(pool.install(|| engine.check_names())?))?;
        }
        let notices = engine.notices().into_iter().map(NoticeReport::from);
        text(serde_json::to_string(&notices.collect::<Vec<_>>()))
    }

    /// The names that an inner join drops, by the element whose names they are.
    fn dropped(&self, py: Python<'_>) -> PyResult<Vec<(String, Vec<String>)>> {
        let engine = self.handle.engine(py)?;
        let of_axis = |it: &anncat::concat::DroppedNames| {
            (it.element.clone(), it.names.iter().map(str::to_owned).collect())
        };
        Ok(engine.planned.plan().dropped.iter().map(of_axis).collect())
    }

    /// Takes the censuses and makes the conversions that the data need.
    #[pyo3(signature = (tell=None))]
    fn compile(&self, py: Python<'_>, tell: Option<Py<PyAny>>) -> PyResult<()> {
        self.tree(py, tell.as_ref()).map(drop)
    }

    /// A whole element; see `numbers::matrix`.
    fn matrix<'py>(&self, py: Python<'py>, element: String) -> PyResult<Bound<'py, PyTuple>> {
        let tree = self.tree(py, None)?;
        let pool = pool(py)?;
        let read = interruptible(py, None, move |watched| {
            let small = Matrix::len_bytes(&tree.root, &element)? <= SMALL_BYTES;
            let read = || Matrix::read(&tree.root, &element, &watched.cancel);
            Ok(if small { sequentially(read) } else { pool.install(read) }?)
        })?;
        numbers::matrix(py, read)
    }

    /// Some rows of an element, in this order, and of these columns.
    fn rows<'py>(
        &self,
        py: Python<'py>,
        element: &str,
        rows: &Bound<'py, PyArray1<u64>>,
        columns: Option<&Bound<'py, PyArray1<u64>>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let tree = self.tree(py, None)?;
        let engine = self.handle.engine(py)?;
        let pool = pool(py)?;
        let rows = numbers::positions(rows)?;
        let columns = columns.map(numbers::positions).transpose()?;
        let read = py.detach(|| -> Result<Matrix, Failure> {
            let _call = Call::begin();
            let reader = engine.rows(&tree, element)?;
            pool.install(|| {
                let read = reader.read(&rows)?;
                Ok(match columns {
                    Some(columns) => read.columns(&columns)?,
                    None => read,
                })
            })
        });
        numbers::matrix(py, read.map_err(|error| error.into_py(py))?)
    }

    /// Refuses an output at `path` that would take the place of an input, or of something else.
    fn check_output(
        &self,
        py: Python<'_>,
        path: PathBuf,
        is_directory: bool,
        overwrite: bool,
    ) -> PyResult<()> {
        let kind = if is_directory { TargetKind::Directory } else { TargetKind::File };
        let rules = OutputRules {
            existing: if overwrite { Existing::Replace } else { Existing::Refuse },
            inputs: self.handle.engine(py)?.planned.files(),
            ..OutputRules::default()
        };
        py.detach(|| check_target(&path, kind, &rules))
            .map_err(|error| Failure::from(error).into_py(py))
    }

    /// Writes the tree to `path`, whose name ends in .h5ad or .zarr; gives what is to be told of
    /// it: what zarr left out, as sentences, and notices.
    #[pyo3(signature = (path, options, tell=None))]
    fn write(
        &self,
        py: Python<'_>,
        path: PathBuf,
        options: WriteOptions,
        tell: Option<Py<PyAny>>,
    ) -> PyResult<(Vec<String>, String)> {
        let (left_out, notices) = write(self, py, path, &options, tell.as_ref())?;
        Ok((left_out, text(serde_json::to_string(&notices))?))
    }

    /// The tree as a store.
    #[pyo3(signature = (zarr_format, chunk_rows, chunk_elems, shard_bytes, tell=None))]
    fn store(
        slf: Bound<'_, Self>,
        zarr_format: u8,
        chunk_rows: Option<u64>,
        chunk_elems: Option<u64>,
        shard_bytes: Option<u64>,
        tell: Option<Py<PyAny>>,
    ) -> PyResult<Store> {
        let options = layout(zarr_format, chunk_rows, chunk_elems, shard_bytes)?;
        Store::new(slf.py(), slf.unbind(), options, tell.as_ref())
    }
}

fn text(json: serde_json::Result<String>) -> PyResult<String> {
    json.map_err(|error| PyRuntimeError::new_err(error.to_string()))
}
