//! From paths to the merged tree: open, decode, encode.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use rayon::prelude::*;

use super::{ConcatArgs, KeyedInput, ResourceArgs};
use crate::anndata::{self, AnnData};
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

/// Everything from paths to the merged tree.
///
/// # Errors
/// Whatever step fails first.
pub fn load(inputs: &[KeyedInput], _args: &ConcatArgs, resources: &ResourceArgs) -> Result<Loaded> {
    let limits = io::Limits {
        cache_bytes: usize::try_from(resources.memory / 4).unwrap_or(usize::MAX),
        ..io::Limits::default()
    };
    let context = io::Context::new(limits);
    let opened: Vec<Result<(AnnData, io::Identity)>> = inputs
        .par_iter()
        .map(|keyed| {
            let source = input::open(&keyed.path, &context)?;
            Ok((anndata::decode(&source.root, &source.path)?, source.identity))
        })
        .collect();
    let opened: Vec<(AnnData, io::Identity)> = opened.into_iter().collect::<Result<_>>()?;
    let [(merged, identity)] = &opened[..] else { bail!("more than one input") };
    let modified = u64::try_from(identity.mtime_ns)
        .ok()
        .map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos));
    let root = anndata::encode(merged)?;
    let paths = inputs.iter().map(|input| input.path.clone()).collect();
    Ok(Loaded { root, inputs: paths, modified })
}
