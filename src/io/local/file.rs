//! One local file, and whether it is still what it was.
//!
//! Its length, the time of its content and its inode tell most changes. Who writes into a file and then
//! puts length and time back leaves a later time of the inode; but so does who only changes permissions,
//! or makes a hard link. That time is therefore the trigger, and two things judge: what was read of the
//! file's metadata and a sample of its data must still be the same, and something about the inode other
//! than its content must have changed, which explains the new time. A small file is compared as a whole
//! and needs no explanation.

use std::fs::{File, Metadata};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use xxhash_rust::xxh3::xxh3_64;

use super::stamp::{About, Content, Stamp, is_gone};
use crate::base::ReadError;
use crate::io::context::Context;
use crate::io::identity::Identity;
use crate::io::source::{Source, past_end};
use crate::io::sync::lock;

/// How long a path is trusted to still name the file that is open.
pub(super) const PATH_TRUSTED_MS: u64 = 100;
/// Pieces of metadata that are remembered of one file; 24 bytes each.
const MOST_PIECES: usize = 1024;
/// A file of up to this length is compared as a whole.
const WHOLE_BYTES: u64 = 256 << 10;
/// Of a larger one, so many pieces of this length each.
const SAMPLES: u64 = 16;
const SAMPLE_BYTES: u64 = 4 << 10;

/// A file that is read at given offsets, from any thread.
#[derive(Debug)]
pub(super) struct LocalFile {
    context: Arc<Context>,
    id: u64,
    identity: Identity,
    content: Content,
    /// The time of the inode for which the file was judged the same.
    ctime_ns: AtomicI64,
    /// It was judged another one, once and for all.
    is_changed: AtomicBool,
    /// There is a sample of the data.
    is_sampled: AtomicBool,
    known: Mutex<Known>,
    /// Milliseconds at which the path was last compared with the open file.
    path_checked_ms: AtomicU64,
}

/// What is remembered of a file, to judge by.
#[derive(Debug)]
struct Known {
    about: About,
    pieces: Vec<Piece>,
    /// Every byte is in one of the pieces.
    is_whole: bool,
}

/// A piece of a file, by its hash.
#[derive(Debug, Clone, Copy)]
struct Piece {
    offset: u64,
    len: u32,
    hash: u64,
}

impl LocalFile {
    pub(super) fn open(path: &Path, context: &Arc<Context>) -> std::io::Result<Self> {
        let id = context.fresh_id();
        let file = context.files().open(id, path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            context.files().close(id);
            return Err(std::io::Error::other("this is no regular file"));
        }
        let identity = Identity::of_file(path, &metadata);
        let stamp = Stamp::of(&metadata);
        Ok(Self {
            context: Arc::clone(context),
            id,
            identity,
            content: stamp.content,
            ctime_ns: AtomicI64::new(stamp.ctime_ns),
            is_changed: AtomicBool::new(false),
            is_sampled: AtomicBool::new(false),
            known: Mutex::new(Known { about: stamp.about, pieces: Vec::new(), is_whole: false }),
            path_checked_ms: AtomicU64::new(context.clock().elapsed().as_millis() as u64),
        })
    }

    fn file(&self) -> Result<Arc<File>, ReadError> {
        if let Some(file) = self.context.files().get(self.id) {
            return Ok(file);
        }
        let file = self
            .context
            .files()
            .open(self.id, self.path())
            .map_err(|error| if is_gone(&error) { self.changed() } else { self.io(error) })?;
        self.compare(&file, file.metadata())?;
        Ok(file)
    }

    /// Looked at after a read: what was read before a change is good.
    fn verify_open(&self, file: &File) -> Result<(), ReadError> {
        self.compare(file, file.metadata())?;
        let now = self.context.clock().elapsed().as_millis() as u64;
        if now.saturating_sub(self.path_checked_ms.load(Ordering::Relaxed)) > PATH_TRUSTED_MS {
            self.compare(file, std::fs::metadata(self.path()))?;
            self.path_checked_ms.store(now, Ordering::Relaxed);
        }
        Ok(())
    }

