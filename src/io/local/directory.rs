//! A directory of many small files, and whether they are still what they were.
//!
//! All files are looked at when the directory is opened, and little is remembered of each
//! ([`super::survey`]): the file, its length and times. One with a later time of its inode has changed,
//! unless something about it that is not its content has: permissions, owner, number of names. Of
//! directories with very many files nothing is remembered; there, whatever is later than the moment of
//! opening (or than the last change, should a clock elsewhere have been ahead) has changed. So has an
//! absent file when the directory in which it is missing has.

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::beneath::{self, Opened};
use super::file::PATH_TRUSTED_MS;
use super::stamp::{Stamp, is_gone};
use super::survey::{Memory, Survey, survey};
use crate::base::ReadError;
use crate::io::Moment;
use crate::io::context::{Context, External};
use crate::io::identity::Identity;
use crate::io::source::{Directory, Found, Listing, Outside, Source, past_end};

/// No metadata document is larger.
const LARGEST_DOCUMENT_BYTES: u64 = 1 << 30;

/// A directory on this machine.
#[derive(Debug)]
pub(super) struct LocalDirectory {
    context: Arc<Context>,
    id: u64,
    /// As it was named.
    path: PathBuf,
    /// Absolute, without links.
    root: PathBuf,
    root_stamp: Stamp,
    opened: Moment,
    seen: OnceLock<(Survey, Moment)>,
    /// Milliseconds at which the path was last compared with the directory that is open.
    path_checked_ms: AtomicU64,
}

impl LocalDirectory {
    pub(super) fn open(path: &Path, context: &Arc<Context>) -> std::io::Result<Self> {
        // Before anything is looked at: what is written from here on counts as a change.
        let opened = context.clock().now();
        let root = path.canonicalize()?;
        let root_stamp = Stamp::of(&std::fs::metadata(&root)?);
        Ok(Self {
            context: Arc::clone(context),
            id: context.fresh_id(),
            path: path.to_owned(),
            root,
            root_stamp,
            opened,
            seen: OnceLock::new(),
            path_checked_ms: AtomicU64::new(context.clock().elapsed().as_millis() as u64),
        })
    }

    /// The open directory itself.
    fn root(&self) -> Result<Arc<File>, ReadError> {
        let now = self.context.clock().elapsed().as_millis() as u64;
        if now.saturating_sub(self.path_checked_ms.load(Ordering::Relaxed)) > PATH_TRUSTED_MS {
            self.expect_root(std::fs::metadata(&self.path))?;
            self.path_checked_ms.store(now, Ordering::Relaxed);
        }
        if let Some(root) = self.context.files().get(self.id) {
            return Ok(root);
        }
        let root = self
            .context
            .files()
            .open(self.id, &self.root)
            .map_err(|error| if is_gone(&error) { self.changed() } else { self.io(error) })?;
        self.expect_root(root.metadata())?;
        Ok(root)
    }

    /// The directory is the one that was opened.
    fn expect_root(&self, metadata: std::io::Result<Metadata>) -> Result<(), ReadError> {
        match metadata {
            Ok(metadata) => {
                let (now, was) = (Stamp::of(&metadata).content, self.root_stamp.content);
                let is_same = (now.dev, now.ino) == (was.dev, was.ino);
                if is_same { Ok(()) } else { Err(self.changed()) }
            }
            Err(error) if is_gone(&error) => Err(self.changed()),
            Err(error) => Err(self.io(error)),
        }
    }

    /// Opens a file below; `None` when there is none.
    fn open_file(&self, key: &str) -> Result<Option<File>, ReadError> {
        let root = self.root()?;
        let open = || match self.context.limits().external {
            External::Follow => crate::io::files::open(&self.root.join(key)).map(Opened::Within),
            External::Refuse => beneath::open(&root, &self.root, key),
        };
        let opened = match open() {
            Err(error) if crate::io::files::is_full(&error) => {
                self.context.files().close_all();
                open()
            }
            other => other,
        };
        match opened {
            Ok(Opened::Within(file)) => Ok(Some(file)),
            Ok(Opened::Outside(other)) => {
                let outside = Outside { key: key.to_owned(), other };
                Err(ReadError::unsupported(&*self.path, "", outside.to_string()))
            }
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(self.io(error)),
        }
    }

