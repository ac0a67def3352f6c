//! Censuses kept on disk from one run to the next.
//!
//! One file a census, named by a hash of everything it depends on: the source's identity, the
//! element, what is kept, the format of the file. Files are written beside and renamed; one that is
//! not exactly what it should be is ignored and replaced.
//!
//! What is served comes from a private copy that was checked while it was made: whatever is done to
//! a file of the cache later has no effect. A directory or a file that others own or may write to is
//! not used at all.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::table::{Offsets, OffsetsWriter};

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

/// Others may write to what has one of these.
const WRITABLE_BY_OTHERS: u32 = 0o022;
/// Entries that are copied at once.
const COPY_ENTRIES: usize = 8 << 10;

/// A directory of censuses that nobody else can write to.
#[derive(Debug)]
pub struct CensusStore<'a> {
    dir: &'a Path,
}

/// Names one census.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CensusKey(u128);

impl CensusKey {
    /// The key of what was counted of `element` in the source of this identity; `numbers` and `rest`
    /// are all else that it depends on. `None` when the source cannot be told apart.
    pub fn new(identity: &str, element: &str, numbers: &[u64], rest: &[u8]) -> Option<Self> {
        if identity.is_empty() {
            return None;
        }
        let mut hasher = Xxh3::new();
        for text in [identity, element] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&xxh3_128(rest).to_le_bytes());
        Some(Self(hasher.digest128()))
    }
}

impl<'a> CensusStore<'a> {
    /// The directory, made if it is not there.
    pub fn open(dir: &'a Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let metadata = fs::metadata(dir)?;
        refuse_foreign(&metadata).map_err(|why| {
            io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "the directory {why}\n  hint: make it your own (chown) and writable by you alone \
                     (chmod go-w), or let ANNCAT_CACHE_DIR name another one"
                ),
            )
        })?;
        Ok(Self { dir })
    }

    fn path(&self, key: CensusKey) -> PathBuf {
        self.dir.join(format!("{:032x}.{SUFFIX}", key.0))
    }

    /// A private copy of the census of `key`, if it is there and whole; a long one lies in
    /// `spill_dir`. `num_entries` is how long it has to be, where that is known.
    pub fn load(
        &self,
        key: CensusKey,
        num_entries: Option<u64>,
        spill_dir: &Path,
    ) -> Option<Offsets> {
        let path = self.path(key);
        // Neither through a link nor waiting for the other end of a pipe.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = options.open(&path).ok()?;
        match copy(&file, key, num_entries, spill_dir) {
            Ok(offsets) => {
                // The age of a census is the time of its last use. Failing to note it does no harm.
                let _ = file.set_modified(SystemTime::now());
                Some(offsets)
            }
            Err(why) => {
                log::warn!("{}: ignoring a census: {why}", path.display());
                None
            }
        }
    }

    /// Keeps a census.
    pub fn store(&self, key: CensusKey, offsets: &Offsets) -> io::Result<()> {
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
        file.persist(self.path(key)).map_err(|error| error.error)?;
        self.prune();
        Ok(())
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

/// Copies the entries of a census file, and checks each byte that was copied.
fn copy(
    mut file: &File,
    key: CensusKey,
    num_entries: Option<u64>,
    spill_dir: &Path,
) -> io::Result<Offsets> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    refuse_foreign(&metadata).map_err(|why| io::Error::other(format!("it {why}")))?;
    let stored_entries = metadata.len().saturating_sub(HEADER_BYTES as u64) / 8;
    let num_entries = num_entries.unwrap_or(stored_entries);
    let expected_len =
        num_entries.checked_mul(8).and_then(|len| len.checked_add(HEADER_BYTES as u64));
    if Some(metadata.len()) != expected_len {
        return Err(io::Error::other("it has the wrong length"));
    }
    let mut head = [0; HEADER_BYTES];
    file.read_exact(&mut head)?;
    let mut writer = OffsetsWriter::new(num_entries, spill_dir)?;
    let mut checksum = Xxh3::new();
    let mut buffer = vec![0; COPY_ENTRIES * 8];
    let mut remaining = num_entries;
    while remaining > 0 {
        let len = remaining.min(COPY_ENTRIES as u64);
        let bytes = &mut buffer[..len as usize * 8];
        file.read_exact(bytes)?;
        checksum.update(bytes);
        for &entry in bytes.as_chunks::<8>().0 {
            writer.push(u64::from_le_bytes(entry))?;
        }
        remaining -= len;
    }
    if head != header(key, num_entries, checksum.digest()) {
        return Err(io::Error::other("it is damaged"));
    }
    writer.finish()
}