    fn compare(&self, file: &File, metadata: std::io::Result<Metadata>) -> Result<(), ReadError> {
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return Err(self.changed()),
            Err(error) => return Err(self.io(error)),
        };
        let stamp = Stamp::of(&metadata);
        if stamp.content != self.content || self.is_changed.load(Ordering::Relaxed) {
            return Err(self.changed());
        }
        if stamp.ctime_ns == self.ctime_ns.load(Ordering::Acquire) {
            return Ok(());
        }
        self.judge(file, &stamp)
    }

    /// Something was done to the inode. Whether it was to the content.
    fn judge(&self, file: &File, stamp: &Stamp) -> Result<(), ReadError> {
        let mut known = lock(&self.known);
        if stamp.ctime_ns == self.ctime_ns.load(Ordering::Acquire) {
            return Ok(());
        }
        // Before any data was read, nothing can be mixed with what is read from now on.
        let needs_no_reason = known.is_whole || !self.is_sampled.load(Ordering::Acquire);
        let is_same = (needs_no_reason || stamp.about != known.about)
            && known.pieces.iter().all(|piece| piece.is_in(file))
            // What was just read is what was found to be there.
            && file.metadata().is_ok_and(|after| Stamp::of(&after) == *stamp);
        if !is_same {
            self.is_changed.store(true, Ordering::Relaxed);
            return Err(self.changed());
        }
        known.about = stamp.about;
        self.ctime_ns.store(stamp.ctime_ns, Ordering::Release);
        Ok(())
    }

    /// Remembers a sample of the data, when they are read for the first time.
    fn sample(&self, file: &File) -> Result<(), ReadError> {
        if self.is_sampled.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut known = lock(&self.known);
        if self.is_sampled.load(Ordering::Acquire) {
            return Ok(());
        }
        let len = self.content.len;
        let is_whole = len <= WHOLE_BYTES;
        let (count, piece_len) = if is_whole { (1, len) } else { (SAMPLES, SAMPLE_BYTES) };
        for number in 0..count {
            let offset = if is_whole { 0 } else { (len - piece_len) * number / (count - 1) };
            let piece = Piece::read(file, offset, piece_len as u32);
            known.pieces.push(piece.map_err(|error| self.io(error))?);
        }
        known.is_whole = is_whole;
        self.is_sampled.store(true, Ordering::Release);
        drop(known);
        self.compare(file, file.metadata())
    }

    fn io(&self, error: std::io::Error) -> ReadError {
        ReadError::io(self.path(), "", error)
    }

    fn changed(&self) -> ReadError {
        ReadError::Changed { file: self.path().to_owned() }
    }

    fn read(&self, file: &File, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        // Checked first, so that no length read from a corrupt file makes a read that must fail.
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > self.content.len) {
            self.verify()?;
            return Err(past_end(self.path(), offset, out.len() as u64, self.content.len));
        }
        let read = file.read_exact_at(out, offset);
        self.verify_open(file)?;
        read.map_err(|error| self.io(error))
    }
}

impl Source for LocalFile {
    fn path(&self) -> &Path {
        &self.identity.path
    }

    fn len(&self) -> u64 {
        self.content.len
    }

    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let file = self.file()?;
        self.sample(&file)?;
        self.read(&file, offset, out)
    }

    fn read_metadata_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        self.read(&*self.file()?, offset, out)?;
        let mut known = lock(&self.known);
        if known.pieces.len() < MOST_PIECES
            && let Ok(len) = u32::try_from(out.len())
        {
            known.pieces.push(Piece { offset, len, hash: xxh3_64(out) });
        }
        Ok(())
    }

    fn verify(&self) -> Result<(), ReadError> {
        let file = self.file()?;
        self.compare(&file, file.metadata())?;
        self.compare(&file, std::fs::metadata(self.path()))
    }

    fn will_read(&self, ranges: &[Range<u64>]) {
        let Some(file) = self.context.files().get(self.id) else { return };
        for range in ranges {
            let (Ok(start), Ok(len)) =
                (range.start.try_into(), range.end.saturating_sub(range.start).try_into())
            else {
                continue;
            };
            // SAFETY: a hint on a descriptor that is open while `file` lives.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), start, len, libc::POSIX_FADV_WILLNEED) };
        }
    }
}

