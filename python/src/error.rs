//! Errors as Python sees them: `anncat.Error` with `kind`, `file`, `element`, `hint`.

use anncat::base::{Fault, ReadError};
use anncat::face::FaceError;
use anncat::materialize::MaterializeError;
use anncat::matrix::MatrixError;
use anncat::recipe::RecipeError;
use pyo3::prelude::*;

/// Any error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    #[error(transparent)]
    Face(#[from] FaceError),
    #[error(transparent)]
    Materialize(#[from] MaterializeError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What becomes a Python exception.
pub trait IntoPy {
    fn into_py(self, py: Python<'_>) -> PyErr;
}

impl IntoPy for Failure {
    fn into_py(self, py: Python<'_>) -> PyErr {
        let fault = self.fault();
        let make = || -> PyResult<Bound<'_, PyAny>> {
            py.import("anncat._errors")?.getattr("make")?.call1((
                fault.kind().name(),
                fault.to_string(),
                fault.file(),
                fault.element(),
                self.class(),
            ))
        };
        match make() {
            Ok(error) => PyErr::from_value(error),
            Err(error) => error,
        }
    }
}

impl Failure {
    fn fault(&self) -> &dyn Fault {
        match self {
            Self::Recipe(error) => error,
            Self::Matrix(error) => error,
            Self::Face(error) => error,
            Self::Materialize(error) => error,
            Self::Read(error) => error,
        }
    }

    /// Of errors that Python knows by a class of its own, beyond their kind: which.
    fn class(&self) -> Option<&'static str> {
        match self {
            Self::Matrix(MatrixError::NoElement { .. }) => Some("no-element"),
            Self::Matrix(MatrixError::OutOfRange { .. }) => Some("out-of-range"),
            Self::Materialize(MaterializeError::NoDirectory { .. }) => Some("output-missing"),
            _ => None,
        }
    }
}