/// Says why what this describes may be written by somebody else, if so.
fn refuse_foreign(metadata: &Metadata) -> Result<(), String> {
    // SAFETY: geteuid only returns a number and cannot fail.
    let user = unsafe { libc::geteuid() };
    if metadata.uid() != user {
        return Err(format!("belongs to another user ({})", metadata.uid()));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("can be written by others (mode {:o})", metadata.mode() & 0o7777));
    }
    Ok(())
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
        CensusStore::open(dir.path()).unwrap().prune();
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["another-programs.tmp", "kept.census", "underway.census-unfinished"]);
    }

    fn census() -> (CensusKey, Offsets) {
        (CensusKey(7), Offsets::Memory((0..30_000).map(|at| at * 3).collect()))
    }

    fn entries(offsets: &Offsets) -> Vec<u64> {
        (0..offsets.len()).map(|at| offsets.get(at)).collect()
    }

    #[test]
    fn what_is_done_to_a_file_of_the_cache_does_not_reach_who_loaded_it() {
        let (dir, spill) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = CensusStore::open(dir.path()).unwrap();
        let (key, offsets) = census();
        store.store(key, &offsets).unwrap();
        let loaded = store.load(key, Some(offsets.len()), spill.path()).unwrap();
        let expected = entries(&offsets);
        assert_eq!(entries(&loaded), expected);
        let path = store.path(key);
        let len_bytes = fs::metadata(&path).unwrap().len() as usize;
        fs::write(&path, vec![0xff; len_bytes]).unwrap();
        assert_eq!(entries(&loaded), expected);
        // A mapping of this file would end the process now.
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert_eq!(entries(&loaded), expected);
        assert_eq!(fs::read_dir(spill.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_others_may_write_is_not_used() {
        use std::os::unix::fs::{PermissionsExt, chown, symlink};
        let permit = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let dir = tempfile::tempdir().unwrap();
        let (key, offsets) = census();
        let made = dir.path().join("a/b");
        let store = CensusStore::open(&made).unwrap();
        for dir in [&made, &dir.path().join("a")] {
            assert_eq!(fs::metadata(dir).unwrap().mode() & 0o777, 0o700);
        }
        store.store(key, &offsets).unwrap();
        let path = store.path(key);
        let load = || store.load(key, Some(offsets.len()), dir.path());
        assert!(load().is_some());
        permit(&path, 0o620);
        assert!(load().is_none());
        permit(&path, 0o600);
        let aside = made.join("aside");
        fs::rename(&path, &aside).unwrap();
        symlink(&aside, &path).unwrap();
        assert!(load().is_none());
        fs::rename(&aside, &path).unwrap();
        assert!(load().is_some());
        permit(&made, 0o1777);
        let refused = CensusStore::open(&made).unwrap_err().to_string();
        assert!(refused.contains("can be written by others (mode 1777)"), "{refused}");
        permit(&made, 0o755);
        CensusStore::open(&made).unwrap();
        // Only root can give files away.
        if chown(&path, Some(65_534), None).is_ok() {
            assert!(load().is_none());
            chown(&made, Some(65_534), None).unwrap();
            let refused = CensusStore::open(&made).unwrap_err().to_string();
            assert!(refused.contains("belongs to another user (65534)"), "{refused}");
        }
    }
}
