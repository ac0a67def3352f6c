//! The command line: arguments, subcommands, what is printed, exit codes.
//!
//! stdout is data, stderr is talk. Exit codes: 0 done, 1 failed, 2 wrong usage.

mod args;
mod daemon;
mod dropped;
mod failure;
mod inputs;
mod inspect;
mod load;
mod log;
mod log_file;
mod materialize;
mod mount;
mod plain;
mod progress;
mod signals;
mod table;
mod talk;
mod unmount;
mod words;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};

use crate::base::Kind;

pub use args::{ConcatArgs, RecipeArgs, ResourceArgs, parse_count};
pub use failure::{Failure, Result, usage};
pub use inputs::InputArgs;
pub use progress::{Bar, Counted};
pub use talk::Talk;

use crate::input;

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
    #[command(flatten)]
    talk: Talk,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Mount(Box<mount::MountArgs>),
    Inspect(Box<inspect::InspectArgs>),
    Materialize(Box<materialize::MaterializeArgs>),
    Unmount(unmount::UnmountArgs),
    /// Answers questions about HDF5 files on stdin; anncat starts it where libhdf5 has to be asked
    #[command(hide = true, name = input::Helper::SUBCOMMAND)]
    Libhdf5,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(mut error) => {
            hide_private(&mut error);
            let talk = Talk::of_words(std::env::args_os());
            if error.use_stderr() && talk.is_json() {
                return talk.fail(&failure::of_clap(&error));
            }
            error.exit();
        }
    };
    let talk = cli.talk;
    refuse_to_die_of_limits();
    log::start(talk);
    // This program once more, whatever stands at its path by now.
    input::use_helper(input::Helper::of_program("/proc/self/exe".into()));
    let done = match cli.command {
        Command::Mount(args) => mount::run(*args, talk),
        Command::Inspect(args) => inspect::run(&args, talk),
        Command::Materialize(args) => materialize::run(&args, talk),
        Command::Unmount(args) => unmount::run(&args, talk),
        Command::Libhdf5 => {
            return input::serve_libhdf5().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
    };
    done.unwrap_or_else(|failure| {
        let code = talk.fail(&failure);
        if failure.kind() == Kind::Interrupted {
            signals::end_by_caught();
        }
        code
    })
}

/// Takes subcommands that are nobody's business out of what clap says; it hides them in help only.
fn hide_private(error: &mut clap::Error) {
    let command = Cli::command();
    let is_private =
        |name: &String| command.find_subcommand(name).is_some_and(clap::Command::is_hide_set);
    for kind in [ContextKind::ValidSubcommand, ContextKind::SuggestedSubcommand] {
        let Some(ContextValue::Strings(names)) = error.get(kind) else { continue };
        let names: Vec<String> = names.iter().filter(|name| !is_private(name)).cloned().collect();
        match names.is_empty() {
            true => drop(error.remove(kind)),
            false => drop(error.insert(kind, ContextValue::Strings(names))),
        }
    }
}

/// Makes a limit on file sizes (`ulimit -f`) an error of the write that meets it, which cleans up,
/// and not the end of the process.
fn refuse_to_die_of_limits() {
    // SAFETY: ignoring a signal installs no handler, and no other thread runs yet.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_subcommands_are_not_told() {
        for words in [&["anncat", "--json"][..], &["anncat", "libhdf"]] {
            let mut error = Cli::try_parse_from(words).unwrap_err();
            hide_private(&mut error);
            let told = failure::of_clap(&error).to_string();
            assert!(!told.contains(input::Helper::SUBCOMMAND), "{told}");
        }
        let mut error = Cli::try_parse_from(["anncat", "--json"]).unwrap_err();
        hide_private(&mut error);
        assert!(error.to_string().contains("materialize, unmount"), "{error}");
    }
}
