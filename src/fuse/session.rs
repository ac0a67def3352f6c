//! Mounting and unmounting.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};

use super::filesystem::FaceFs;
use super::inodes::Inodes;
use super::prefetch::Prefetch;
use super::{Access, Export, MountOptions, NAME, PageCache, mounts, num_cores};

/// The device that FUSE speaks through.
const DEVICE: &str = "/dev/fuse";
/// Kernel read-ahead of the mount, where we may set it.
const READ_AHEAD_KB: &str = "256";
/// Most threads that fill the kernel's page cache.
const MOST_STORING: usize = 8;

/// Why a mount or unmount failed.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// There is no FUSE here.
    #[error(
        "{DEVICE} cannot be used: {source}\n  hint: {}; `anncat materialize` needs no mount", device_hint(.source)
    )]
    NoDevice {
        /// What the system said.
        source: io::Error,
    },
    /// Users other than root mount through a helper, which is missing.
    #[error(
        "fusermount3 was not found, which users other than root need to mount\n  hint: install the package fuse3, or use `anncat materialize`, which needs no mount"
    )]
    NoHelper,
    /// The system refused the mount.
    #[error("{mountpoint}: cannot mount: {source}", mountpoint = mountpoint.display())]
    Refused {
        /// Where.
        mountpoint: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to unmount.
    #[error("{mountpoint}: nothing is mounted there", mountpoint = mountpoint.display())]
    NotMounted {
        /// Where.
        mountpoint: PathBuf,
    },
    /// Something else is mounted there.
    #[error("{mountpoint}: this is not a mount of anncat, but of type {fs_type}", mountpoint = mountpoint.display())]
    NotOurs {
        /// Where.
        mountpoint: PathBuf,
        /// Its file system type.
        fs_type: String,
    },
    /// The system refused to unmount.
    #[error("{mountpoint}: cannot unmount: {why}", mountpoint = mountpoint.display())]
    Stuck {
        /// Where.
        mountpoint: PathBuf,
        /// What the system said.
        why: String,
    },
}

fn device_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "ask for the right to read and write it",
        _ => "this machine or container has no FUSE",
    }
}

/// A mount that is being served, until [`Mounted::wait`] returns. Dropping it unmounts.
pub struct Mounted {
    session: BackgroundSession,
    mountpoint: PathBuf,
}

/// Unmounts from another thread.
#[derive(Debug, Clone)]
pub struct Unmounter {
    mountpoint: PathBuf,
}

/// Mounts `exports` on an empty directory, and serves them from threads of its own. When this
/// returns, the mount can be read.
///
/// # Errors
/// FUSE is missing or forbidden here, or the mountpoint cannot be used.
pub fn mount(
    mountpoint: &Path,
    exports: Vec<Export>,
    options: &MountOptions,
) -> Result<Mounted, MountError> {
    let refused = |source| MountError::Refused { mountpoint: mountpoint.to_owned(), source };
    let mountpoint = mountpoint.canonicalize().map_err(refused)?;
    check_device()?;
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(NAME.to_owned()),
        MountOption::Subtype(NAME.to_owned()),
        MountOption::RO,
        MountOption::NoAtime,
        MountOption::DefaultPermissions,
    ];
    config.acl = match options.access {
        Access::Owner => SessionACL::Owner,
        Access::Everyone => SessionACL::All,
    };
    config.n_threads = Some(options.threads.max(1));
    let inodes = Arc::new(Inodes::new(exports));
    let (prefetch, waiting) = match options.page_cache {
        PageCache::All => {
            let (prefetch, waiting) = Prefetch::new(&inodes);
            (prefetch, Some(waiting))
        }
        PageCache::Read | PageCache::Computed => (Prefetch::none(&inodes), None),
    };
    let filesystem = FaceFs::new(inodes, options.modified, options.page_cache, prefetch);
    let session = Session::new(filesystem, &mountpoint, &config).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound {
            MountError::NoHelper
        } else {
            refused(source)
        }
    })?;
    let session = session.spawn().map_err(refused)?;
    if let Some(waiting) = waiting.map(Arc::new) {
        for _ in 0..num_cores().min(MOST_STORING) {
            let (waiting, notifier) = (Arc::clone(&waiting), session.notifier());
            std::thread::Builder::new()
                .name("prefetch".to_owned())
                .spawn(move || waiting.store(&notifier))
                .map_err(refused)?;
        }
    }
    tune_read_ahead(&mountpoint);
    Ok(Mounted { session, mountpoint })
}

