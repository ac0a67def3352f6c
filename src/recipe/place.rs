//! Where an input is: a path, or a group in the file or store at a path (`x.h5mu::mod/rna`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What stands between a path and a group.
const BETWEEN: &[u8] = b"::";

/// Where an input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file or directory.
    pub path: PathBuf,
    /// The group in it that holds the AnnData, without slashes at its ends; `None`: the root.
    pub group: Option<String>,
}

impl Place {
    /// Reads `PATH` or `PATH::GROUP`. What exists under the whole text is a path, even with `::` in
    /// its name.
    #[must_use]
    pub fn parse(text: &OsStr) -> Self {
        let bytes = text.as_bytes();
        let at = bytes.windows(BETWEEN.len()).rposition(|window| window == BETWEEN);
        let split = at.map(|at| (&bytes[..at], &bytes[at + BETWEEN.len()..]));
        match split.and_then(|(path, group)| Some((path, std::str::from_utf8(group).ok()?))) {
            Some((path, group)) if !path.is_empty() && !Path::new(text).exists() => {
                let group = group.trim_matches('/');
                Self {
                    path: OsStr::from_bytes(path).into(),
                    group: (!group.is_empty()).then(|| group.to_owned()),
                }
            }
            _ => PathBuf::from(text).into(),
        }
    }

    /// The place as it is written.
    #[must_use]
    pub fn shown(&self) -> PathBuf {
        match &self.group {
            None => self.path.clone(),
            Some(group) => {
                let mut text = OsString::from(&self.path);
                text.push("::");
                text.push(group);
                text.into()
            }
        }
    }
}

impl<P: Into<PathBuf>> From<P> for Place {
    fn from(path: P) -> Self {
        Self { path: path.into(), group: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_follow_two_colons() {
        let parts = |text: &str| {
            let place = Place::parse(OsStr::new(text));
            assert!(place.shown().display().to_string().len() <= text.len());
            (place.path.display().to_string(), place.group)
        };
        let plain = |path: &str| (path.to_owned(), None);
        assert_eq!(parts("a.h5ad"), plain("a.h5ad"));
        assert_eq!(parts("a.h5mu::mod/rna"), ("a.h5mu".to_owned(), Some("mod/rna".to_owned())));
        assert_eq!(parts("a.h5mu::/mod/rna/"), ("a.h5mu".to_owned(), Some("mod/rna".to_owned())));
        assert_eq!(parts("a::b::c"), ("a::b".to_owned(), Some("c".to_owned())));
        assert_eq!(parts("a.h5mu::"), plain("a.h5mu"));
        assert_eq!(parts("::c"), plain("::c"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x::y");
        std::fs::write(&path, "").unwrap();
        assert_eq!(parts(path.to_str().unwrap()), plain(path.to_str().unwrap()));
    }
}
