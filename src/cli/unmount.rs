//! `anncat unmount`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Failure, Result, Talk};
use crate::fuse::{mounts, session};

/// Take mounts away
///
/// Works while files of a mount are open (they can be read until they are closed), and when the
/// process that served it has died.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  anncat unmount mnt
  anncat unmount mnt/merged.zarr other/mnt
  anncat unmount --all")]
pub struct UnmountArgs {
    /// Directories given to `anncat mount`, or the stores in them
    #[arg(value_name = "MOUNTPOINT", required_unless_present = "all", conflicts_with = "all")]
    mountpoints: Vec<PathBuf>,
    /// Take all of your mounts away; as root, everybody's
    #[arg(long)]
    all: bool,
}

/// What `--json` prints; beside the error, too, when others could not be taken away.
#[derive(Serialize)]
struct UnmountAnswer {
    unmounted: Vec<String>,
}

pub fn run(args: &UnmountArgs, talk: Talk) -> Result<ExitCode> {
    let mountpoints = if args.all { mounts::of_this_user() } else { args.mountpoints.clone() };
    let (mut unmounted, mut failures) = (Vec::new(), Vec::new());
    for mountpoint in &mountpoints {
        match session::unmount(&mountpoint_of(mountpoint)) {
            Ok(()) => unmounted.push(mountpoint.display().to_string()),
            Err(error) => failures.push(Failure::from(error)),
        }
    }
    if args.all {
        talk.say(match unmounted.as_slice() {
            [] => "there is no mount of anncat".to_owned(),
            unmounted => format!("unmounted: {}", unmounted.join(", ")),
        });
    }
    let answer = UnmountAnswer { unmounted };
    if let Some(failure) = Failure::of_several(failures) {
        return Ok(talk.fail_after(&failure, Some(&answer)));
    }
    if talk.is_json() {
        talk.print(&answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The mountpoint that is meant: also by the store that lies in it.
fn mountpoint_of(path: &Path) -> PathBuf {
    let above = || {
        let resolved = mounts::resolve(path).ok()?;
        if mounts::at(&resolved).ok()?.is_some() {
            return None;
        }
        mounts::ours_above(&resolved).filter(|above| resolved.parent() == Some(above))
    };
    above().unwrap_or_else(|| path.to_owned())
}
