//! The extension module `anncat._native`: the engine, for the Python beside it.
//!
//! Thin: it turns arguments, arrays, progress and errors of one side into those of the other. What
//! the results mean to Python (AnnData, stores, warnings) is the Python's in `python/anncat`.
//!
//! No call holds the GIL while it reads, and none takes a lock that another thread may hold without
//! the GIL, so that a process may fork at any time (see `engine`).

mod engine;
mod error;
mod interrupt;
mod merged;
mod numbers;
mod options;
mod store;
mod write;

use std::path::PathBuf;

use pyo3::prelude::*;

/// Has libhdf5 read inputs in processes of this program, which is `anncat`, so that a file that breaks
/// the library does not end this one. The first call counts.
#[pyfunction]
fn use_helper(program: PathBuf) {
    anncat::input::use_helper(anncat::input::Helper::of_program(program));
}

/// The module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<merged::Merged>()?;
    module.add_class::<store::Store>()?;
    module.add_function(wrap_pyfunction!(engine::drain, module)?)?;
    module.add_function(wrap_pyfunction!(use_helper, module)?)?;
    Ok(())
}
