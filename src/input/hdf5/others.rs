//! Other files that hold some of an input's bytes: whether they may be read, where they are, and that
//! each is one source, however often it is named. Of these and of the input itself, which of them a
//! program has open for writing. Knows nothing of what is read in them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use crate::io::{Context, External, FOLLOW_HINT, Identity, Source};

/// No input has more.
const MOST_FILES: usize = 100_000;

/// How a file is looked for that is named without the directories above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// As external storage is: where the program runs; then beside the file that names it, where the
    /// library does not look.
    Here,
    /// As virtual datasets and external links are: beside the file that names it, where the program
    /// runs, and beside the file that the first one is a link to. What is nowhere by its absolute
    /// path is looked for by its last name.
    Beside,
}

/// Files by what makes two one.
type Found = IndexMap<FileId, Arc<dyn Source>>;
/// Device and inode.
pub type FileId = (u64, u64);

/// The other files of one input, in the order in which they were met, and what their flags and its own
/// say.
#[derive(Debug)]
pub struct Others {
    context: Arc<Context>,
    found: Mutex<Found>,
    /// Those, and the input, of which a program says that it has them open for writing.
    written: Mutex<Vec<PathBuf>>,
}

impl Others {
    /// None yet.
    pub fn new(context: &Arc<Context>) -> Arc<Self> {
        Arc::new(Self {
            context: Arc::clone(context),
            found: Mutex::default(),
            written: Mutex::default(),
        })
    }

    /// A program says that it has this file open for writing.
    pub fn note_written(&self, path: &Path) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }

    /// The files of which that was said.
    pub fn written(&self) -> Vec<PathBuf> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file of a name that was found in `primary`, which says in `what` what it is to it.
    ///
    /// # Errors
    /// It must not be read, is nowhere, or cannot be opened.
    pub fn open(
        &self,
        primary: &Path,
        name: &[u8],
        sought: Sought,
        what: &str,
    ) -> Result<Arc<dyn Source>, String> {
        let shown = String::from_utf8_lossy(name);
        if self.context.limits().external == External::Refuse {
            return Err(format!(
                "{what} {shown}, another file that was not named\n  hint: {FOLLOW_HINT}"
            ));
        }
        let mut why = None;
        for path in places(primary, Path::new(OsStr::from_bytes(name)), sought) {
            match self.at(&path) {
                Ok(source) => return Ok(source),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    why.get_or_insert_with(|| format!("{}: {error}", path.display()));
                }
            }
        }
        let why = why.unwrap_or_else(|| "there is no such file".to_owned());
        Err(format!("{what} {shown}, another file, which cannot be read ({why})"))
    }

    /// The file at a path, which is opened once.
    fn at(&self, path: &Path) -> std::io::Result<Arc<dyn Source>> {
        let source = self.context.file(path)?;
        let mut found = self.lock();
        let id = file_id(&source.identity());
        if let Some(known) = found.get(&id) {
            return Ok(Arc::clone(known));
        }
        if found.len() >= MOST_FILES {
            return Err(std::io::Error::other(format!("more than {MOST_FILES} files are named")));
        }
        found.insert(id, Arc::clone(&source));
        Ok(source)
    }

    /// What each of them was when it was opened, but for the input itself.
    pub fn identities(&self, input: &Identity) -> Vec<Identity> {
        let all = self.lock();
        let others = all.iter().filter(|(id, _)| **id != file_id(input));
        others.map(|(_, one)| one.identity()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two were one file when they were opened, if they have this in common.
pub fn file_id(identity: &Identity) -> FileId {
    (identity.dev, identity.ino)
}

/// Where a file may be, in the order in which libhdf5 looks (`H5F_prefix_open_file`,
/// `H5D__efl_read`). Its environment variables of further directories are not asked.
fn places(primary: &Path, name: &Path, sought: Sought) -> Vec<PathBuf> {
    let beside = |file: &Path, name: &Path| file.parent().unwrap_or(Path::new("")).join(name);
    let mut places = Vec::new();
    if sought == Sought::Here {
        return vec![name.to_owned(), beside(primary, name)];
    }
    let mut name = name;
    if name.is_absolute() {
        places.push(name.to_owned());
        name = name.file_name().map_or(name, Path::new);
    }
    places.push(beside(primary, name));
    places.push(name.to_owned());
    if let Ok(real) = primary.canonicalize() {
        places.push(beside(&real, name));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_looked_for_where_the_library_looks() {
        let dir = tempfile::tempdir().unwrap();
        let (real, links) = (dir.path().join("real"), dir.path().join("links"));
        std::fs::create_dir(&real).unwrap();
        std::fs::create_dir(&links).unwrap();
        std::fs::write(real.join("a.h5"), "").unwrap();
        std::os::unix::fs::symlink(real.join("a.h5"), links.join("a.h5")).unwrap();
        let real = real.canonicalize().unwrap();
        let places = |name: &str, sought| places(&links.join("a.h5"), Path::new(name), sought);
        let expected = [links.join("d/b"), PathBuf::from("d/b"), real.join("d/b")];
        assert_eq!(places("d/b", Sought::Beside), expected);
        let expected = [PathBuf::from("/d/b"), links.join("b"), PathBuf::from("b"), real.join("b")];
        assert_eq!(places("/d/b", Sought::Beside), expected);
        assert_eq!(places("d/b", Sought::Here), [PathBuf::from("d/b"), links.join("d/b")]);
    }
}
