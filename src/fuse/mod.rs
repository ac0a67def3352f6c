//! Faces as a mounted file system, through FUSE.
//!
//! [`filesystem`] answers requests about the files that [`inodes`] numbers, [`surroundings`] puts
//! what lies around scattered reads into the kernel's page cache, [`session`] mounts and unmounts,
//! [`mounts`] reads the system's table of mounts, [`errno`] turns errors into errno. Nothing here
//! knows what the files hold.

mod errno;
mod filesystem;
mod inodes;
pub mod mounts;
pub mod session;
mod surroundings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::SystemTime;

use crate::face::Face;

pub use session::{MountError, Mounted, Unmounter, mount};

/// The file system type's second half: mounts are listed as `fuse.anncat` or with this source.
pub const NAME: &str = "anncat";

/// One face under one name in the top directory of a mount.
#[derive(Clone)]
pub struct Export {
    /// Name of the file or directory.
    pub name: String,
    /// What it holds.
    pub face: Arc<dyn Face>,
}

/// Who may read a mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Only the user who mounted it.
    #[default]
    Owner,
    /// Everyone on the machine.
    Everyone,
}

/// What the kernel keeps of what was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PageCache {
    /// Everything that was read, and the surroundings of scattered reads. Files are opened without a
    /// request.
    #[default]
    All,
    /// Everything that was read.
    Read,
    /// What was computed. Files that are stored as they are in the inputs are copied from there at
    /// each read: faster the first time, slower when small pieces are read again and again.
    Computed,
}

/// How to mount.
#[derive(Debug, Clone)]
pub struct MountOptions {
    /// Threads that answer requests.
    pub threads: usize,
    /// Who may read.
    pub access: Access,
    /// What the kernel keeps.
    pub page_cache: PageCache,
    /// Modification time of every file.
    pub modified: SystemTime,
}

impl Default for MountOptions {
    fn default() -> Self {
        Self {
            threads: default_threads(),
            access: Access::Owner,
            page_cache: PageCache::All,
            modified: SystemTime::now(),
        }
    }
}

/// Two threads a core, at least four: a slow read holds its thread, and looking up names must go on
/// meanwhile. Threads that wait cost nothing.
#[must_use]
pub fn default_threads() -> usize {
    (2 * num_cores()).clamp(4, 16)
}

fn num_cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get)
}