    fn chunk(&self, key: &str) -> Result<Option<Chunk<'_>>, ReadError> {
        let Some(file) = self.open_file(key)? else {
            self.verify_absent(key)?;
            return Ok(None);
        };
        let metadata = file.metadata().map_err(|error| self.io(error))?;
        if !metadata.is_file() {
            return Err(ReadError::corrupt(&*self.path, "", format!("{key} is not a file")));
        }
        self.compare(key, &metadata)?;
        Ok(Some(Chunk { directory: self, key: key.to_owned(), file, len: metadata.len() }))
    }

    /// A file or directory is as it was when this directory was opened.
    fn compare(&self, key: &str, metadata: &Metadata) -> Result<(), ReadError> {
        let Some((survey, opened)) = self.seen.get() else { return Ok(()) };
        let stamp = Stamp::of(metadata);
        let is_later = Moment::of(metadata) > *opened;
        match survey.memory(key, &stamp, metadata.is_dir()) {
            Memory::None | Memory::Same if is_later => Err(self.changed()),
            Memory::Unknown | Memory::Changed => Err(self.changed()),
            Memory::None | Memory::Same | Memory::Touched => Ok(()),
        }
    }

    /// Fails if a file could have been at `key` when the directory was opened: then the nearest
    /// directory above it that still exists has changed since.
    fn verify_absent(&self, key: &str) -> Result<(), ReadError> {
        let mut key = key;
        while !key.is_empty() {
            key = key.rsplit_once('/').map_or("", |(above, _)| above);
            match std::fs::metadata(self.root.join(key)) {
                Ok(metadata) => return self.compare(key, &metadata),
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(self.io(error)),
            }
        }
        // The directory itself is not there: what was in it cannot be told from what was not.
        Err(self.changed())
    }

    fn io(&self, error: std::io::Error) -> ReadError {
        ReadError::io(&*self.path, "", error)
    }

    fn changed(&self) -> ReadError {
        ReadError::Changed { file: self.path.clone() }
    }
}

impl Directory for LocalDirectory {
    fn path(&self) -> &Path {
        &self.path
    }

    fn identify(&self) -> std::io::Result<Found> {
        let survey = survey(&self.root, &self.root, self.context.limits().external)?;
        // What was written meanwhile is not from the future, and counts as a change.
        let is_from_future = survey.latest > self.context.clock().now();
        let opened = if is_from_future { survey.latest } else { self.opened };
        let (survey, _) = self.seen.get_or_init(|| (survey, opened));
        let mut identity = Identity {
            path: std::path::absolute(&self.path)?,
            dev: self.root_stamp.content.dev,
            ino: self.root_stamp.content.ino,
            len: survey.len_bytes,
            mtime_ns: survey.newest_ns.unwrap_or(self.root_stamp.content.mtime_ns),
            ctime_ns: survey.latest.as_nanos(),
            digest: survey.digest,
            others: Vec::new(),
        };
        if self.context.limits().external == External::Refuse && !survey.outside.is_empty() {
            identity.digest = identity.digest.wrapping_add(survey.outside.len() as u64);
        }
        Ok(Found { identity, outside: survey.outside.clone(), is_from_future })
    }

    fn list(&self, key: &str) -> std::io::Result<Listing> {
        let dir = self.root.join(key);
        let content = Stamp::of(&std::fs::metadata(&dir)?).content;
        let mut directories = Vec::new();
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if !is_file && let Ok(name) = entry.file_name().into_string() {
                directories.push(name);
            }
        }
        Ok(Listing { id: (content.dev, content.ino), directories })
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(file) = self.open_file(key)? else { return Ok(None) };
        let metadata = file.metadata().map_err(|error| self.io(error))?;
        if !metadata.is_file() || metadata.len() > LARGEST_DOCUMENT_BYTES {
            let what = format!("{key} is not a file of metadata");
            return Err(ReadError::corrupt(&*self.path, "", what));
        }
        let mut bytes = vec![0; metadata.len() as usize];
        file.read_exact_at(&mut bytes, 0).map_err(|error| self.io(error))?;
        Ok(Some(bytes))
    }

    fn open<'a>(&'a self, key: &str) -> Result<Option<Box<dyn Source + 'a>>, ReadError> {
        Ok(self.chunk(key)?.map(|chunk| Box::new(chunk) as Box<dyn Source>))
    }

    fn verify(&self, key: &str) -> Result<(), ReadError> {
        match std::fs::metadata(self.root.join(key)) {
            Ok(metadata) => self.compare(key, &metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => self.verify_absent(key),
            Err(error) if is_gone(&error) => self.verify_absent(key),
            Err(error) => Err(self.io(error)),
        }
    }
}

impl Drop for LocalDirectory {
    fn drop(&mut self) {
        self.context.files().close(self.id);
    }
}

/// An open file of a directory.
#[derive(Debug)]
struct Chunk<'a> {
    directory: &'a LocalDirectory,
    key: String,
    file: File,
    len: u64,
}

impl Source for Chunk<'_> {
    fn path(&self) -> &Path {
        &self.directory.path
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn identity(&self) -> Identity {
        let path = self.directory.root.join(&self.key);
        let content = self.directory.root_stamp.content;
        Identity {
            path,
            dev: content.dev,
            ino: 0,
            len: self.len,
            mtime_ns: 0,
            ctime_ns: 0,
            digest: 0,
            others: Vec::new(),
        }
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.len) {
            return Err(past_end(self.path(), offset, out.len() as u64, self.len));
        }
        let read = self.file.read_exact_at(out, offset);
        // Looked at after the read: what was read before a change is good.
        self.verify()?;
        read.map_err(|error| self.directory.io(error))
    }

    fn read_metadata_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        self.read_exact_at(offset, out)
    }

    fn verify(&self) -> Result<(), ReadError> {
        let metadata = self.file.metadata().map_err(|error| self.directory.io(error))?;
        self.directory.compare(&self.key, &metadata)
    }

    fn will_read(&self, _ranges: &[Range<u64>]) {
        // A chunk is read as a whole as soon as it is open.
    }
}

#[cfg(test)]
mod tests;
