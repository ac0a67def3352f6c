//! The command line: arguments, subcommands, what is printed, exit codes.
//!
//! stdout is data, stderr is talk. Exit codes: 0 done, 1 failed, 2 wrong usage.

mod args;
mod daemon;
mod inputs;
mod inspect;
mod load;
mod log;
mod materialize;
mod mount;
mod progress;
mod talk;
mod unmount;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use args::{ConcatArgs, RecipeArgs, ResourceArgs, parse_count};
pub use inputs::InputArgs;
pub use progress::Bar;

/// A command line that contradicts itself; exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

/// A [`UsageError`] that says this.
fn usage(what: impl Into<String>) -> anyhow::Error {
    UsageError(what.into()).into()
}

const EXAMPLES: &str = "\
Examples:
  anncat mount --label dataset b_cells=a.h5ad fetal=b.h5ad mnt
      present both as mnt/merged.zarr, readable at once; then in Python:
      anndata.read_zarr(\"mnt/merged.zarr\")
  anncat unmount mnt
  anncat materialize --join outer a.h5ad b.zarr -o merged.h5ad
      write the same into a real file
  anncat inspect a.h5ad b.h5ad
      say what the result would be, and what would be dropped or converted
  ls data/*.h5ad | anncat mount --from - mnt
      thousands of inputs";

/// Many AnnData files as one: mounted, or written, with the semantics of anndata.concat.
#[derive(Debug, Parser)]
#[command(name = "anncat", version, after_help = EXAMPLES, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Mount(Box<mount::MountArgs>),
    Inspect(Box<inspect::InspectArgs>),
    Materialize(Box<materialize::MaterializeArgs>),
    Unmount(unmount::UnmountArgs),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    refuse_to_die_of_limits();
    log::start();
    let done = match cli.command {
        Command::Mount(args) => mount::run(*args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Materialize(args) => materialize::run(&args),
        Command::Unmount(args) => unmount::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

/// A number of things.
fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A path as it is typed in a shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    shlex::try_quote(&text).map_or_else(|_| text.to_string(), Into::into)
}

/// Says something on stderr. Whoever closed it does not want to hear it, and the work goes on.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{}", talk::plain(&text.to_string()));
}

/// Makes a limit on file sizes (`ulimit -f`) an error of the write that meets it, which cleans up,
/// and not the end of the process.
fn refuse_to_die_of_limits() {
    // SAFETY: ignoring a signal installs no handler, and no other thread runs yet.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Prints an error; gives the exit code.
fn report(error: &anyhow::Error) -> ExitCode {
    say(format_args!("error: {}", sentence(error)));
    ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
}

/// An error with its causes.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Most errors tell their cause in their own sentence.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
