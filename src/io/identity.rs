//! What makes a source the same source.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Identifies the content of a source, as far as the file system tells: when it is equal, what was
/// derived from the source before still holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Absolute path.
    pub path: PathBuf,
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Length in bytes; of a zarr directory, that of all its files.
    pub len: u64,
    /// Time of the last change of the content, in nanoseconds since 1970; of a zarr directory, that
    /// of the file that was changed last.
    pub mtime_ns: i64,
    /// Time of the last change of the inode, which nobody can put back; of a zarr directory, the latest
    /// of all. It is part of the name for caches, and of nothing else: permissions change it, too.
    pub ctime_ns: i64,
    /// Of a zarr directory, a digest of the names, lengths and times of all its files; of a file, 0.
    pub digest: u64,
    /// Other files in which some of its bytes lie.
    pub others: Vec<Identity>,
}

impl Identity {
    /// The identity of a file at `path` with this metadata.
    #[must_use]
    pub fn of_file(path: &Path, metadata: &Metadata) -> Self {
        Self {
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            dev: metadata.dev(),
            ino: metadata.ino(),
            len: metadata.len(),
            mtime_ns: mtime_ns(metadata),
            ctime_ns: ctime_ns(metadata),
            digest: 0,
            others: Vec::new(),
        }
    }

    /// True when a file with this metadata is the same file, unchanged; of other files it says nothing.
    #[must_use]
    pub fn matches(&self, metadata: &Metadata) -> bool {
        self.dev == metadata.dev()
            && self.ino == metadata.ino()
            && self.len == metadata.len()
            && self.mtime_ns == mtime_ns(metadata)
    }

    /// A stable name for caches on disk: 32 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&self.bytes()))
    }

    fn bytes(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        let mut bytes = Vec::with_capacity(self.path.as_os_str().len() + 48);
        let times = [self.mtime_ns as u64, self.ctime_ns as u64];
        for field in [self.dev, self.ino, self.len, self.digest].into_iter().chain(times) {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(self.path.as_os_str().as_bytes());
        for other in &self.others {
            bytes.push(0);
            bytes.append(&mut other.bytes());
        }
        bytes
    }
}

/// Time of the last change of the content, in nanoseconds since 1970. They wrap in the year 2262;
/// equality is what counts.
#[must_use]
pub fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec())
}

/// Time of the last change of the inode, likewise.
#[must_use]
pub fn ctime_ns(metadata: &Metadata) -> i64 {
    metadata.ctime().wrapping_mul(1_000_000_000).wrapping_add(metadata.ctime_nsec())
}
