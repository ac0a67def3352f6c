//! `anncat unmount`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

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

pub fn run(args: &UnmountArgs) -> Result<ExitCode> {
    session::unmount(&args.mountpoint)?;
    Ok(ExitCode::SUCCESS)
}
