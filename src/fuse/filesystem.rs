//! Answers to FUSE's requests, over the exported faces.
//!
//! Replies to reads have full length or are errors: a short one in the middle would shrink the file
//! in the kernel's eyes for good. Nothing ever changes, so the kernel may keep everything.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyXattr, Request,
};

use crate::face::{Entry, EntryKind};

use super::PageCache;
use super::errno::{Refusal, guard};
use super::inodes::{Inodes, Placed, TOP, Target};
use super::surroundings::Surroundings;

/// How long the kernel may believe what it was told: nothing changes while the mount stands.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
const BLOCK_BYTES: u32 = 4096;
/// Requests of read-ahead that may wait at once: of several readers, eight each.
const MOST_IN_BACKGROUND: u16 = 64;

/// The exported faces as a file system.
pub struct FaceFs {
    entries: Entries,
    page_cache: PageCache,
    surroundings: Option<Surroundings>,
}

/// What there is to say of names and attributes.
#[derive(Clone)]
struct Entries {
    inodes: Arc<Inodes>,
    attr: Template,
}

/// What all attributes have in common.
#[derive(Clone, Copy)]
struct Template {
    uid: u32,
    gid: u32,
    modified: SystemTime,
}

impl FaceFs {
    /// A file system of these files, which tells `surroundings`, if any, what is read.
    pub fn new(
        inodes: Arc<Inodes>,
        modified: SystemTime,
        page_cache: PageCache,
        surroundings: Option<Surroundings>,
    ) -> Self {
        // SAFETY: both calls only return numbers of this process and cannot fail.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        let entries = Entries { inodes, attr: Template { uid, gid, modified } };
        Self { entries, page_cache, surroundings }
    }

    /// How a file is read when it was opened by a request of its own.
    fn open_flags(&self, inode: u64) -> Result<FopenFlags, Refusal> {
        let as_is = match self.entries.inodes.target(inode)? {
            Target::Top => false,
            Target::Entry(placed, id) => placed.face.is_stored_as_is(id),
        };
        let reading =
            if as_is { FopenFlags::FOPEN_DIRECT_IO } else { FopenFlags::FOPEN_KEEP_CACHE };
        Ok(reading | FopenFlags::FOPEN_NOFLUSH)
    }
}

/// Answers a request that takes long on a thread of its own: those of the session have others to
/// answer meanwhile.
fn answer_elsewhere(answer: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name("slow".to_owned()).spawn(answer) {
        // The reply went with the closure, and tells the reader an error as it is dropped.
        log::error!("cannot start a thread: {error}");
    }
}

impl Entries {
    /// Whether the attributes of an inode take long to find out.
    fn takes_long(&self, inode: u64) -> bool {
        matches!(
            self.inodes.target(inode),
            Ok(Target::Entry(placed, id)) if placed.face.takes_long(id)
        )
    }

    /// Whether looking up a name takes long. Only whole faces do.
    fn lookup_takes_long(&self, parent: u64, name: &OsStr) -> bool {
        parent == TOP
            && self.export(name).is_some_and(|placed| placed.face.takes_long(placed.face.root()))
    }

    fn export(&self, name: &OsStr) -> Option<&Placed> {
        self.inodes.exports.iter().find(|export| *export.name == *name)
    }

    fn top(&self) -> FileAttr {
        let is_directory =
            |placed: &&Placed| matches!(placed.face.known_root().kind, EntryKind::Directory { .. });
        self.attr.directory(TOP, self.inodes.exports.iter().filter(is_directory).count() as u64)
    }

    fn getattr(&self, inode: u64) -> Result<FileAttr, Refusal> {
        match self.inodes.target(inode)? {
            Target::Top => Ok(self.top()),
            Target::Entry(placed, id) => {
                let entry = placed.face.entry(id)?.ok_or(Refusal::Absent)?;
                Ok(self.attr.of(placed, entry))
            }
        }
    }

