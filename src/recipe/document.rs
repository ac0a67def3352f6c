//! The JSON of a plan, field by field. Kept apart from the types that the engine works with, so that
//! these can change and plans stay readable; every field of those is named here, so that none can be
//! forgotten.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::RecipeError;
use super::identity::{ContentIdentity, Expected};
use super::place::Place;
use super::what::{Input, Recipe};
use crate::anndata::{PatternError, Rule, Selection, SparseFormat};
use crate::concat::{self, ConcatOptions, FillValue, FormatChoice, LabelValues, MissingText};
use crate::face::zarr::{Geometry, ZarrFormat, ZarrOptions};

/// The version of plans that this program writes and reads.
pub(super) const VERSION: u32 = 1;

/// A plan.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Document {
    anncat_plan: u32,
    /// The program that wrote it, for people.
    written_by: String,
    /// Where it was written: relative paths were seen from there.
    directory: String,
    inputs: Vec<InputEntry>,
    #[serde(default)]
    elements: Elements,
    options: Options,
    layout: Layout,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct InputEntry {
    key: String,
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<ContentIdentity>,
}

/// [`Selection`].
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Elements {
    drop: Vec<String>,
    keep: Vec<String>,
}

/// [`ConcatOptions`]; what is left out has its default.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Options {
    axis: Axis,
    join: Join,
    merge: Option<Merge>,
    uns_merge: Option<Merge>,
    label: Option<String>,
    label_integers: bool,
    index_unique: Option<String>,
    fill_value: Option<Fill>,
    pairwise: bool,
    sparse_format: Sparse,
    missing_text: Missing,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Axis {
    #[default]
    Obs,
    Var,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Join {
    #[default]
    Inner,
    Outer,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Merge {
    Same,
    Unique,
    First,
    Only,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Sparse {
    #[default]
    Auto,
    Csr,
    Csc,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Missing {
    #[default]
    Auto,
    Categorical,
    Nullable,
}

/// A number; what JSON has no numbers for is text (`nan`, `inf`, `-inf`).
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Fill {
    Int(i64),
    Float(f64),
    Text(NotFinite),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum NotFinite {
    #[serde(rename = "nan")]
    Nan,
    #[serde(rename = "inf")]
    Inf,
    #[serde(rename = "-inf")]
    MinusInf,
}

/// [`ZarrOptions`]; what is left out has its default.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Layout {
    zarr_format: Format,
    chunk_rows: Option<NonZeroU64>,
    chunk_elems: Option<NonZeroU64>,
    shard_bytes: Option<NonZeroU64>,
}

#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
enum Format {
    V2,
    #[default]
    V3,
}

impl TryFrom<u8> for Format {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            2 => Ok(Self::V2),
            3 => Ok(Self::V3),
            other => Err(format!("there is no zarr format {other}")),
        }
    }
}

impl From<Format> for u8 {
    fn from(format: Format) -> Self {
        match format {
            Format::V2 => 2,
            Format::V3 => 3,
        }
    }
}

impl Document {
    /// A recipe as it is written into this directory, whose path is absolute.
    pub(super) fn of(recipe: &Recipe, directory: &Path) -> Result<Self, RecipeError> {
        let Recipe { inputs, selection, options, layout } = recipe;
        Ok(Self {
            anncat_plan: VERSION,
            written_by: concat!("anncat ", env!("CARGO_PKG_VERSION")).to_owned(),
            directory: text(directory)?,
            inputs: inputs
                .iter()
                .map(|input| InputEntry::of(input, directory))
                .collect::<Result<_, _>>()?,
            elements: Elements {
                drop: selection.patterns(Rule::Drop).map(str::to_owned).collect(),
                keep: selection.patterns(Rule::Keep).map(str::to_owned).collect(),
            },
            options: Options::of(options),
            layout: Layout::of(layout),
        })
    }

    /// The recipe, of a plan that was read from this directory.
    ///
    /// # Errors
    /// A pattern that is none.
    pub(super) fn into_recipe(self, directory: &Path) -> Result<Recipe, PatternError> {
        let written_in = PathBuf::from(self.directory);
        let input = |entry: InputEntry| Input {
            key: entry.key,
            place: Place { path: directory.join(&entry.path), group: entry.group },
            expected: entry
                .identity
                .map(|identity| Expected { identity, path: written_in.join(&entry.path) }),
        };
        Ok(Recipe {
            inputs: self.inputs.into_iter().map(input).collect(),
            selection: Selection::new(&self.elements.drop, &self.elements.keep)?,
            options: self.options.into(),
            layout: self.layout.into(),
        })
    }
}

impl InputEntry {
    fn of(input: &Input, directory: &Path) -> Result<Self, RecipeError> {
        let Input { key, place: Place { path, group }, expected } = input;
        let absolute = match (expected, group) {
            // A group of a zarr store is watched by itself.
            (Some(expected), None) => expected.path.clone(),
            _ => std::path::absolute(path)
                .map_err(RecipeError::plan_file(path, "cannot tell where the input is"))?,
        };
        // A directory may have several names; as the system resolves them they can be compared.
        let parent = absolute.parent().and_then(|parent| parent.canonicalize().ok());
        let absolute = match (parent, absolute.file_name()) {
            (Some(parent), Some(name)) => parent.join(name),
            _ => absolute,
        };
        Ok(Self {
            key: key.clone(),
            path: text(absolute.strip_prefix(directory).unwrap_or(&absolute))?,
            group: group.clone(),
            identity: expected.as_ref().map(|expected| expected.identity.clone()),
        })
    }
}

fn text(path: &Path) -> Result<String, RecipeError> {
    let text = path.to_str().ok_or_else(|| RecipeError::NoText { path: path.to_owned() })?;
    Ok(text.to_owned())
}

impl Options {
    fn of(options: &ConcatOptions) -> Self {
        let ConcatOptions {
            axis,
            join,
            merge,
            uns_merge,
            label,
            label_values,
            index_unique,
            fill_value,
            pairwise,
            sparse_format,
            missing_text,
        } = options;
        Self {
            axis: match axis {
                concat::Axis::Obs => Axis::Obs,
                concat::Axis::Var => Axis::Var,
            },
            join: match join {
                concat::Join::Inner => Join::Inner,
                concat::Join::Outer => Join::Outer,
            },
            merge: merge.map(Merge::from),
            uns_merge: uns_merge.map(Merge::from),
            label: label.clone(),
            label_integers: *label_values == LabelValues::Integers,
            index_unique: index_unique.clone(),
            fill_value: fill_value.map(Fill::from),
            pairwise: *pairwise == concat::Pairwise::Keep,
            sparse_format: match sparse_format {
                FormatChoice::Auto => Sparse::Auto,
                FormatChoice::Always(SparseFormat::Csr) => Sparse::Csr,
                FormatChoice::Always(SparseFormat::Csc) => Sparse::Csc,
            },
            missing_text: match missing_text {
                MissingText::Auto => Missing::Auto,
                MissingText::Categorical => Missing::Categorical,
                MissingText::Nullable => Missing::Nullable,
            },
        }
    }
}

impl From<Options> for ConcatOptions {
    fn from(options: Options) -> Self {
        Self {
            axis: match options.axis {
                Axis::Obs => concat::Axis::Obs,
                Axis::Var => concat::Axis::Var,
            },
            join: match options.join {
                Join::Inner => concat::Join::Inner,
                Join::Outer => concat::Join::Outer,
            },
            merge: options.merge.map(concat::Merge::from),
            uns_merge: options.uns_merge.map(concat::Merge::from),
            label: options.label,
            label_values: match options.label_integers {
                true => LabelValues::Integers,
                false => LabelValues::Text,
            },
            index_unique: options.index_unique,
            fill_value: options.fill_value.map(FillValue::from),
            pairwise: match options.pairwise {
                true => concat::Pairwise::Keep,
                false => concat::Pairwise::Drop,
            },
            sparse_format: match options.sparse_format {
                Sparse::Auto => FormatChoice::Auto,
                Sparse::Csr => FormatChoice::Always(SparseFormat::Csr),
                Sparse::Csc => FormatChoice::Always(SparseFormat::Csc),
            },
            missing_text: match options.missing_text {
                Missing::Auto => MissingText::Auto,
                Missing::Categorical => MissingText::Categorical,
                Missing::Nullable => MissingText::Nullable,
            },
        }
    }
}

impl From<concat::Merge> for Merge {
    fn from(merge: concat::Merge) -> Self {
        match merge {
            concat::Merge::Same => Self::Same,
            concat::Merge::Unique => Self::Unique,
            concat::Merge::First => Self::First,
            concat::Merge::Only => Self::Only,
        }
    }
}

impl From<Merge> for concat::Merge {
    fn from(merge: Merge) -> Self {
        match merge {
            Merge::Same => Self::Same,
            Merge::Unique => Self::Unique,
            Merge::First => Self::First,
            Merge::Only => Self::Only,
        }
    }
}

impl From<FillValue> for Fill {
    fn from(value: FillValue) -> Self {
        match value {
            FillValue::Int(value) => Self::Int(value),
            FillValue::Float(value) if value.is_nan() => Self::Text(NotFinite::Nan),
            FillValue::Float(f64::INFINITY) => Self::Text(NotFinite::Inf),
            FillValue::Float(f64::NEG_INFINITY) => Self::Text(NotFinite::MinusInf),
            FillValue::Float(value) => Self::Float(value),
        }
    }
}

impl From<Fill> for FillValue {
    fn from(fill: Fill) -> Self {
        match fill {
            Fill::Int(value) => Self::Int(value),
            Fill::Float(value) => Self::Float(value),
            Fill::Text(NotFinite::Nan) => Self::Float(f64::NAN),
            Fill::Text(NotFinite::Inf) => Self::Float(f64::INFINITY),
            Fill::Text(NotFinite::MinusInf) => Self::Float(f64::NEG_INFINITY),
        }
    }
}

impl Layout {
    fn of(layout: &ZarrOptions) -> Self {
        let ZarrOptions { format, geometry: Geometry { rows, elems, shard_bytes } } = *layout;
        Self {
            zarr_format: match format {
                ZarrFormat::V2 => Format::V2,
                ZarrFormat::V3 => Format::V3,
            },
            chunk_rows: rows,
            chunk_elems: elems,
            shard_bytes,
        }
    }
}

impl From<Layout> for ZarrOptions {
    fn from(layout: Layout) -> Self {
        Self {
            format: match layout.zarr_format {
                Format::V2 => ZarrFormat::V2,
                Format::V3 => ZarrFormat::V3,
            },
            geometry: Geometry {
                rows: layout.chunk_rows,
                elems: layout.chunk_elems,
                shard_bytes: layout.shard_bytes,
            },
        }
    }
}