impl Piece {
    fn read(file: &File, offset: u64, len: u32) -> std::io::Result<Self> {
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, offset)?;
        Ok(Self { offset, len, hash: xxh3_64(&bytes) })
    }

    fn is_in(&self, file: &File) -> bool {
        Self::read(file, self.offset, self.len).is_ok_and(|now| now.hash == self.hash)
    }
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        self.context.files().close(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::testing::TurnedClock;
    use crate::io::{Limits, read_vec_at};
    use std::os::unix::fs::PermissionsExt;

    fn context(max_open_files: usize) -> Arc<Context> {
        Context::new(Limits { cache_bytes: 1 << 20, max_open_files, ..Limits::default() })
    }

    fn file(path: &Path, len: usize) -> LocalFile {
        std::fs::write(path, vec![1; len]).unwrap();
        let file = LocalFile::open(path, &context(4)).unwrap();
        // Time stamps are as coarse as the kernel's clock tick.
        let since = file.ctime_ns.load(Ordering::Relaxed);
        let probe = path.with_extension("probe");
        loop {
            std::fs::write(&probe, b"").unwrap();
            if Stamp::of(&std::fs::metadata(&probe).unwrap()).ctime_ns > since {
                return file;
            }
        }
    }

    /// Writes one byte in place, and puts the time of the content back.
    fn write_back(path: &Path, offset: u64) {
        let was = std::fs::metadata(path).unwrap().modified().unwrap();
        let open = File::options().write(true).open(path).unwrap();
        open.write_all_at(&[9], offset).unwrap();
        open.set_modified(was).unwrap();
    }

    #[test]
    fn many_sources_share_few_descriptors() {
        let dir = tempfile::tempdir().unwrap();
        let context = context(2);
        let sources: Vec<LocalFile> = (0..20u8)
            .map(|i| {
                let path = dir.path().join(format!("{i}"));
                std::fs::write(&path, [i; 100]).unwrap();
                LocalFile::open(&path, &context).unwrap()
            })
            .collect();
        for (i, source) in sources.iter().enumerate() {
            assert_eq!(read_vec_at(source, 50, 3).unwrap(), vec![i as u8; 3]);
        }
    }

    #[test]
    fn a_changed_or_short_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let source = file(&path, 100);
        assert!(matches!(read_vec_at(&source, 90, 20), Err(ReadError::Corrupt { .. })));
        assert!(matches!(read_vec_at(&source, 0, usize::MAX), Err(ReadError::Corrupt { .. })));
        assert!(matches!(read_vec_at(&source, u64::MAX, 1), Err(ReadError::Corrupt { .. })));
        std::fs::write(&path, [1; 99]).unwrap();
        assert!(matches!(read_vec_at(&source, 0, 1), Err(ReadError::Changed { .. })));
    }

    #[test]
    fn a_replaced_or_removed_file_is_noticed_when_its_path_is_no_longer_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, [1; 100]).unwrap();
        let clock = Arc::new(TurnedClock::default());
        let limits = Limits { cache_bytes: 1 << 20, max_open_files: 4, ..Limits::default() };
        let context = Context::with(limits, Arc::new(crate::io::local::Local), clock.clone());
        let source = LocalFile::open(&path, &context).unwrap();
        std::fs::write(dir.path().join("b"), [2; 100]).unwrap();
        // The open file keeps its name, so that only its path tells.
        std::fs::hard_link(&path, dir.path().join("c")).unwrap();
        std::fs::rename(dir.path().join("b"), &path).unwrap();
        clock.turn(PATH_TRUSTED_MS);
        assert_eq!(read_vec_at(&source, 0, 1).unwrap(), [1], "trusted until then");
        clock.turn(1);
        assert!(matches!(read_vec_at(&source, 0, 1), Err(ReadError::Changed { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(read_vec_at(&source, 0, 1), Err(ReadError::Changed { .. })));
    }

    #[test]
    fn what_is_written_and_put_back_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        for (len, offset) in [(100, 50), (3 << 20, 1_234_567), (3 << 20, 0)] {
            let path = dir.path().join(format!("{len}-{offset}"));
            let source = file(&path, len);
            read_vec_at(&source, 1, 1).unwrap();
            write_back(&path, offset);
            assert!(matches!(read_vec_at(&source, 1, 1), Err(ReadError::Changed { .. })));
            assert!(matches!(source.verify(), Err(ReadError::Changed { .. })), "and stays so");
        }
    }

    #[test]
    fn what_is_written_and_put_back_is_noticed_beside_a_change_of_permissions() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let source = file(&path, 3 << 20);
        source.read_metadata_at(5000, &mut [0; 1000]).unwrap();
        read_vec_at(&source, 1, 1).unwrap();
        write_back(&path, 5500);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read_vec_at(&source, 1, 1), Err(ReadError::Changed { .. })));
    }

    #[test]
    fn permissions_and_links_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for len in [100, 3 << 20] {
            let path = dir.path().join(format!("{len}"));
            let source = file(&path, len);
            read_vec_at(&source, 1, 1).unwrap();
            for mode in [0o600, 0o640] {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
                assert_eq!(read_vec_at(&source, 1, 1).unwrap(), [1]);
            }
            std::fs::hard_link(&path, path.with_extension("link")).unwrap();
            assert_eq!(read_vec_at(&source, 1, 1).unwrap(), [1]);
            source.verify().unwrap();
        }
        // Of a small file all is known, so that not even a reason is needed.
        let path = dir.path().join("small");
        let source = file(&path, 100);
        read_vec_at(&source, 1, 1).unwrap();
        std::fs::hard_link(&path, path.with_extension("link")).unwrap();
        std::fs::remove_file(path.with_extension("link")).unwrap();
        assert_eq!(read_vec_at(&source, 1, 1).unwrap(), [1]);
    }
}
