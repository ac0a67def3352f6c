//! What every error that reaches a user says of itself beside its sentence: a stable kind, the file,
//! the element. Programs decide by the kind; sentences may change with any version.
//!
//! docs/ERRORS.md lists the kinds, each with the test that provokes it.

use std::error::Error;
use std::path::Path;

use serde::{Serialize, Serializer};

/// What sort of thing went wrong. Names of kinds never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The command line, or the arguments of a call, contradict themselves.
    Usage,
    /// An input is not there.
    InputMissing,
    /// An input cannot be read, as the system says, or a list of inputs is none.
    InputUnreadable,
    /// An input is something else than an AnnData.
    NotAnndata,
    /// An input is no longer what it was when it was opened, or when a plan was made.
    Changed,
    /// The bytes of an input contradict themselves.
    Corrupt,
    /// An input holds what this program does not read.
    Unsupported,
    /// A name is there twice where names must be unique.
    DuplicateName,
    /// Inputs, or elements of one, exclude each other.
    Contradiction,
    /// The result has no form in the output's format.
    Unrepresentable,
    /// A plan cannot be read, written or carried out.
    Plan,
    /// The output is there already.
    OutputExists,
    /// The output may not lie there.
    OutputRefused,
    /// The system does not let an output be written.
    OutputUnwritable,
    /// There is no room for an output, or for what is kept meanwhile.
    NoSpace,
    /// A mountpoint cannot be one.
    Mountpoint,
    /// FUSE is missing or forbidden here.
    MountUnavailable,
    /// What was to be unmounted is no mount of this program, or does not go away.
    NotUnmounted,
    /// A signal came.
    Interrupted,
    /// The system refused something that has to do with no input or output.
    System,
    /// This program is wrong.
    Defect,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 21] = [
        Self::Usage,
        Self::InputMissing,
        Self::InputUnreadable,
        Self::NotAnndata,
        Self::Changed,
        Self::Corrupt,
        Self::Unsupported,
        Self::DuplicateName,
        Self::Contradiction,
        Self::Unrepresentable,
        Self::Plan,
        Self::OutputExists,
        Self::OutputRefused,
        Self::OutputUnwritable,
        Self::NoSpace,
        Self::Mountpoint,
        Self::MountUnavailable,
        Self::NotUnmounted,
        Self::Interrupted,
        Self::System,
        Self::Defect,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::InputMissing => "input-missing",
            Self::InputUnreadable => "input-unreadable",
            Self::NotAnndata => "not-anndata",
            Self::Changed => "changed",
            Self::Corrupt => "corrupt",
            Self::Unsupported => "unsupported",
            Self::DuplicateName => "duplicate-name",
            Self::Contradiction => "contradiction",
            Self::Unrepresentable => "unrepresentable",
            Self::Plan => "plan",
            Self::OutputExists => "output-exists",
            Self::OutputRefused => "output-refused",
            Self::OutputUnwritable => "output-unwritable",
            Self::NoSpace => "no-space",
            Self::Mountpoint => "mountpoint",
            Self::MountUnavailable => "mount-unavailable",
            Self::NotUnmounted => "not-unmounted",
            Self::Interrupted => "interrupted",
            Self::System => "system",
            Self::Defect => "defect",
        }
    }

    /// What the system says of reading an input.
    #[must_use]
    pub fn of_reading(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Self::InputMissing,
            _ if is_full(error) => Self::NoSpace,
            _ => Self::InputUnreadable,
        }
    }

    /// What the system says of writing an output.
    #[must_use]
    pub fn of_writing(error: &std::io::Error) -> Self {
        if is_full(error) { Self::NoSpace } else { Self::OutputUnwritable }
    }
}

/// A full disk, quota or file size limit.
#[must_use]
pub fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// An error that reaches a user.
pub trait Fault: Error {
    /// What sort of thing went wrong.
    fn kind(&self) -> Kind;

