//! Options that several subcommands share, and the recipe that they make.

use std::ffi::OsString;
use std::num::NonZeroU64;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

use super::dropped::DroppedArgs;
use super::inputs::InputArgs;
use super::{Result, usage};
use crate::anndata::{Selection, SparseFormat};
use crate::concat;
use crate::face::zarr::{Geometry, ZarrFormat, ZarrOptions};
use crate::io::External;
use crate::recipe::{Limits, Recipe, plan_file};

/// What is merged, and how: the same for every command that merges.
#[derive(Debug, Clone, Args)]
pub struct RecipeArgs {
    #[command(flatten)]
    pub(super) inputs: InputArgs,
    #[command(flatten)]
    pub(super) elements: ElementArgs,
    #[command(flatten)]
    pub(super) concat: ConcatArgs,
    #[command(flatten)]
    pub(super) store: StoreArgs,
    #[command(flatten)]
    pub(super) resources: ResourceArgs,
    #[command(flatten)]
    pub(super) dropped: DroppedArgs,
}

impl RecipeArgs {
    /// The recipe that the options and the inputs `named` beside them make, or that the plan holds.
    ///
    /// # Errors
    /// They contradict each other, or a list or plan cannot be read.
    pub fn recipe(&self, named: &[OsString]) -> Result<Recipe> {
        let Some(plan) = &self.inputs.plan else {
            return Ok(Recipe {
                inputs: self.inputs.resolve(named, self.concat.keys.as_deref())?,
                selection: Selection::new(&self.elements.drop, &self.elements.keep)
                    .map_err(|error| usage(error.to_string()))?,
                options: self.concat.options(),
                layout: self.store.over(ZarrOptions::default())?,
            });
        };
        if let Some(named) = named.first() {
            return Err(usage(format!(
                "{} is an input, and --plan says what the inputs are\n  hint: use one of them",
                named.display()
            )));
        }
        Ok(plan_file::read(plan, &self.inputs.relocations()?)?)
    }

    /// The same, where the layout is part of what is asked for: a plan says it, too.
    ///
    /// # Errors
    /// As [`Self::recipe`].
    pub fn recipe_with_layout(&self, named: &[OsString]) -> Result<Recipe> {
        match self.store.given().next() {
            Some(option) if self.inputs.plan.is_some() => Err(usage(format!(
                "both --plan and {option} are given, and the plan says how the store is laid \
                 out\n  hint: leave out {option}, or plan anew with it"
            ))),
            _ => self.recipe(named),
        }
    }

    /// What the recipe may use.
    pub const fn limits(&self) -> Limits {
        let external = match self.resources.follow_external {
            true => External::Follow,
            false => External::Refuse,
        };
        Limits { memory_bytes: self.resources.memory, external }
    }
}

/// Which elements of each input count.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Elements")]
pub struct ElementArgs {
    /// Leave out elements of each input before anything of them is read: obs/batch*, obsm/X_umap,
    /// uns, raw, layers/counts; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub drop: Vec<String>,
    /// Keep only elements that such a pattern matches, and the names of both axes
    #[arg(long, value_name = "PATTERN")]
    pub keep: Vec<String>,
}

/// How a zarr store is laid out.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// Version of the zarr format, of a .zarr [default: 3]
    #[arg(long, value_enum, value_name = "2|3")]
    pub zarr_format: Option<FormatArg>,
    /// Rows of a chunk of a matrix, in a .zarr [default: about 4 MiB of them; in shards 256 KiB]
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub chunk_rows: Option<NonZeroU64>,
    /// Elements of a chunk of a one-dimensional array, such as the values of a sparse matrix
    /// [default: 1048576; in shards, and of a compressed .h5ad, 65536]
    #[arg(long, visible_alias = "chunk-nnz", value_name = "N", value_parser = parse_count)]
    pub chunk_elems: Option<NonZeroU64>,
    /// Put chunks of a .zarr together into shards (files) of about SIZE; zarr 3 only
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub shard_size: Option<u64>,
}

impl StoreArgs {
    /// A layout with what was asked for in place of what it has.
    ///
    /// # Errors
    /// Shards in a format that has none.
    pub fn over(&self, layout: ZarrOptions) -> Result<ZarrOptions> {
        let format = self.zarr_format.map_or(layout.format, ZarrFormat::from);
        let shard_bytes = self.shard_size.and_then(NonZeroU64::new);
        if shard_bytes.is_some() && format == ZarrFormat::V2 {
            return Err(usage(
                "zarr 2 has no shards\n  hint: leave out --shard-size or --zarr-format 2",
            ));
        }
        let of_layout = layout.geometry.shard_bytes.filter(|_| format == ZarrFormat::V3);
        Ok(ZarrOptions {
            format,
            geometry: Geometry {
                rows: self.chunk_rows.or(layout.geometry.rows),
                elems: self.chunk_elems.or(layout.geometry.elems),
                shard_bytes: shard_bytes.or(of_layout),
            },
        })
    }

