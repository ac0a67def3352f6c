//! `--list-dropped`: the names that an inner join drops, in a file.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Doing;
use super::{Failure, Result, usage};
use crate::base::Kind;
use crate::concat::DroppedNames;
use crate::io::start_of;
use crate::recipe::Planned;

/// What is told in a file of its own.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Notes")]
pub struct DroppedArgs {
    /// Write the names that an inner join drops into FILE, or to the standard output with -: a line
    /// each, the axis and the name with a tab between
    #[arg(long, value_name = "FILE")]
    list_dropped: Option<PathBuf>,
}

impl DroppedArgs {
    /// Refuses a list in the place of something else that is written.
    ///
    /// # Errors
    /// Both have one path.
    pub fn check(&self, other: &Path) -> Result<()> {
        match self.file() {
            Some(path) if is_same(path, other) => Err(usage(format!(
                "{}: the names that are dropped and something else are to be written there\n  \
                 hint: give --list-dropped the name of a file of its own",
                path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses a list on the standard output where that is used for something else.
    ///
    /// # Errors
    /// It is.
    pub fn check_stdout(&self, is_used: bool) -> Result<()> {
        match self.is_stdout() && is_used {
            true => Err(usage(
                "something else than --list-dropped - writes to the standard output\n  \
                 hint: give --list-dropped the name of a file",
            )),
            false => Ok(()),
        }
    }

    fn is_stdout(&self) -> bool {
        self.list_dropped.as_deref() == Some(Path::new("-"))
    }

    fn file(&self) -> Option<&Path> {
        self.list_dropped.as_deref().filter(|_| !self.is_stdout())
    }

    /// Writes the list, if it was asked for.
    ///
    /// # Errors
    /// Something that is no such list stands there, or it cannot be written.
    pub fn write(&self, planned: &Planned) -> Result<()> {
        if self.is_stdout() {
            let mut out = std::io::stdout().lock();
            let text = list(&planned.plan().dropped);
            return match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                // The reader has seen enough (`| head`).
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                written => written.doing(Kind::System, "cannot print"),
            };
        }
        let Some(path) = self.file() else { return Ok(()) };
        if !is_replaceable(path) {
            return Err(usage(format!(
                "{}: something that is no list of names stands there\n  hint: give --list-dropped \
                 the name of a new file",
                path.display()
            )));
        }
        std::fs::write(path, list(&planned.plan().dropped)).map_err(|error| {
            let what = format_args!("cannot write the names that are dropped: {error}");
            Failure::at(Kind::of_writing(&error), path, what)
        })
    }
}

/// Whether nothing is lost by writing here: what is there is empty or begins as a list does.
fn is_replaceable(path: &Path) -> bool {
    let begins = ["/var\t", "/obs\t", "/raw/var\t", "/raw/obs\t"];
    let is_list = |start: &[u8]| begins.iter().any(|begin| start.starts_with(begin.as_bytes()));
    start_of(path, 9).is_ok_and(|start| start.is_empty() || is_list(&start))
}

/// Whether two paths name one place, as far as names tell.
fn is_same(one: &Path, other: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).ok();
    absolute(one).is_some_and(|one| absolute(other) == Some(one))
}

fn list(dropped: &[DroppedNames]) -> String {
    let mut text = String::new();
    for DroppedNames { element, names } in dropped {
        for name in names.iter() {
            text.push_str(element);
            text.push('\t');
            for letter in name.chars() {
                match letter.is_control() || letter == '\\' {
                    // Writing to a string does not fail.
                    true => drop(write!(text, "{}", letter.escape_default())),
                    false => text.push(letter),
                }
            }
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_is_the_standard_output() {
        let args = |path: &str| DroppedArgs { list_dropped: Some(PathBuf::from(path)) };
        assert!(args("-").is_stdout() && args("-").file().is_none());
        assert!(!args("./-").is_stdout() && args("./-").check_stdout(true).is_ok());
        assert!(args("-").check_stdout(false).is_ok());
        assert_eq!(args("-").check_stdout(true).unwrap_err().kind(), Kind::Usage);
    }

    #[test]
    fn a_place_may_have_several_names() {
        assert!(is_same(Path::new("a/./b"), Path::new("a/b")));
        assert!(!is_same(Path::new("a"), Path::new("b")));
    }
}