    /// The file or directory that it is about, if it is about one.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Path of the element inside the file, if it is about one.
    fn element(&self) -> Option<&str> {
        None
    }

    /// Errors of the same step that came together with this one.
    fn others(&self) -> Vec<&dyn Fault> {
        Vec::new()
    }
}

/// A fault as data: what `--json` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    /// Its kind.
    pub kind: Kind,
    /// Its sentence, without the hint.
    pub message: String,
    /// The file or directory that it is about.
    pub file: Option<String>,
    /// Path of the element inside the file.
    pub element: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// What else failed in the same step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Self>,
}

/// How a sentence begins to say what to do.
const HINT: &str = "\n  hint: ";
/// How it begins to say what else failed.
const ALSO: &str = "\n  also: ";

impl FaultReport {
    /// A fault as data.
    #[must_use]
    pub fn of(fault: &dyn Fault) -> Self {
        let sentence = fault.to_string();
        let sentence = sentence.split(ALSO).next().unwrap_or_default();
        let (message, hint) = match sentence.split_once(HINT) {
            Some((message, hint)) => (message, Some(hint.replace(HINT, "; "))),
            None => (sentence, None),
        };
        Self {
            kind: fault.kind(),
            message: message.to_owned(),
            file: fault.file().map(|file| file.display().to_string()),
            element: fault.element().map(str::to_owned),
            hint,
            others: fault.others().into_iter().map(Self::of).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ReadError;

    #[test]
    fn kinds_have_names_of_their_own() {
        let mut names = Kind::ALL.map(Kind::name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }

    #[test]
    fn every_kind_is_documented_with_a_test_that_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(root.join("docs/ERRORS.md")).unwrap();
        let rows: Vec<Vec<&str>> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.split('|').map(str::trim).collect())
            .collect();
        assert_eq!(rows.len(), Kind::ALL.len());
        for (row, kind) in rows.iter().zip(Kind::ALL) {
            assert_eq!(row[1], format!("`{}`", kind.name()), "in the order of the enum");
            let (file, test) = row[3].trim_matches('`').split_once("::").unwrap();
            let code = std::fs::read_to_string(root.join(file)).unwrap();
            let body = code.split(&format!("fn {test}(")).nth(1);
            let body = body.unwrap_or_else(|| panic!("{file} has no test {test}"));
            let body = body.split("\n#[test]").next().unwrap();
            let variant = format!("Kind::{kind:?}");
            assert!(
                body.contains(&format!("\"{}\"", kind.name())) || body.contains(&variant),
                "{file}::{test} does not name {}",
                kind.name()
            );
        }
    }

    #[test]
    fn a_sentence_is_taken_apart() {
        let error = ReadError::corrupt("a.h5ad", "/X", "too short\n  hint: copy it again");
        assert_eq!(
            FaultReport::of(&error),
            FaultReport {
                kind: Kind::Corrupt,
                message: "a.h5ad: /X: too short".to_owned(),
                file: Some("a.h5ad".to_owned()),
                element: Some("/X".to_owned()),
                hint: Some("copy it again".to_owned()),
                others: Vec::new(),
            }
        );
    }

    #[test]
    fn what_the_system_says_has_a_kind() {
        let error = std::io::Error::from_raw_os_error;
        assert_eq!(Kind::of_reading(&error(libc::ENOENT)), Kind::InputMissing);
        assert_eq!(Kind::of_reading(&error(libc::EACCES)), Kind::InputUnreadable);
        assert_eq!(Kind::of_reading(&error(libc::EIO)), Kind::InputUnreadable);
        for full in [libc::ENOSPC, libc::EDQUOT, libc::EFBIG] {
            assert_eq!(Kind::of_reading(&error(full)), Kind::NoSpace);
            assert_eq!(Kind::of_writing(&error(full)), Kind::NoSpace);
        }
        assert_eq!(Kind::of_writing(&error(libc::EROFS)), Kind::OutputUnwritable);
    }
}
