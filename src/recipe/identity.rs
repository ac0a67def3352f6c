//! What makes an input the input of a plan, also where it was copied to another machine.
//!
//! The only place where a plan meets [`io::Identity`]; what the file system says beyond it (device,
//! inode) does not survive a copy.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::InputError;
use super::fingerprint;
use crate::base::ReadError;
use crate::io;

/// The identity of an input's content, as a plan keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ContentIdentity {
    /// Length in bytes; of a zarr directory, that of all its files.
    pub len_bytes: u64,
    /// Time of the last change, in seconds since 1970 with nine decimals; as text, because JSON
    /// readers round numbers of this size.
    pub modified: String,
    /// Of a zarr directory, the digest of the names, lengths, times and inodes of its files; of a file
    /// that leads to others, that of theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Digest of a sample of the bytes, which every copy has.
    pub fingerprint: String,
}

/// What an input has to be, by a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What its content was.
    pub identity: ContentIdentity,
    /// The absolute path that it had.
    pub path: PathBuf,
}

impl ContentIdentity {
    /// The identity of an input that was opened. Reads a few hundred KiB of it.
    ///
    /// # Errors
    /// It has changed since it was opened, or cannot be read.
    pub fn of(opened: &io::Identity) -> Result<Self, InputError> {
        let fingerprint = fingerprint_of(opened)?;
        Ok(Self { fingerprint, ..Self::without_fingerprint(opened) })
    }

    fn without_fingerprint(opened: &io::Identity) -> Self {
        let seconds = opened.mtime_ns.div_euclid(1_000_000_000);
        let nanos = opened.mtime_ns.rem_euclid(1_000_000_000);
        Self {
            len_bytes: opened.len,
            modified: format!("{seconds}.{nanos:09}"),
            digest: digest(opened).map(|digest| format!("{digest:016x}")),
            fingerprint: String::new(),
        }
    }
}

impl Expected {
    /// Compares an input, opened at `path`, with what it has to be. What has the length and time
    /// that the plan says is the same. What was copied without its time is known by its
    /// fingerprint. What stands where it stood, with another time, was written to.
    pub(super) fn check(&self, path: &Path, opened: &io::Identity) -> Result<(), InputError> {
        let changed = |what: String| InputError::Changed { path: path.to_owned(), what };
        let (was, is) = (&self.identity, ContentIdentity::without_fingerprint(opened));
        if is.len_bytes != was.len_bytes {
            return Err(changed(format!(
                "it has {} bytes, and had {}",
                is.len_bytes, was.len_bytes
            )));
        }
        let same_time = is.modified == was.modified;
        if same_time && is.digest == was.digest {
            return Ok(());
        }
        // A group of a zarr store is a directory in it. Of a file, the digest is of the others that it
        // leads to.
        let is_written = !same_time || !opened.others.is_empty();
        if is_written && opened.path.starts_with(&self.path) {
            return Err(changed("it was written to since".to_owned()));
        }
        if fingerprint_of(opened)? != was.fingerprint {
            return Err(changed("its content is another".to_owned()));
        }
        Ok(())
    }
}

/// What there is to compare beside length and time; `None` of a file that leads to no other.
fn digest(opened: &io::Identity) -> Option<u64> {
    let mut bytes = opened.digest.to_le_bytes().to_vec();
    for other in &opened.others {
        bytes.extend_from_slice(&other.len.to_le_bytes());
        bytes.extend_from_slice(&other.mtime_ns.to_le_bytes());
    }
    match opened.others.is_empty() {
        true => (opened.digest != 0).then_some(opened.digest),
        false => Some(xxhash_rust::xxh3::xxh3_64(&bytes)),
    }
}

/// Of an input and all files that it leads to.
fn fingerprint_of(opened: &io::Identity) -> Result<String, InputError> {
    let mut fingerprint = String::new();
    for file in std::iter::once(opened).chain(&opened.others) {
        let io = |error| ReadError::io(&file.path, "", error);
        fingerprint += &fingerprint::of(&file.path).map_err(io)?;
        // Looked at afterwards: what was read before a change is good.
        if file.digest == 0 {
            let metadata = std::fs::metadata(&file.path).map_err(io)?;
            if !file.matches(&metadata) {
                return Err(ReadError::Changed { file: file.path.clone() }.into());
            }
        }
    }
    Ok(fingerprint)
}
