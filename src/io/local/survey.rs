//! All files of a directory, looked at once: a digest of their names, lengths, times and inodes, which is the
//! directory's identity, and what is remembered of each.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::stamp::{About, Content, Stamp};
use crate::io::Moment;
use crate::io::context::External;
use crate::io::source::Outside;

/// Of a directory with more files than this, none is remembered: that they are older than the moment of
/// opening must do.
const MOST_REMEMBERED: usize = 1 << 16;

/// What was found. Sums do not depend on the order in which a directory lists its files.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) len_bytes: u64,
    pub(super) digest: u64,
    /// When the file that was changed last was changed.
    pub(super) newest_ns: Option<i64>,
    /// The same of directories too, and of inodes as well as content.
    pub(super) latest: Moment,
    pub(super) outside: Vec<Outside>,
    files: Vec<Remembered>,
    num_files: usize,
}

/// A file, its content and what is about it, by 56, 40 and 32 bits of their hashes.
type Remembered = u128;

/// Looks at all files below `path`, which is `root` without links.
pub(super) fn survey(path: &Path, root: &Path, external: External) -> io::Result<Survey> {
    let walk = Walk { root, external };
    let mut survey = walk.directory(path, "", &[])?;
    if survey.num_files > MOST_REMEMBERED {
        survey.files = Vec::new();
    }
    survey.files.sort_unstable();
    survey.outside.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(survey)
}

/// How a file compares with what is remembered of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// Nothing is remembered of any file.
    None,
    /// There was no such file.
    Unknown,
    /// Another file, or written since.
    Changed,
    /// The same, and so is all about it.
    Same,
    /// The same, with other permissions, owner or number of names.
    Touched,
}

impl Survey {
    /// Compares a file or directory with what was there.
    pub(super) fn memory(&self, key: &str, stamp: &Stamp, is_dir: bool) -> Memory {
        if self.files.is_empty() {
            return Memory::None;
        }
        let now = remember(key, stamp, is_dir);
        let at = self.files.partition_point(|file| file >> 72 < now >> 72);
        match self.files.get(at) {
            Some(file) if file >> 72 != now >> 72 => Memory::Unknown,
            None => Memory::Unknown,
            Some(file) if *file == now => Memory::Same,
            Some(file) if file >> 32 == now >> 32 => Memory::Touched,
            Some(_) => Memory::Changed,
        }
    }

    fn plus(mut self, mut other: Self) -> Self {
        self.len_bytes = self.len_bytes.wrapping_add(other.len_bytes);
        self.digest = self.digest.wrapping_add(other.digest);
        self.newest_ns = self.newest_ns.max(other.newest_ns);
        self.latest = self.latest.max(other.latest);
        self.outside.append(&mut other.outside);
        self.num_files += other.num_files;
        if self.num_files <= MOST_REMEMBERED {
            self.files.append(&mut other.files);
        } else {
            self.files = Vec::new();
        }
        self
    }

    fn add(&mut self, key: &str, metadata: &Metadata) {
        let stamp = Stamp::of(metadata);
        let is_dir = metadata.is_dir();
        self.latest = self.latest.max(Moment::of(metadata));
        self.num_files += 1;
        if self.num_files <= MOST_REMEMBERED {
            self.files.push(remember(key, &stamp, is_dir));
        }
        if !is_dir {
            let Content { ino, len, mtime_ns, .. } = stamp.content;
            let mut bytes = Vec::with_capacity(key.len() + 25);
            for field in [ino, len, mtime_ns as u64] {
                bytes.extend_from_slice(&field.to_le_bytes());
            }
            bytes.push(b'/');
            bytes.extend_from_slice(key.as_bytes());
            self.len_bytes = self.len_bytes.wrapping_add(len);
            self.digest = self.digest.wrapping_add(xxh3_64(&bytes));
            self.newest_ns = self.newest_ns.max(Some(mtime_ns));
        }
    }
}

fn remember(key: &str, stamp: &Stamp, is_dir: bool) -> Remembered {
    let Content { dev, ino, len, mtime_ns } = stamp.content;
    // The length of a directory is not its content's.
    let len = if is_dir { 0 } else { len };
    let content = hash(&[dev, ino, len, mtime_ns as u64]);
    let About { mode, uid, gid, nlink } = stamp.about;
    let about = hash(&[u64::from(mode), u64::from(uid), u64::from(gid), nlink]);
    u128::from(xxh3_64(key.as_bytes()) >> 8) << 72
        | u128::from(content >> 24) << 32
        | u128::from(about >> 32)
}

fn hash(fields: &[u64]) -> u64 {
    let bytes: Vec<u8> = fields.iter().flat_map(|field| field.to_le_bytes()).collect();
    xxh3_64(&bytes)
}

struct Walk<'a> {
    root: &'a Path,
    external: External,
}

impl Walk<'_> {
    fn directory(&self, path: &Path, key: &str, trail: &[(u64, u64)]) -> io::Result<Survey> {
        let metadata = std::fs::metadata(path)?;
        let stamp = Stamp::of(&metadata);
        let here = (stamp.content.dev, stamp.content.ino);
        // A link that leads back up.
        if trail.contains(&here) {
            return Ok(Survey::default());
        }
        let trail = [trail, &[here]].concat();
        let mut survey = Survey::default();
        survey.add(key, &metadata);
        let mut directories: Vec<(PathBuf, String)> = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let key = if key.is_empty() { name.into_owned() } else { format!("{key}/{name}") };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push((entry.path(), key));
                continue;
            }
            if kind.is_symlink() && self.leads_out(&entry.path(), &key, &mut survey) {
                continue;
            }
            match std::fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() => directories.push((entry.path(), key)),
                Ok(metadata) => survey.add(&key, &metadata),
                // A link that leads nowhere.
                Err(_) => survey.digest = survey.digest.wrapping_add(xxh3_64(key.as_bytes())),
            }
        }
        directories
            .par_iter()
            .map(|(path, key)| self.directory(path, key, &trail))
            .try_reduce(Survey::default, |a, b| Ok(a.plus(b)))
            .map(|below| survey.plus(below))
    }

    /// True for a link out of the directory that is not followed.
    fn leads_out(&self, path: &Path, key: &str, survey: &mut Survey) -> bool {
        let Ok(other) = path.canonicalize() else { return false };
        if other.starts_with(self.root) {
            return false;
        }
        survey.outside.push(Outside { key: key.to_owned(), other });
        if self.external == External::Follow {
            return false;
        }
        survey.digest = survey.digest.wrapping_add(xxh3_64(key.as_bytes()));
        true
    }
}