    fn lookup(&self, parent: u64, name: &OsStr) -> Result<FileAttr, Refusal> {
        // Every name in a face is UTF-8.
        let name = name.to_str().ok_or(Refusal::Absent)?;
        match self.inodes.target(parent)? {
            Target::Top => {
                let placed = self.export(name.as_ref()).ok_or(Refusal::Absent)?;
                self.getattr(placed.inode(placed.face.root()))
            }
            Target::Entry(placed, dir) => {
                let entry = placed.face.lookup(dir, name)?.ok_or(Refusal::Absent)?;
                Ok(self.attr.of(placed, entry))
            }
        }
    }

    /// Gives the entries of a directory from an offset on, until `add` is full. `add` gets the next
    /// entry's offset, the name, the attributes, and how long they hold: not at all where the size
    /// would have taken reading, so that the kernel asks again before it uses it.
    fn list(
        &self,
        inode: u64,
        offset: u64,
        mut add: impl FnMut(u64, &str, FileAttr, Duration) -> bool,
    ) -> Result<(), Refusal> {
        let target = self.inodes.target(inode)?;
        // The kernel takes only the names of these two.
        let this = self.attr.directory(inode, 0);
        for (n, name) in [(0, "."), (1, "..")] {
            if offset <= n && add(n + 1, name, this, FOREVER) {
                return Ok(());
            }
        }
        let from = offset.saturating_sub(2);
        match target {
            Target::Top => {
                for (n, placed) in self.inodes.exports.iter().enumerate().skip(from as usize) {
                    let entry = placed.face.known_root();
                    let attr = self.attr.of(placed, entry);
                    if add(n as u64 + 3, &placed.name, attr, holds(entry)) {
                        break;
                    }
                }
            }
            Target::Entry(placed, dir) => {
                let listed = placed.face.list(dir, from).ok_or(Refusal::Wrong(Errno::ENOTDIR))?;
                for (n, listed) in (from..).zip(listed) {
                    let attr = self.attr.of(placed, listed.entry);
                    if add(n + 3, &listed.name, attr, holds(listed.entry)) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// How long the attributes of an entry hold that a listing gave.
fn holds(entry: Entry) -> Duration {
    match entry.kind {
        EntryKind::File { len_bytes: None } => Duration::ZERO,
        _ => FOREVER,
    }
}

impl Template {
    fn of(&self, placed: &Placed, entry: Entry) -> FileAttr {
        let inode = placed.inode(entry.id);
        match entry.kind {
            EntryKind::Directory { num_subdirectories } => {
                self.directory(inode, num_subdirectories)
            }
            EntryKind::File { len_bytes } => self.file(inode, len_bytes.unwrap_or(0)),
        }
    }

    fn directory(&self, inode: u64, num_subdirectories: u64) -> FileAttr {
        let links = u32::try_from(num_subdirectories).unwrap_or(u32::MAX).saturating_add(2);
        FileAttr {
            kind: FileType::Directory,
            perm: 0o755,
            nlink: links,
            ..self.file(inode, u64::from(BLOCK_BYTES))
        }
    }

    fn file(&self, inode: u64, size: u64) -> FileAttr {
        FileAttr {
            ino: INodeNo(inode),
            size,
            blocks: size.div_ceil(512),
            atime: self.modified,
            mtime: self.modified,
            ctime: self.modified,
            crtime: self.modified,
            kind: FileType::RegularFile,
            // What is copied out of here, with its mode, is its owner's to change. The mount itself
            // is read-only.
            perm: 0o644,
            nlink: 1,
            uid: self.uid,
            gid: self.gid,
            rdev: 0,
            blksize: BLOCK_BYTES,
            flags: 0,
        }
    }
}

thread_local! {
    /// Each session thread's buffer for replies, so that a read does not ask for fresh memory.
    static REPLY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Filesystem for FaceFs {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let opening = match self.page_cache {
            PageCache::All | PageCache::Read => InitFlags::FUSE_NO_OPEN_SUPPORT,
            PageCache::Computed => InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
        };
        for flag in [
            opening,
            InitFlags::FUSE_NO_OPENDIR_SUPPORT,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_DO_READDIRPLUS,
        ] {
            // An older kernel lacks some; everything works without them, only slower.
            if config.add_capabilities(flag).is_err() {
                log::debug!("the kernel lacks {flag:?}");
            }
        }
        let _ = config.set_max_background(MOST_IN_BACKGROUND);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let (entries, slow) = (&self.entries, self.entries.lookup_takes_long(parent.0, name));
        let answer = move |entries: &Entries, name: &OsStr, reply: ReplyEntry| {
            match guard("lookup", parent.0, || entries.lookup(parent.0, name)) {
                Ok(attr) => reply.entry(&FOREVER, &attr, Generation(0)),
                Err(errno) if errno.code() == libc::ENOENT => {
                    // Inode 0 tells the kernel to remember that there is no such name.
                    let attr = entries.attr.file(0, 0);
                    reply.entry(&FOREVER, &attr, Generation(0));
                }
                Err(errno) => reply.error(errno),
            }
        };
        if slow {
            let (entries, name) = (entries.clone(), name.to_owned());
            answer_elsewhere(move || answer(&entries, &name, reply));
        } else {
            answer(entries, name, reply);
        }
    }

    fn getattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        let answer =
            move |entries: &Entries, reply: ReplyAttr| match guard("getattr", inode.0, || {
                entries.getattr(inode.0)
            }) {
                Ok(attr) => reply.attr(&FOREVER, &attr),
                Err(errno) => reply.error(errno),
            };
        if self.entries.takes_long(inode.0) {
            let entries = self.entries.clone();
            answer_elsewhere(move || answer(&entries, reply));
        } else {
            answer(&self.entries, reply);
        }
    }

    fn open(&self, _request: &Request, inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // The kernel has refused writers already: the mount is read-only.
        match self.page_cache {
            // With NO_OPEN_SUPPORT this means: never ask again, and keep pages. Only the first open
            // of a mount gets here.
            PageCache::All | PageCache::Read => reply.error(Errno::ENOSYS),
            PageCache::Computed => match guard("open", inode.0, || self.open_flags(inode.0)) {
                Ok(flags) => reply.opened(FileHandle(0), flags),
                Err(errno) => reply.error(errno),
            },
        }
    }

    fn opendir(&self, _request: &Request, _inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        reply.error(Errno::ENOSYS);
    }

    fn read(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        REPLY.with_borrow_mut(|buffer| {
            let size = size as usize;
            if buffer.len() < size {
                buffer.resize(size, 0);
            }
            let out = &mut buffer[..size];
            let answer = || match guard("read", inode.0, || {
                self.entries.inodes.read_at(inode.0, offset, out)
            }) {
                Ok(len) => {
                    reply.data(&out[..len]);
                    Some(len)
                }
                Err(errno) => {
                    reply.error(errno);
                    None
                }
            };
            match &self.surroundings {
                Some(surroundings) => surroundings.answered(inode.0, offset, size, answer),
                None => drop(answer()),
            }
        });
    }

    fn readdir(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = guard("readdir", inode.0, || {
            self.entries.list(inode.0, offset, |next, name, attr, _| {
                reply.add(attr.ino, next, attr.kind, name)
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _request: &Request,
        inode: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listed = guard("readdirplus", inode.0, || {
            self.entries.list(inode.0, offset, |next, name, attr, holds| {
                reply.add(attr.ino, next, name, &holds, &attr, Generation(0))
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn statfs(&self, _request: &Request, _inode: INodeNo, reply: ReplyStatfs) {
        let exports = &self.entries.inodes.exports;
        let bytes =
            exports.iter().fold(0u64, |sum, export| sum.saturating_add(export.face.total_bytes()));
        let files =
            exports.iter().fold(TOP, |sum, export| sum.saturating_add(export.face.num_entries()));
        let blocks = bytes.div_ceil(u64::from(BLOCK_BYTES));
        reply.statfs(blocks, 0, 0, files, 0, BLOCK_BYTES, 255, BLOCK_BYTES);
    }

    fn getxattr(
        &self,
        _request: &Request,
        _inode: INodeNo,
        _name: &OsStr,
        _size: u32,
        reply: ReplyXattr,
    ) {
        // ENOSYS: the kernel answers by itself from now on.
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _request: &Request, _inode: INodeNo, _size: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }
}
