//! What `stat` tells of a file: what its content was when it was last written, and what was done to it
//! since.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use crate::io::{ctime_ns, mtime_ns};

/// What stays the same while a file has the same content. All of it can be put back by who changes the
/// content; the time of the inode cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The file, its length, and when it was written.
    pub(super) content: Content,
    /// When the inode was changed last: the content, or anything about it. In nanoseconds since 1970.
    pub(super) ctime_ns: i64,
    /// What else of the inode may change, while the content does not.
    pub(super) about: About,
}

/// Which file it is, and when its content was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) len: u64,
    pub(super) mtime_ns: i64,
}

/// Permissions, owner, and number of names: when one of them has changed, that explains a new
/// `ctime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct About {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            content: Content {
                dev: metadata.dev(),
                ino: metadata.ino(),
                len: metadata.len(),
                mtime_ns: mtime_ns(metadata),
            },
            ctime_ns: ctime_ns(metadata),
            about: About {
                mode: metadata.mode(),
                uid: metadata.uid(),
                gid: metadata.gid(),
                nlink: metadata.nlink(),
            },
        }
    }
}

/// Whether there is nothing at a path any more, or what was a directory above it is none now.
pub(super) fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}
