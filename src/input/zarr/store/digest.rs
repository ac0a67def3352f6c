//! The identity of a store on disk: a digest of the names, lengths and times of all of its files.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::place::Moment;
use crate::io::{Identity, mtime_ns};

/// The identity of the store at `path`, of all its files together: a chunk that is rewritten in
/// place leaves no trace on its directory. And the moment of the last change in it.
pub fn identity(path: &Path) -> io::Result<(Identity, Moment)> {
    let metadata = std::fs::metadata(path)?;
    let total = directory(path, "", &[])?;
    let mut identity = Identity::of_file(path, &metadata);
    identity.len = total.len_bytes;
    identity.mtime_ns = total.newest_ns.unwrap_or(identity.mtime_ns);
    identity.digest = total.digest;
    Ok((identity, total.latest))
}

/// Sums do not depend on the order in which a directory lists its files.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    len_bytes: u64,
    digest: u64,
    /// When the file that was changed last was changed.
    newest_ns: Option<i64>,
    /// The same of directories too, and of inodes as well as content.
    latest: Moment,
}

impl Total {
    fn plus(self, other: Self) -> Self {
        Self {
            len_bytes: self.len_bytes.wrapping_add(other.len_bytes),
            digest: self.digest.wrapping_add(other.digest),
            newest_ns: self.newest_ns.max(other.newest_ns),
            latest: self.latest.max(other.latest),
        }
    }
}

fn directory(path: &Path, key: &str, trail: &[(u64, u64)]) -> io::Result<Total> {
    let metadata = std::fs::metadata(path)?;
    let here = (metadata.dev(), metadata.ino());
    // A link that leads back up.
    if trail.contains(&here) {
        return Ok(Total::default());
    }
    let trail = [trail, &[here]].concat();
    let mut total = Total { latest: Moment::of(&metadata), ..Total::default() };
    let mut directories: Vec<(PathBuf, String)> = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let key = format!("{key}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        let metadata = if kind.is_dir() { None } else { std::fs::metadata(entry.path()).ok() };
        match metadata {
            Some(metadata) if !metadata.is_dir() => total = total.plus(file(&key, &metadata)),
            None if !kind.is_dir() => {
                total.digest = total.digest.wrapping_add(xxh3_64(key.as_bytes()))
            }
            _ => directories.push((entry.path(), key)),
        }
    }
    directories
        .par_iter()
        .map(|(path, key)| directory(path, key, &trail))
        .try_reduce(Total::default, |a, b| Ok(a.plus(b)))
        .map(|below| total.plus(below))
}

fn file(key: &str, metadata: &Metadata) -> Total {
    let mut bytes = Vec::with_capacity(key.len() + 32);
    let time_ns = mtime_ns(metadata);
    for field in [metadata.ino(), metadata.len(), time_ns as u64] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(key.as_bytes());
    Total {
        len_bytes: metadata.len(),
        digest: xxh3_64(&bytes),
        newest_ns: Some(time_ns),
        latest: Moment::of(metadata),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_counts() {
        let store = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(store.path().join("a/b")).unwrap();
        std::fs::write(store.path().join("a/b/0"), b"123").unwrap();
        std::fs::write(store.path().join("a/1"), b"12").unwrap();
        std::os::unix::fs::symlink("..", store.path().join("a/up")).unwrap();
        let (before, earlier) = identity(store.path()).unwrap();
        assert_eq!((before.clone(), earlier), identity(store.path()).unwrap());
        assert_eq!(before.len, 5);
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(store.path().join("a/b/0"), b"124").unwrap();
        let (after, later) = identity(store.path()).unwrap();
        assert!(earlier < later);
        assert_ne!(before.digest, after.digest);
        assert!(before.mtime_ns < after.mtime_ns);
        let newest = std::fs::metadata(store.path().join("a/b/0")).unwrap();
        assert_eq!(after.mtime_ns, mtime_ns(&newest));
    }
}
