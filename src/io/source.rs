//! One source file, read at given offsets.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::{Context, Identity};
use crate::base::ReadError;

/// How long a path is trusted to still name the file that is open.
const PATH_TRUSTED_MS: u64 = 100;

/// A file that is read at given offsets, from any thread.
///
/// What holds: every read that succeeds returned bytes of the file as it was when this source was
/// opened. A file that was written to, replaced or removed gives [`ReadError::Changed`]. (A
/// replacement is noticed within 100 ms; until then the old file is read.)
#[derive(Debug)]
pub struct SourceFile {
    context: Arc<Context>,
    id: u64,
    identity: Identity,
    started: Instant,
    /// Milliseconds after `started` at which the path was last compared with the open file.
    path_checked_ms: AtomicU64,
}

impl SourceFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// Whatever the system says about opening it.
    pub fn open(path: &Path, context: &Arc<Context>) -> std::io::Result<Self> {
        let id = context.fresh_id();
        let file = context.files().open(id, path)?;
        let identity = Identity::of_file(path, &file.metadata()?);
        Ok(Self {
            context: Arc::clone(context),
            id,
            identity,
            started: Instant::now(),
            path_checked_ms: AtomicU64::new(0),
        })
    }

    /// What the file was when it was opened.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The file's absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.identity.path
    }

    /// The file's length in bytes.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.identity.len
    }

    /// True for a file of no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.identity.len == 0
    }

    /// What this source shares with others.
    #[must_use]
    pub const fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Fills `out` with the bytes at `offset`.
    ///
    /// # Errors
    /// [`ReadError::Changed`]; [`ReadError::Corrupt`] when the file ends before; or what the system
    /// says. The element in it is empty: see [`ReadError::within`].
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        // Checked first, so that no length read from a corrupt file makes a read that must fail.
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.len()) {
            self.verify()?;
            return Err(ReadError::corrupt(
                self.path(),
                "",
                format!(
                    "{} bytes are expected at {offset}, but the file has only {}\n  hint: the file \
                     is truncated or damaged; copy it again",
                    out.len(),
                    self.len()
                ),
            ));
        }
        let file = self.file()?;
        let read = file.read_exact_at(out, offset);
        // Looked at after the read: what was read before a change is good.
        self.verify_open(&file)?;
        read.map_err(|error| ReadError::io(self.path(), "", error))
    }

    /// The bytes at `offset`. The length is compared with the file's before it is allocated.
    ///
    /// # Errors
    /// As [`Self::read_exact_at`].
    pub fn read_vec_at(&self, offset: u64, len_bytes: usize) -> Result<Vec<u8>, ReadError> {
        if len_bytes as u64 > self.len() {
            return Err(ReadError::corrupt(
                self.path(),
                "",
                format!("a block of {len_bytes} bytes is recorded, more than the file has"),
            ));
        }
        let mut out = vec![0; len_bytes];
        self.read_exact_at(offset, &mut out)?;
        Ok(out)
    }

    /// Compares the open file, and what its path names now, with what it was when it was opened.
    ///
    /// # Errors
    /// [`ReadError::Changed`].
    pub fn verify(&self) -> Result<(), ReadError> {
        let file = self.file()?;
        self.compare(file.metadata())?;
        self.compare(std::fs::metadata(self.path()))
    }

    fn file(&self) -> Result<Arc<File>, ReadError> {
        if let Some(file) = self.context.files().get(self.id) {
            return Ok(file);
        }
        let file = self.context.files().open(self.id, self.path()).map_err(|error| {
            if is_gone(&error) { self.changed() } else { ReadError::io(self.path(), "", error) }
        })?;
        self.compare(file.metadata())?;
        Ok(file)
    }

    fn verify_open(&self, file: &File) -> Result<(), ReadError> {
        self.compare(file.metadata())?;
        let now = self.started.elapsed().as_millis() as u64;
        if now.saturating_sub(self.path_checked_ms.load(Ordering::Relaxed)) > PATH_TRUSTED_MS {
            self.compare(std::fs::metadata(self.path()))?;
            self.path_checked_ms.store(now, Ordering::Relaxed);
        }
        Ok(())
    }

    fn compare(&self, metadata: std::io::Result<std::fs::Metadata>) -> Result<(), ReadError> {
        match metadata {
            Ok(metadata) if self.identity.matches(&metadata) => Ok(()),
            Ok(_) => Err(self.changed()),
            Err(error) if is_gone(&error) => Err(self.changed()),
            Err(error) => Err(ReadError::io(self.path(), "", error)),
        }
    }

    fn changed(&self) -> ReadError {
        ReadError::Changed { file: self.path().to_owned() }
    }
}

/// Whether there is nothing at a path any more, or what was a directory above it is none now.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

impl Drop for SourceFile {
    fn drop(&mut self) {
        self.context.files().close(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Limits;

    fn context(max_open_files: usize) -> Arc<Context> {
        Context::new(Limits { cache_bytes: 1 << 20, max_open_files })
    }

    #[test]
    fn many_sources_share_few_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(2);
        let sources: Vec<SourceFile> = (0..20u8)
            .map(|i| {
                let path = dir.path().join(format!("{i}"));
                std::fs::write(&path, [i; 100]).unwrap();
                SourceFile::open(&path, &context).unwrap()
            })
            .collect();
        for (i, source) in sources.iter().enumerate() {
            assert_eq!(source.read_vec_at(50, 3).unwrap(), vec![i as u8; 3]);
        }
    }

    #[test]
    fn a_changed_or_short_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [1; 100]).unwrap();
        let source = SourceFile::open(&path, &context(4)).unwrap();
        assert!(matches!(source.read_vec_at(90, 20), Err(ReadError::Corrupt { .. })));
        assert!(matches!(source.read_vec_at(0, usize::MAX), Err(ReadError::Corrupt { .. })));
        assert!(matches!(source.read_vec_at(u64::MAX, 1), Err(ReadError::Corrupt { .. })));
        std::fs::write(&path, [1; 99]).unwrap();
        assert!(matches!(source.read_vec_at(0, 1), Err(ReadError::Changed { .. })));
    }

    #[test]
    fn a_replaced_or_removed_file_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [1; 100]).unwrap();
        let source = SourceFile::open(&path, &context(4)).unwrap();
        std::fs::write(dir.path().join("b"), [2; 100]).unwrap();
        std::fs::rename(dir.path().join("b"), &path).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(PATH_TRUSTED_MS + 20));
        assert!(matches!(source.read_vec_at(0, 1), Err(ReadError::Changed { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(source.read_vec_at(0, 1), Err(ReadError::Changed { .. })));
    }
}
