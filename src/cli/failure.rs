//! Why a command fails, as every command tells it: a sentence on stderr and, with `--json`, an
//! object on stdout. A failure always has a kind: it is made of a [`Fault`] of the layers below, or
//! names its kind itself.

use std::path::Path;

use crate::anndata::drop_hint;
use crate::base::{Fault, FaultReport, Kind};

/// Why a command fails.
#[derive(Debug)]
pub struct Failure {
    sentence: String,
    report: Box<FaultReport>,
}

/// What a step of a command gives.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Enough of an error to say it.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
struct Said<'a> {
    kind: Kind,
    sentence: String,
    file: Option<&'a Path>,
}

impl Fault for Said<'_> {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn file(&self) -> Option<&Path> {
        self.file
    }
}

impl<E: Fault> From<E> for Failure {
    fn from(error: E) -> Self {
        let (mut sentence, mut report) = (error.to_string(), FaultReport::of(&error));
        if let Some(hint) = leaves_out(&report) {
            sentence += &format!("\n  hint: {hint}");
            report.hint = Some(hint);
        }
        Self { sentence, report: Box::new(report) }
    }
}

/// How the element of an input that cannot be used is left out, where nothing else is to be done.
fn leaves_out(report: &FaultReport) -> Option<String> {
    let is_of_input = matches!(
        report.kind,
        Kind::Corrupt | Kind::Unsupported | Kind::Contradiction | Kind::InputUnreadable
    );
    if !is_of_input || report.hint.is_some() || !report.others.is_empty() {
        return None;
    }
    drop_hint(report.element.as_deref()?).strip_prefix("\n  hint: ").map(str::to_owned)
}

impl Failure {
    /// A failure of this kind that says this.
    pub fn new(kind: Kind, sentence: impl Into<String>) -> Self {
        Said { kind, sentence: sentence.into(), file: None }.into()
    }

    /// A failure about a file; the sentence begins with its path.
    pub fn at(kind: Kind, file: &Path, sentence: impl std::fmt::Display) -> Self {
        let sentence = format!("{}: {sentence}", file.display());
        Said { kind, sentence, file: Some(file) }.into()
    }

    /// Several failures as one: the first, with the others.
    pub fn of_several(failures: Vec<Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let mut first = failures.next()?;
        for other in failures {
            let line = other.sentence.lines().next().unwrap_or_default().to_owned();
            first.sentence += &format!("\n  also: {line}");
            first.report.others.push(*other.report);
        }
        Some(first)
    }

    /// What kind of failure this is.
    pub const fn kind(&self) -> Kind {
        self.report.kind
    }

    /// The failure as data.
    pub const fn report(&self) -> &FaultReport {
        &self.report
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// A command line that contradicts itself; exit code 2.
pub fn usage(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Usage, what)
}

/// What an error of the system becomes.
pub trait Doing<T> {
    /// Says what was to be done.
    ///
    /// # Errors
    /// Where the system did.
    fn doing(self, kind: Kind, what: &str) -> Result<T>;

    /// Says what was to be done with a file.
    ///
    /// # Errors
    /// Where the system did.
    fn doing_at(self, kind: Kind, file: &Path, what: &str) -> Result<T>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, kind: Kind, what: &str) -> Result<T> {
        self.map_err(|error| Failure::new(kind, format!("{what}: {error}")))
    }

    fn doing_at(self, kind: Kind, file: &Path, what: &str) -> Result<T> {
        self.map_err(|error| Failure::at(kind, file, format_args!("{what}: {error}")))
    }
}

/// What clap says of a command line, as a failure. Its own text goes to stderr as it is.
pub fn of_clap(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut paragraphs = text.trim().split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(first).trim();
    let tips = paragraphs
        .flat_map(str::lines)
        .filter_map(|line| line.trim().strip_prefix("tip: "))
        .collect::<Vec<_>>();
    let hint =
        if tips.is_empty() { "--help tells the options".to_owned() } else { tips.join("; ") };
    usage(format!("{message}\n  hint: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_refuses_has_a_kind() {
        let refused: std::io::Result<()> = Err(std::io::Error::from_raw_os_error(libc::EAGAIN));
        let failure = refused.doing(Kind::System, "cannot start a process").unwrap_err();
        assert_eq!(failure.kind(), Kind::System);
        assert!(failure.to_string().starts_with("cannot start a process: "), "{failure}");
    }
}
