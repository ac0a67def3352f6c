//! What a user asks for, from the checked values that Python passes.

use std::num::NonZeroU64;
use std::path::PathBuf;

use anncat::anndata::{Selection, SparseFormat};
use anncat::concat::{
    Axis, ConcatOptions, FillValue, FormatChoice, Join, LabelValues, Merge, MissingText, Pairwise,
};
use anncat::face::zarr::{Geometry, ZarrFormat, ZarrOptions};
use anncat::io::External;
use anncat::recipe::{Input, Limits, Place, Recipe};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The arguments of `anndata.concat`, and ours.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    axis: String,
    join: String,
    merge: Option<String>,
    uns_merge: Option<String>,
    label: Option<String>,
    label_integers: bool,
    index_unique: Option<String>,
    fill_value: Option<Fill>,
    pairwise: bool,
    sparse_format: Option<String>,
    missing_text: Option<String>,
    drop: Vec<String>,
    keep: Vec<String>,
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
            label_values: if self.label_integers {
                LabelValues::Integers
            } else {
                LabelValues::Text
            },
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
            missing_text: match self.missing_text.as_deref() {
                None => MissingText::Auto,
                Some("categorical") => MissingText::Categorical,
                Some("nullable") => MissingText::Nullable,
                Some(other) => return Err(unknown("missing_text", other)),
            },
        };
        let selection = Selection::new(&self.drop, &self.keep)
            .map_err(|error| PyValueError::new_err(error.to_string().replacen("--", "", 1)))?;
        let input =
            |(key, place): (String, PathBuf)| Input::new(key, Place::parse(place.as_os_str()));
        let inputs = inputs.into_iter().map(input).collect();
        Ok(Recipe { inputs, selection, options, ..Recipe::default() })
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

/// What opening and compiling may use.
pub fn limits(memory_bytes: u64, follow_external: bool) -> Limits {
    let external = if follow_external { External::Follow } else { External::Refuse };
    Limits { memory_bytes, external }
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