/// The helper opens the device with the user's own rights, so it must be allowed to us in any case.
fn check_device() -> Result<(), MountError> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(DEVICE)
        .map(drop)
        .map_err(|source| MountError::NoDevice { source })
}

fn is_root() -> bool {
    // SAFETY: geteuid only returns a number and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Larger read-ahead makes sequential reads a fifth faster; only root may ask for it. Asking the
/// mount for its device number is its first request.
fn tune_read_ahead(mountpoint: &Path) {
    use std::os::unix::fs::MetadataExt;
    if !is_root() {
        return;
    }
    let Ok(metadata) = std::fs::metadata(mountpoint) else { return };
    let device = metadata.dev();
    let file =
        format!("/sys/class/bdi/{}:{}/read_ahead_kb", libc::major(device), libc::minor(device));
    if let Err(error) = std::fs::write(&file, READ_AHEAD_KB) {
        log::debug!("{file}: {error}");
    }
}

impl Mounted {
    /// Something that unmounts this mount from another thread.
    #[must_use]
    pub fn unmounter(&self) -> Unmounter {
        Unmounter { mountpoint: self.mountpoint.clone() }
    }

    /// Serves until the mount is gone and no file of it is open any more.
    ///
    /// # Errors
    /// The connection to the kernel broke.
    pub fn wait(self) -> io::Result<()> {
        let mut session = self.session;
        let done = std::thread::spawn(|| Ok(()));
        let served = std::mem::replace(&mut session.guard, done)
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a thread of the mount ended in a panic")));
        if served.is_ok() {
            // The mount is gone already. fuser would unmount its path once more when it is dropped
            // (it takes a closed connection for an open one), and by now that may be another's.
            std::mem::forget(session);
        }
        served
    }
}

impl Unmounter {
    /// Takes the mount away at once; open files can still be read until they are closed.
    ///
    /// # Errors
    /// It was not there any more, or the system refused.
    pub fn unmount(&self) -> Result<(), MountError> {
        unmount(&self.mountpoint)
    }
}

/// Unmounts a mount of this program, also one that is in use or whose server has died.
///
/// # Errors
/// Nothing or something else is mounted there, or the system refused.
pub fn unmount(mountpoint: &Path) -> Result<(), MountError> {
    let shown = || mountpoint.to_owned();
    let stuck = |why: String| MountError::Stuck { mountpoint: shown(), why };
    let resolved = mounts::resolve(mountpoint).map_err(|error| stuck(error.to_string()))?;
    let entry = mounts::at(&resolved)
        .map_err(|error| stuck(error.to_string()))?
        .ok_or_else(|| MountError::NotMounted { mountpoint: shown() })?;
    if !entry.is_ours() {
        return Err(MountError::NotOurs { mountpoint: shown(), fs_type: entry.fs_type });
    }
    let path = CString::new(resolved.as_os_str().as_bytes())
        .map_err(|_| stuck("the path holds a NUL character".to_owned()))?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    let failed =
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW) } != 0;
    if !failed {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::EPERM) {
        return Err(stuck(error.to_string()));
    }
    unmount_with_helper(&resolved).map_err(stuck)
}

/// Users other than root unmount through the same helper that mounted.
fn unmount_with_helper(mountpoint: &Path) -> Result<(), String> {
    for helper in ["fusermount3", "fusermount"] {
        let output = Command::new(helper)
            .args(["-u", "-z", "--"])
            .arg(mountpoint)
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{helper}: {error}")),
        }
    }
    Err("fusermount3 was not found\n  hint: install the package fuse3".to_owned())
}
