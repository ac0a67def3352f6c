//! What a user asks for, from the checked values that Python passes.

use anncat::anndata::SparseFormat;
use anncat::concat::{Axis, ConcatOptions, FillValue, FormatChoice, Join, Merge, Pairwise};
use anncat::face::zarr::{Geometry, ZarrFormat, ZarrOptions};
use anncat::recipe::{Input, Recipe};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::num::NonZeroU64;
use std::path::PathBuf;

/// The arguments of `anndata.concat`, and `sparse_format`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    axis: String,
    join: String,
    merge: Option<String>,
    uns_merge: Option<String>,
    label: Option<String>,
    index_unique: Option<String>,
    fill_value: Option<Fill>,
    pairwise: bool,
    sparse_format: Option<String>,
}

#[derive(FromPyObject)]
enum Fill {
    Int(i64),
    Float(f64),
}

impl Options {
    /// The recipe of these inputs.
    pub fn recipe(self, inputs: Vec<(String, PathBuf)>) -> PyResult<Recipe> {
        let options = ConcatOptions {
            axis: match self.axis.as_str() {
                "obs" => Axis::Obs,
                "var" => Axis::Var,
                other => return Err(unknown("axis", other)),
            },
            join: match self.join.as_str() {
                "inner" => Join::Inner,
                "outer" => Join::Outer,
                other => return Err(unknown("join", other)),
            },
            merge: merge(self.merge.as_deref())?,
            uns_merge: merge(self.uns_merge.as_deref())?,
            label: self.label,
            index_unique: self.index_unique,
            fill_value: self.fill_value.map(|value| match value {
                Fill::Int(value) => FillValue::Int(value),
                Fill::Float(value) => FillValue::Float(value),
            }),
            pairwise: if self.pairwise { Pairwise::Keep } else { Pairwise::Drop },
            sparse_format: match self.sparse_format.as_deref() {
                None => FormatChoice::Auto,
                Some("csr") => FormatChoice::Always(SparseFormat::Csr),
                Some("csc") => FormatChoice::Always(SparseFormat::Csc),
                Some(other) => return Err(unknown("sparse_format", other)),
            },
            ..ConcatOptions::default()
        };
        let inputs = inputs.into_iter().map(|(key, path)| Input::new(key, path)).collect();
        Ok(Recipe { inputs, options, ..Recipe::default() })
    }
}

fn merge(strategy: Option<&str>) -> PyResult<Option<Merge>> {
    Ok(Some(match strategy {
        None => return Ok(None),
        Some("same") => Merge::Same,
        Some("unique") => Merge::Unique,
        Some("first") => Merge::First,
        Some("only") => Merge::Only,
        Some(other) => return Err(unknown("merge", other)),
    }))
}

/// How a store is laid out.
pub fn layout(
    zarr_format: u8,
    chunk_rows: Option<u64>,
    chunk_elems: Option<u64>,
    shard_bytes: Option<u64>,
) -> PyResult<ZarrOptions> {
    let format = match zarr_format {
        2 => ZarrFormat::V2,
        3 => ZarrFormat::V3,
        other => return Err(unknown("zarr_format", &other.to_string())),
    };
    if shard_bytes.is_some() && format == ZarrFormat::V2 {
        return Err(PyValueError::new_err("zarr 2 has no shards: leave out shard_size"));
    }
    let geometry = Geometry {
        rows: chunk_rows.and_then(NonZeroU64::new),
        elems: chunk_elems.and_then(NonZeroU64::new),
        shard_bytes: shard_bytes.and_then(NonZeroU64::new),
    };
    Ok(ZarrOptions { format, geometry })
}

fn unknown(argument: &str, value: &str) -> PyErr {
    PyValueError::new_err(format!("{argument} cannot be {value:?}"))
}