    /// The options that were given.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("--zarr-format", self.zarr_format.is_some()),
            ("--chunk-rows", self.chunk_rows.is_some()),
            ("--chunk-elems", self.chunk_elems.is_some()),
            ("--shard-size", self.shard_size.is_some()),
        ]
        .into_iter()
        .filter_map(|(option, is_given)| is_given.then_some(option))
    }
}

/// How inputs are concatenated, in the words of `anndata.concat`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Concatenation (as in anndata.concat)")]
pub struct ConcatArgs {
    /// Axis to concatenate along: obs or 0, var or 1
    #[arg(long, value_enum, default_value = "obs", value_name = "AXIS")]
    pub axis: AxisArg,
    /// Names of the other axis to keep: those in all inputs, or in any
    #[arg(long, value_enum, default_value = "inner", value_name = "JOIN")]
    pub join: JoinArg,
    /// Which elements of the other axis to keep: same, unique, first, only [default: none]
    #[arg(long, value_enum, value_name = "STRATEGY", hide_possible_values = true)]
    pub merge: Option<MergeArg>,
    /// Which elements of uns to keep: same, unique, first, only [default: none]
    #[arg(long, value_enum, value_name = "STRATEGY", hide_possible_values = true)]
    pub uns_merge: Option<MergeArg>,
    /// Column to add that tells the input each row comes from
    #[arg(long, value_name = "COLUMN", value_parser = NonEmptyStringValueParser::new())]
    pub label: Option<String>,
    /// Keys of the inputs, in their order [default: KEY of KEY=PATH, else 0, 1, ...]
    #[arg(long, value_delimiter = ',', value_name = "A,B,...", allow_hyphen_values = true)]
    pub keys: Option<Vec<String>>,
    /// Append SEP and the input's key to each name, to make names unique
    #[arg(long, value_name = "SEP", allow_hyphen_values = true)]
    pub index_unique: Option<String>,
    /// Value of entries that an outer join introduces [default: NaN, 0 where sparse]
    #[arg(long, value_name = "X", allow_hyphen_values = true, value_parser = parse_fill)]
    pub fill_value: Option<FillArg>,
    /// Keep pairwise elements (obsp, varp) as block-diagonal matrices
    #[arg(long)]
    pub pairwise: bool,
    /// Format of sparse results: the inputs' own where they agree, else csr
    #[arg(long, value_enum, default_value = "auto", value_name = "FORMAT")]
    pub sparse_format: SparseFormatArg,
    /// What text becomes of which some is missing: categorical, or nullable strings, which anndata
    /// reads from 0.11 on [auto: categorical, unless the values are too many to be in memory]
    #[arg(long, value_enum, default_value = "auto", value_name = "KIND")]
    pub missing_text: MissingTextArg,
}

/// What a command may use.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Resources")]
pub struct ResourceArgs {
    /// Memory for caches and conversions: 512MiB, 2G, ...
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = parse_memory)]
    pub memory: u64,
    /// Read files that inputs lead to: links out of a .zarr; external storage, virtual datasets and
    /// external links of an .h5ad. They become part of the input: a change of one is an error
    #[arg(long)]
    pub follow_external: bool,
}

/// Version of the zarr format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    #[value(name = "2")]
    V2,
    #[value(name = "3")]
    V3,
}

impl From<FormatArg> for ZarrFormat {
    fn from(arg: FormatArg) -> Self {
        match arg {
            FormatArg::V2 => Self::V2,
            FormatArg::V3 => Self::V3,
        }
    }
}

/// An axis, by name or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AxisArg {
    #[value(alias = "0")]
    Obs,
    #[value(alias = "1")]
    Var,
}

/// A join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum JoinArg {
    Inner,
    Outer,
}

/// A merge strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MergeArg {
    None,
    Same,
    Unique,
    First,
    Only,
}

/// A choice of sparse format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SparseFormatArg {
    Auto,
    Csr,
    Csc,
}

/// What becomes of text of which some is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MissingTextArg {
    Auto,
    Categorical,
    Nullable,
}

/// A fill value: an integer stays one, which matters for the dtype of what it fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FillArg {
    Int(i64),
    Float(f64),
}

