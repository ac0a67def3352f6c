//! Censuses kept on disk from one run to the next.
//!
//! One file a census, named by a hash of everything it depends on: the source's identity, the
//! element, what is kept, the format of the file. Files are written beside and renamed; one that is
//! not exactly what it should be is ignored and replaced.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

use super::column_map::ColumnMap;
use super::offsets::Offsets;
use super::source::Compressed;

const MAGIC: &[u8; 8] = b"ANNCATC1";
const SUFFIX: &str = "census";
/// Magic, key, number of entries, checksum of the entries.
const HEADER_BYTES: usize = 8 + 16 + 8 + 8;
/// Older censuses are removed once all of them take more than this.
const MAX_TOTAL_BYTES: u64 = 4 << 30;
/// Where censuses are written until they are complete.
const UNFINISHED: &str = "census-unfinished";
/// What has not become a census after this long is left of a run that was killed.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3600);

/// A directory of censuses.
#[derive(Debug)]
pub(super) struct CensusStore<'a> {
    dir: &'a Path,
}

/// Names one census.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CensusKey(u128);

impl CensusKey {
    /// The key of the census of `matrix` under `map`; `None` when the source cannot be told apart.
    pub(super) fn new(matrix: &Compressed, map: &ColumnMap) -> Option<Self> {
        let origin = &matrix.origin;
        if origin.identity.is_empty() {
            return None;
        }
        let mut hasher = Xxh3::new();
        for text in [&*origin.identity, origin.element.as_str()] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        for number in [matrix.num_major, matrix.num_minor, matrix.nnz] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&xxh3_128(&map.kept_mask()).to_le_bytes());
        Some(Self(hasher.digest128()))
    }
}

impl<'a> CensusStore<'a> {
    pub(super) const fn new(dir: &'a Path) -> Self {
        Self { dir }
    }

    pub(super) const fn dir(&self) -> &Path {
        self.dir
    }

    fn path(&self, key: CensusKey) -> PathBuf {
        self.dir.join(format!("{:032x}.{SUFFIX}", key.0))
    }

    /// The census of `key`, if it is there and whole.
    pub(super) fn load(&self, key: CensusKey, num_entries: u64) -> Option<Offsets> {
        let path = self.path(key);
        let file = File::open(&path).ok()?;
        let expected_len = num_entries.checked_mul(8)?.checked_add(HEADER_BYTES as u64)?;
        if file.metadata().ok()?.len() != expected_len {
            log::warn!("{}: ignoring a census of the wrong length", path.display());
            return None;
        }
        let offsets = Offsets::map(&file, HEADER_BYTES).ok()?;
        let Offsets::Mapped { map, .. } = &offsets else { return None };
        let (head, entries) = map.split_at_checked(HEADER_BYTES)?;
        if head != header(key, num_entries, xxh3_64(entries)) {
            log::warn!("{}: ignoring a damaged census", path.display());
            return None;
        }
        // The age of a census is the time of its last use. Failing to note it does no harm.
        let _ = file.set_modified(SystemTime::now());
        Some(offsets)
    }

    /// Keeps a census and returns it mapped.
    pub(super) fn store(&self, key: CensusKey, offsets: &Offsets) -> io::Result<Offsets> {
        fs::create_dir_all(self.dir)?;
        let mut checksum = Xxh3::new();
        (0..offsets.len()).for_each(|at| checksum.update(&offsets.get(at).to_le_bytes()));
        let file =
            tempfile::Builder::new().suffix(&format!(".{UNFINISHED}")).tempfile_in(self.dir)?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        writer.write_all(&header(key, offsets.len(), checksum.digest()))?;
        for at in 0..offsets.len() {
            writer.write_all(&offsets.get(at).to_le_bytes())?;
        }
        let file = writer.into_inner().map_err(io::Error::from)?;
        let file = file.persist(self.path(key)).map_err(|error| error.error)?;
        self.prune();
        Offsets::map(&file, HEADER_BYTES)
    }

    /// Removes the least recently used censuses while there are too many bytes of them, and what
    /// killed runs left.
    fn prune(&self) {
        for (modified, _, path) in self.files(UNFINISHED) {
            if modified.elapsed().is_ok_and(|age| age > LEFT_OVER) {
                let _ = fs::remove_file(path);
            }
        }
        let mut files = self.files(SUFFIX);
        files.sort();
        let mut total: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in files {
            if total <= MAX_TOTAL_BYTES {
                break;
            }
            if fs::remove_file(&path).is_ok() {
                total -= len;
            }
        }
    }

    /// Files of the directory with this extension: when they were last used, their length, where.
    fn files(&self, extension: &str) -> Vec<(SystemTime, u64, PathBuf)> {
        let described = |entry: io::Result<fs::DirEntry>| {
            let path = entry.ok()?.path();
            let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
            path.extension().is_some_and(|it| it == extension).then_some((
                metadata.modified().ok()?,
                metadata.len(),
                path,
            ))
        };
        fs::read_dir(self.dir).into_iter().flatten().filter_map(described).collect()
    }
}

fn header(key: CensusKey, num_entries: u64, checksum: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..24].copy_from_slice(&key.0.to_le_bytes());
    header[24..32].copy_from_slice(&num_entries.to_le_bytes());
    header[32..].copy_from_slice(&checksum.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_runs_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * LEFT_OVER;
        for (name, modified) in [
            ("another-programs.tmp", old),
            ("left.census-unfinished", old),
            ("underway.census-unfinished", SystemTime::now()),
            ("kept.census", old),
        ] {
            File::create(dir.path().join(name)).unwrap().set_modified(modified).unwrap();
        }
        CensusStore::new(dir.path()).prune();
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["another-programs.tmp", "kept.census", "underway.census-unfinished"]);
    }
}
