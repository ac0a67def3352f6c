//! `--list-dropped`: the names that an inner join drops, in a file.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, Result, usage};
use crate::base::Kind;
use crate::concat::DroppedNames;
use crate::recipe::Planned;

/// What is told in a file of its own.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Notes")]
pub struct DroppedArgs {
    /// Write the names that an inner join drops into FILE: a line each, the axis and the name with
    /// a tab between
    #[arg(long, value_name = "FILE")]
    list_dropped: Option<PathBuf>,
}

impl DroppedArgs {
    /// Writes the list, if it was asked for.
    ///
    /// # Errors
    /// Something that is no such list stands there, or it cannot be written.
    pub fn write(&self, planned: &Planned) -> Result<()> {
        let Some(path) = &self.list_dropped else { return Ok(()) };
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
    let Ok(file) = std::fs::File::open(path) else { return true };
    // A pipe or device is written to, not replaced.
    if file.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return !path.is_dir();
    }
    let mut start = Vec::new();
    let is_read = file.take(9).read_to_end(&mut start).is_ok();
    let begins = ["/var\t", "/obs\t", "/raw/var\t", "/raw/obs\t"];
    is_read && (start.is_empty() || begins.iter().any(|begin| start.starts_with(begin.as_bytes())))
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
