//! How a command talks: data on stdout, talk on stderr, and how much of it.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::failure::Doing;
use super::plain::plain;
use super::{Bar, Failure, Result};
use crate::base::{FaultReport, Kind, Progress, Silent};
use crate::concat::NoticeReport;

/// How a command talks.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Talk {
    /// Say nothing but errors on stderr: no notes, no progress
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Print what comes of the command on stdout as JSON, an error too
    #[arg(long, global = true)]
    json: bool,
}

impl Talk {
    /// As much as a command line asks for that clap could not make sense of.
    pub fn of_words(words: impl Iterator<Item = std::ffi::OsString>) -> Self {
        let mut talk = Self::default();
        for word in words.take_while(|word| word != "--") {
            talk.json |= word == "--json";
        }
        talk
    }

    /// Whether stdout is for a program.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Says how things go on stderr. Whoever closed it does not want to hear it, and the work goes
    /// on.
    pub fn say(self, text: impl Display) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{}", plain(&text.to_string()));
        }
    }

    /// Says what the user may not expect.
    pub fn note(self, text: impl Display) {
        self.say(format_args!("note: {text}"));
    }

    /// Tells why the command fails; gives the exit code.
    pub fn fail(self, failure: &Failure) -> ExitCode {
        self.fail_after(failure, None::<&()>)
    }

    /// The same of a command that has done a part of its work: programs learn what.
    pub fn fail_after(self, failure: &Failure, done: Option<&impl Serialize>) -> ExitCode {
        let _ = writeln!(std::io::stderr(), "error: {}", plain(&failure.to_string()));
        if self.json {
            // Who cannot be told this way has been told on stderr.
            let _ = self.print(&FailureAnswer { error: failure.report(), done });
        }
        ExitCode::from(if failure.kind() == Kind::Usage { 2 } else { 1 })
    }

    /// Prints what came of the command, for programs.
    ///
    /// # Errors
    /// It cannot be printed; but whoever closed stdout has seen enough.
    pub fn print(self, answer: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(answer)
            .map_err(|error| Failure::new(Kind::Defect, error.to_string()))?;
        match writeln!(std::io::stdout(), "{text}") {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.doing(Kind::System, "cannot print"),
        }
    }

    /// Who shows how far the work is.
    pub fn progress(self) -> Box<dyn Progress> {
        if self.quiet { Box::new(Silent) } else { Box::new(Bar::default()) }
    }

    /// How much of what the layers below have to say is told, in the words of `env_logger`.
    pub const fn log_filter(self) -> &'static str {
        if self.quiet { "error" } else { "warn,fuser=error" }
    }
}

/// What `--json` prints of a command that fails.
#[derive(Serialize)]
struct FailureAnswer<'a, T> {
    error: &'a FaultReport,
    #[serde(flatten)]
    done: Option<&'a T>,
}

/// What `--json` of a command that merges says of the merge.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct MergeAnswer {
    /// Observations and variables.
    pub shape: [u64; 2],
    /// Number of inputs.
    pub inputs: usize,
    /// What is dropped, converted or replaced.
    pub notices: Vec<NoticeReport>,
    /// What the output's format cannot hold.
    pub left_out: Vec<String>,
}
