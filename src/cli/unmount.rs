//! `anncat unmount`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Result, Talk};
use crate::fuse::session;

/// Take a mount away
///
/// Works while files of it are open (they can be read until they are closed), and when the process
/// that served it has died.
#[derive(Debug, Args)]
pub struct UnmountArgs {
    /// The directory given to `anncat mount`
    #[arg(value_name = "MOUNTPOINT")]
    mountpoint: PathBuf,
}

pub fn run(args: &UnmountArgs, talk: Talk) -> Result<ExitCode> {
    session::unmount(&args.mountpoint)?;
    if talk.is_json() {
        talk.print(&serde_json::json!({ "unmounted": [args.mountpoint.display().to_string()] }))?;
    }
    Ok(ExitCode::SUCCESS)
}
