//! From paths to the merged tree: open, decode, plan, compile, encode.

use std::time::{Duration, SystemTime};

use anyhow::{Result, anyhow};
use rayon::prelude::*;

use super::{Bar, ConcatArgs, KeyedInput, ResourceArgs, counted, say, sentence};
use crate::tree::Group;
use crate::{anndata, concat, input, io};

/// The merged tree, and what is known of where it came from.
pub struct Loaded {
    /// The tree.
    pub root: Group,
    /// When the newest input was last changed.
    pub modified: Option<SystemTime>,
}

/// The inputs, opened and decoded, and the plan of their concatenation.
pub struct Prepared {
    /// The inputs in order.
    pub inputs: Vec<concat::Input>,
    /// What their concatenation will be.
    pub plan: concat::Plan,
}

/// Opens and decodes the inputs, in parallel, and plans their concatenation.
///
/// # Errors
/// An input that cannot be read, or inputs that contradict each other.
pub fn prepare(
    inputs: &[KeyedInput],
    args: &ConcatArgs,
    resources: &ResourceArgs,
) -> Result<Prepared> {
    let limits = io::Limits {
        cache_bytes: usize::try_from(resources.memory / 4).unwrap_or(usize::MAX),
        ..io::Limits::default()
    };
    let context = io::Context::new(limits);
    let opened: Vec<Result<concat::Input>> = inputs
        .par_iter()
        .map(|keyed| {
            let source = input::open(&keyed.path, &context)?;
            Ok(concat::Input {
                key: keyed.key.clone(),
                path: keyed.path.clone(),
                identity: source.identity,
                adata: anndata::decode(&source.root, &source.path)?,
            })
        })
        .collect();
    let inputs = all_or_failure(opened)?;
    let plan = concat::plan(&inputs, &args.options())?;
    Ok(Prepared { inputs, plan })
}

/// All inputs, or why those that failed did.
fn all_or_failure(opened: Vec<Result<concat::Input>>) -> Result<Vec<concat::Input>> {
    const MOST_NAMED: usize = 5;
    let mut inputs = Vec::with_capacity(opened.len());
    let mut failures = Vec::new();
    for opened in opened {
        match opened {
            Ok(input) => inputs.push(input),
            Err(error) => failures.push(sentence(&error)),
        }
    }
    let Some((first, others)) = failures.split_first() else { return Ok(inputs) };
    let mut text = first.clone();
    for other in others.iter().take(MOST_NAMED) {
        // What can be done is mostly the same.
        text += &format!("\n  also: {}", other.lines().next().unwrap_or_default());
    }
    if others.len() > MOST_NAMED {
        text += &format!("\n  also: {} more inputs", others.len() - MOST_NAMED);
    }
    Err(anyhow!(text))
}

/// Everything from paths to the merged tree. The shape and notices go to stderr.
///
/// # Errors
/// Whatever step fails first.
pub fn load(inputs: &[KeyedInput], args: &ConcatArgs, resources: &ResourceArgs) -> Result<Loaded> {
    let Prepared { inputs, plan } = prepare(inputs, args, resources)?;
    let (n_obs, n_vars) = (plan.merged.n_obs, plan.merged.n_vars);
    say(format_args!("{n_obs} obs × {n_vars} vars from {}", counted(inputs.len(), "input")));
    for notice in &plan.notices {
        say(format_args!("note: {notice}"));
    }
    let env = concat::CensusEnv::from_environment(resources.memory);
    let merged = plan.compile(&env, &Bar::default())?;
    let root = anndata::encode(&merged)?;
    let modified = inputs
        .iter()
        .filter_map(|input| u64::try_from(input.identity.mtime_ns).ok())
        .max()
        .map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos));
    Ok(Loaded { root, modified })
}