impl ConcatArgs {
    /// The same, in the words of `concat`.
    #[must_use]
    pub fn options(&self) -> concat::ConcatOptions {
        let merge = |strategy: MergeArg| match strategy {
            MergeArg::None => None,
            MergeArg::Same => Some(concat::Merge::Same),
            MergeArg::Unique => Some(concat::Merge::Unique),
            MergeArg::First => Some(concat::Merge::First),
            MergeArg::Only => Some(concat::Merge::Only),
        };
        concat::ConcatOptions {
            axis: match self.axis {
                AxisArg::Obs => concat::Axis::Obs,
                AxisArg::Var => concat::Axis::Var,
            },
            join: match self.join {
                JoinArg::Inner => concat::Join::Inner,
                JoinArg::Outer => concat::Join::Outer,
            },
            merge: self.merge.and_then(merge),
            uns_merge: self.uns_merge.and_then(merge),
            label: self.label.clone(),
            label_values: concat::LabelValues::Text,
            index_unique: self.index_unique.clone(),
            fill_value: self.fill_value.map(|value| match value {
                FillArg::Int(value) => concat::FillValue::Int(value),
                FillArg::Float(value) => concat::FillValue::Float(value),
            }),
            pairwise: if self.pairwise { concat::Pairwise::Keep } else { concat::Pairwise::Drop },
            sparse_format: match self.sparse_format {
                SparseFormatArg::Auto => concat::FormatChoice::Auto,
                SparseFormatArg::Csr => concat::FormatChoice::Always(SparseFormat::Csr),
                SparseFormatArg::Csc => concat::FormatChoice::Always(SparseFormat::Csc),
            },
            missing_text: match self.missing_text {
                MissingTextArg::Auto => concat::MissingText::Auto,
                MissingTextArg::Categorical => concat::MissingText::Categorical,
                MissingTextArg::Nullable => concat::MissingText::Nullable,
            },
        }
    }
}

fn parse_fill(text: &str) -> Result<FillArg, String> {
    if let Ok(value) = text.parse() {
        return Ok(FillArg::Int(value));
    }
    text.parse().map(FillArg::Float).map_err(|_| "expected a number or nan".to_owned())
}

/// Reads a number of things of which there is at least one.
///
/// # Errors
/// A sentence, when it is no such number.
pub fn parse_count(text: &str) -> Result<NonZeroU64, String> {
    text.parse().map_err(|_| "expected a whole number from 1 on".to_owned())
}

/// A size that caches can do anything with.
fn parse_memory(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 1 << 20;
    let bytes = if text == "0" { 0 } else { parse_size(text)? };
    if bytes < LEAST { Err(format!("{text} is too little: at least 1MiB")) } else { Ok(bytes) }
}

/// Reads a size in bytes: `512MiB`, `2G`, `65536`. Units are powers of 1024, with or without `iB`,
/// and powers of 1000 when they end in a plain `B` (`kB`).
///
/// # Errors
/// A sentence, when it is no size above zero.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected a size such as 512MiB or 2G, not {text:?}");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let unit = unit.trim().to_ascii_lowercase();
    let (letter, base) = match unit.as_str() {
        "" | "b" => ("", 1.0),
        _ => match (unit.strip_suffix("ib"), unit.strip_suffix('b')) {
            (Some(letter), _) => (letter, 1024.0),
            (None, Some(letter)) => (letter, 1000.0),
            (None, None) => (unit.as_str(), 1024.0),
        },
    };
    let power = ["", "k", "m", "g", "t"].iter().position(|l| *l == letter).ok_or_else(wrong)?;
    let bytes = number * f64::powi(base, power as i32);
    if (1.0..1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [
            ("1", Some(1)),
            ("512MiB", Some(512 << 20)),
            ("2G", Some(2 << 30)),
            ("2gb", Some(2_000_000_000)),
            ("1.5K", Some(1536)),
            ("10 MB", Some(10_000_000)),
            ("", None),
            ("0", None),
            ("-1", None),
            ("3X", None),
            ("G", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn memory_has_a_floor() {
        for little in ["0", "12"] {
            assert!(parse_memory(little).unwrap_err().contains("at least 1MiB"));
        }
        assert_eq!(parse_memory("1MiB"), Ok(1 << 20));
    }

    #[test]
    fn fill_values() {
        assert_eq!(parse_fill("-1"), Ok(FillArg::Int(-1)));
        assert_eq!(parse_fill("0.0"), Ok(FillArg::Float(0.0)));
        assert!(matches!(parse_fill("nan"), Ok(FillArg::Float(x)) if x.is_nan()));
        assert!(parse_fill("x").is_err());
    }
}
