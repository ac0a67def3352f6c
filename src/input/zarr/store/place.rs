//! Where the chunk files of one array are, and whether they are still what they were when the store
//! was opened.
//!
//! A store has too many chunk files to remember each when it is opened. Instead the moment of opening
//! is kept (or that of the last change, should a clock elsewhere have been ahead), and a file whose
//! time stamps are later has changed since; so has an absent file when the directory in which it is
//! missing has. Both the time of the content and that of the inode count,
//! so that a file put in place with an old time stamp is noticed too.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::ReadError;

/// A moment in nanoseconds since 1970, such as that at which a store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i128);

impl Moment {
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
    }

    /// The last time at which the file or its inode changed.
    pub fn of(metadata: &Metadata) -> Self {
        let nanos =
            |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        let content = nanos(metadata.mtime(), metadata.mtime_nsec());
        Self(content.max(nanos(metadata.ctime(), metadata.ctime_nsec())))
    }
}

/// One array in a store on disk.
#[derive(Debug)]
pub struct Place {
    /// The store, as the user named it: for errors.
    pub store: Arc<Path>,
    /// Path of the array inside of the store (`/X/data`): for errors.
    pub element: String,
    /// The array's directory.
    pub dir: PathBuf,
    /// The array's metadata document in it.
    pub document: &'static str,
    /// When the store was opened.
    pub opened: Moment,
}

/// An open chunk file.
#[derive(Debug)]
pub struct ChunkFile<'a> {
    place: &'a Place,
    file: File,
    pub len: u64,
}

impl Place {
    /// Opens a chunk file; `None` when there is none.
    pub fn open(&self, key: &str) -> Result<Option<ChunkFile<'_>>, ReadError> {
        let path = self.dir.join(key);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                self.verify_absent(&path)?;
                return Ok(None);
            }
            Err(error) => return Err(self.io(error)),
        };
        let metadata = self.verify(&file)?;
        if !metadata.is_file() {
            return Err(self.corrupt(format!("the chunk {key} is not a file")));
        }
        Ok(Some(ChunkFile { place: self, file, len: metadata.len() }))
    }

    /// Notices when the array's metadata was written after the store was opened.
    pub fn verify_document(&self) -> Result<(), ReadError> {
        let path = self.dir.join(self.document);
        match std::fs::metadata(&path) {
            Ok(metadata) if Moment::of(&metadata) > self.opened => Err(self.changed()),
            Ok(_) => Ok(()),
            // A store may be consolidated and hold no other metadata.
            Err(error) if error.kind() == ErrorKind::NotFound => self.verify_absent(&path),
            Err(error) => Err(self.io(error)),
        }
    }

    /// Fails if a file could have been at `path` when the store was opened: then the nearest
    /// directory above it that still exists has changed since.
    fn verify_absent(&self, path: &Path) -> Result<(), ReadError> {
        for dir in path.ancestors().skip(1).take_while(|dir| dir.starts_with(&*self.store)) {
            match std::fs::metadata(dir) {
                Ok(metadata) if Moment::of(&metadata) > self.opened => return Err(self.changed()),
                Ok(_) => return Ok(()),
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => return Err(self.io(error)),
            }
        }
        // The store itself is not there: what was in it cannot be told from what was not.
        Err(self.changed())
    }

    fn verify(&self, file: &File) -> Result<Metadata, ReadError> {
        let metadata = file.metadata().map_err(|error| self.io(error))?;
        if Moment::of(&metadata) > self.opened { Err(self.changed()) } else { Ok(metadata) }
    }

    fn io(&self, error: std::io::Error) -> ReadError {
        ReadError::io(&*self.store, &self.element, error)
    }

    pub fn corrupt(&self, what: impl Into<String>) -> ReadError {
        ReadError::corrupt(&*self.store, &self.element, what)
    }

    fn changed(&self) -> ReadError {
        ReadError::Changed { file: self.store.to_path_buf() }
    }
}

impl ChunkFile<'_> {
    /// Fills `out` with the bytes at `offset`.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.len) {
            return Err(self.place.corrupt(format!(
                "a chunk file ends after {} bytes, but {} are expected at {offset}\n  hint: the \
                 store is incomplete or damaged; copy it again",
                self.len,
                out.len()
            )));
        }
        let read = self.file.read_exact_at(out, offset);
        // Looked at after the read: what was read before a change is good.
        self.place.verify(&self.file)?;
        read.map_err(|error| self.place.io(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(dir: &Path) -> Place {
        Place {
            store: Arc::from(dir),
            element: "/X".to_owned(),
            dir: dir.join("X"),
            document: "zarr.json",
            opened: Moment::now(),
        }
    }

    /// Time stamps are as coarse as the kernel's clock tick.
    fn tick() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    #[test]
    fn files_written_or_removed_later_are_noticed() {
        let store = tempfile::tempdir().unwrap();
        let array = store.path().join("X");
        std::fs::create_dir_all(array.join("c/0")).unwrap();
        for key in ["zarr.json", "c/0/0", "c/0/1", "c/0/2"] {
            std::fs::write(array.join(key), b"abc").unwrap();
        }
        let place = place(store.path());
        tick();
        let mut out = [0; 2];
        let file = place.open("c/0/0").unwrap().unwrap();
        file.read_exact_at(1, &mut out).unwrap();
        assert_eq!(&out, b"bc");
        assert!(matches!(file.read_exact_at(2, &mut out), Err(ReadError::Corrupt { .. })));
        assert!(matches!(file.read_exact_at(u64::MAX, &mut out), Err(ReadError::Corrupt { .. })));
        assert!(place.open("c/1/0").unwrap().is_none(), "absent from the first");
        place.verify_document().unwrap();

        std::fs::write(array.join("c/0/0"), b"xyz").unwrap();
        assert!(matches!(file.read_exact_at(0, &mut out), Err(ReadError::Changed { .. })));
        assert!(matches!(place.open("c/0/0"), Err(ReadError::Changed { .. })));
        assert!(place.open("c/0/1").unwrap().is_some());
        std::fs::remove_file(array.join("c/0/1")).unwrap();
        assert!(matches!(place.open("c/0/1"), Err(ReadError::Changed { .. })));
        std::fs::write(array.join("zarr.json"), b"{}").unwrap();
        assert!(matches!(place.verify_document(), Err(ReadError::Changed { .. })));
        std::fs::remove_dir_all(&array).unwrap();
        assert!(matches!(place.verify_document(), Err(ReadError::Changed { .. })));
        assert!(matches!(place.open("c/0/2"), Err(ReadError::Changed { .. })));
    }

    #[test]
    fn a_replacement_with_an_old_time_stamp_is_noticed() {
        let store = tempfile::tempdir().unwrap();
        let array = store.path().join("X");
        std::fs::create_dir_all(&array).unwrap();
        std::fs::write(array.join("0"), b"abc").unwrap();
        let place = place(store.path());
        tick();
        let new = store.path().join("new");
        std::fs::write(&new, b"xyz").unwrap();
        let old = std::fs::metadata(array.join("0")).unwrap().modified().unwrap();
        File::options().write(true).open(&new).unwrap().set_modified(old).unwrap();
        std::fs::rename(&new, array.join("0")).unwrap();
        assert!(matches!(place.open("0"), Err(ReadError::Changed { .. })));
    }
}
