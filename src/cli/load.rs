//! From paths to the merged tree: open, decode, plan, compile, encode.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use rayon::prelude::*;

use super::args::{AxisArg, FillArg, JoinArg, MergeArg, SparseFormatArg};
use super::{Bar, ConcatArgs, KeyedInput, ResourceArgs};
use crate::anndata::{self, SparseFormat};
use crate::concat::sparse::{CensusEnv, FillValue, FormatChoice};
use crate::concat::{self, Axis, ConcatOptions, Input, Join, Merge, Pairwise, Plan};
use crate::tree::Group;
use crate::{input, io};

/// The merged tree, and what is known of where it came from.
pub struct Loaded {
    /// The tree.
    pub root: Group,
    /// Paths of all inputs.
    pub inputs: Vec<PathBuf>,
    /// When the newest input was last changed.
    pub modified: Option<SystemTime>,
}

/// Opens and decodes all inputs, in parallel; the first one that fails, in their order, is the error.
///
/// # Errors
/// An input that cannot be read or is no AnnData.
pub fn open(inputs: &[KeyedInput], resources: &ResourceArgs) -> Result<Vec<Input>> {
    let limits = io::Limits {
        cache_bytes: usize::try_from(resources.memory / 4).unwrap_or(usize::MAX),
        ..io::Limits::default()
    };
    let context = io::Context::new(limits);
    let opened: Vec<Result<Input>> =
        inputs.par_iter().map(|input| open_one(input, &context)).collect();
    opened.into_iter().collect()
}

fn open_one(keyed: &KeyedInput, context: &Arc<io::Context>) -> Result<Input> {
    let source = input::open(&keyed.path, context)?;
    let adata = anndata::decode(&source.root, &source.path)?;
    let (key, path) = (keyed.key.clone(), keyed.path.clone());
    Ok(Input { key, path, identity: source.identity, adata })
}

/// Plans the concatenation of opened inputs.
///
/// # Errors
/// Inputs that contradict each other.
pub fn plan(inputs: &[Input], args: &ConcatArgs) -> Result<Plan> {
    Ok(concat::plan(inputs, &options(args))?)
}

/// Everything from paths to the merged tree. Notices and progress go to stderr.
///
/// # Errors
/// Whatever step fails first.
pub fn load(
    inputs: &[KeyedInput],
    args: &ConcatArgs,
    resources: &ResourceArgs,
) -> Result<Loaded> {
    let opened = open(inputs, resources)?;
    let plan = plan(&opened, args)?;
    for notice in &plan.notices {
        eprintln!("note: {notice}");
    }
    let modified = opened
        .iter()
        .filter_map(|input| u64::try_from(input.identity.mtime_ns).ok())
        .max()
        .map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos));
    let paths = opened.iter().map(|input| input.path.clone()).collect();
    drop(opened);
    let env = CensusEnv::from_environment(resources.memory);
    let merged = plan.compile(&env, &Bar::default())?;
    let root = anndata::encode(&merged)?;
    Ok(Loaded { root, inputs: paths, modified })
}

/// The arguments in the words of the concatenation.
pub fn options(args: &ConcatArgs) -> ConcatOptions {
    ConcatOptions {
        axis: match args.axis {
            AxisArg::Obs => Axis::Obs,
            AxisArg::Var => Axis::Var,
        },
        join: match args.join {
            JoinArg::Inner => Join::Inner,
            JoinArg::Outer => Join::Outer,
        },
        merge: args.merge.map(merge),
        uns_merge: args.uns_merge.map(merge),
        label: args.label.clone(),
        index_unique: args.index_unique.clone(),
        fill_value: args.fill_value.map(|fill| match fill {
            FillArg::Int(value) => FillValue::Int(value),
            FillArg::Float(value) => FillValue::Float(value),
        }),
        pairwise: if args.pairwise { Pairwise::Keep } else { Pairwise::Drop },
        sparse_format: match args.sparse_format {
            SparseFormatArg::Auto => FormatChoice::Auto,
            SparseFormatArg::Csr => FormatChoice::Always(SparseFormat::Csr),
            SparseFormatArg::Csc => FormatChoice::Always(SparseFormat::Csc),
        },
    }
}

fn merge(arg: MergeArg) -> Merge {
    match arg {
        MergeArg::Same => Merge::Same,
        MergeArg::Unique => Merge::Unique,
        MergeArg::First => Merge::First,
        MergeArg::Only => Merge::Only,
    }
}
