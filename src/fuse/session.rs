//! Mounting and unmounting.

use std::ffi::CString;
use std::io;
use std::mem::ManuallyDrop;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use fuser::{BackgroundSession, Config, INodeNo, MountOption, Notifier, Session, SessionACL};

use crate::base::{Fault, Kind};

use super::filesystem::FaceFs;
use super::inodes::Inodes;
use super::mounts::{self, Device, MountEntry};
use super::surroundings::Surroundings;
use super::{Access, Export, MountOptions, NAME, PageCache, num_cores};

/// The device that FUSE speaks through.
const DEVICE: &str = "/dev/fuse";
/// The control file system of FUSE, where it is mounted.
const CONNECTIONS: &str = "/sys/fs/fuse/connections";
/// How far the kernel may read ahead of a reader in sequence, where we may tell it so: a chunk file
/// of the default size is then asked for at once, and computed on all cores.
const READ_AHEAD_BYTES: u32 = 4 << 20;
/// Most that is asked for in one request: what is computed for one stays in the cache of a core until
/// it is handed over, and a chunk file becomes several requests, for several threads.
const MAX_READ_BYTES: u32 = 512 << 10;
/// Most threads that fill the kernel's page cache.
const MOST_STORING: usize = 8;
/// How long taking a mount out of the tree of files may take: it is quick, or never ends.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(5);

/// What to do in a container, which has no right to mount unless it is given.
const IN_CONTAINERS: &str = "\n  hint: a container takes --device /dev/fuse --cap-add SYS_ADMIN (and \
    --security-opt apparmor=unconfined); without them run the shell in `unshare -Urm`, or use \
    `anncat materialize`, which needs no mount";

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
    /// Who has not the rights of root mounts through a helper, which is missing.
    #[error(
        "fusermount3 was not found, which mounting takes without the rights of root\n  hint: install the package fuse3, or use `anncat materialize`, which needs no mount"
    )]
    NoHelper,
    /// The system refused the mount.
    #[error("{mountpoint}: cannot mount: {}{}", source.to_string().trim_end(), refused_hint(source), mountpoint = mountpoint.display())]
    Refused {
        /// Where.
        mountpoint: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to unmount.
    #[error("{mountpoint}: nothing is mounted there{hint}", mountpoint = mountpoint.display(), hint = hint_mounts(above.as_deref(), ours))]
    NotMounted {
        /// Where.
        mountpoint: PathBuf,
        /// The mount of this program that the path lies in, if any.
        above: Option<PathBuf>,
        /// All mounts of this program.
        ours: Vec<PathBuf>,
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

impl Fault for MountError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoDevice { .. } | Self::NoHelper | Self::Refused { .. } => Kind::MountUnavailable,
            Self::NotMounted { .. } | Self::NotOurs { .. } | Self::Stuck { .. } => {
                Kind::NotUnmounted
            }
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::NoDevice { .. } | Self::NoHelper => None,
            Self::Refused { mountpoint, .. }
            | Self::NotMounted { mountpoint, .. }
            | Self::NotOurs { mountpoint, .. }
            | Self::Stuck { mountpoint, .. } => Some(mountpoint),
        }
    }
}

fn hint_mounts(above: Option<&Path>, ours: &[PathBuf]) -> String {
    const MOST_NAMED: usize = 5;
    match (above, ours) {
        (Some(above), _) => format!("\n  hint: the mountpoint is {}", above.display()),
        (None, []) => "\n  hint: there is no mount of anncat".to_owned(),
        (None, ours) => {
            let named = ours.iter().take(MOST_NAMED).map(|mount| mount.display().to_string());
            let named = named.collect::<Vec<_>>().join(", ");
            let more = ours.len().saturating_sub(MOST_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("\n  hint: mounts of anncat are {named}{more}")
        }
    }
}

/// What to do where mounting is forbidden.
fn refused_hint(error: &io::Error) -> &'static str {
    let said = error.to_string();
    if error.kind() == io::ErrorKind::PermissionDenied || said.contains("not permitted") {
        IN_CONTAINERS
    } else if said.contains("user_allow_other") {
        "\n  hint: --allow-other takes the line user_allow_other in /etc/fuse.conf"
    } else {
        ""
    }
}

fn device_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "ask for the right to read and write it",
        _ => {
            "this machine or container has no FUSE; a container takes --device /dev/fuse --cap-add \
             SYS_ADMIN"
        }
    }
}

/// A mount that is being served, until [`Mounted::wait`] returns. Dropping it unmounts, unless a
/// file of it is open.
pub struct Mounted {
    session: BackgroundSession,
    unmounter: Unmounter,
}

/// Unmounts from another thread.
#[derive(Debug, Clone)]
pub struct Unmounter {
    mountpoint: PathBuf,
    device: Device,
    /// After that, all this may name another mount.
    has_ended: Arc<AtomicBool>,
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
        MountOption::CUSTOM(format!("max_read={MAX_READ_BYTES}")),
    ];
    config.acl = match options.access {
        Access::Owner => SessionACL::Owner,
        Access::Everyone => SessionACL::All,
    };
    config.n_threads = Some(options.threads.max(1));
    let inodes = Arc::new(Inodes::new(exports));
    let stores = options.page_cache == PageCache::All;
    let (surroundings, waiting) = stores.then(|| Surroundings::new(&inodes)).unzip();
    let filesystem = FaceFs::new(inodes, options.modified, options.page_cache, surroundings);
    let session = Session::new(filesystem, &mountpoint, &config).map_err(|source| {
        if source.kind() == io::ErrorKind::NotFound && mountpoint.exists() {
            MountError::NoHelper
        } else {
            refused(source)
        }
    })?;
    let session = session.spawn().map_err(refused)?;
    if let Some(waiting) = waiting.map(Arc::new) {
        for n in 0..num_cores().min(MOST_STORING) {
            let (waiting, notifier) = (Arc::clone(&waiting), session.notifier());
            let started =
                std::thread::Builder::new().name("surroundings".to_owned()).spawn(move || {
                    waiting.store(|inode, at, bytes| store(&notifier, inode, at, bytes))
                });
            match started {
                Ok(_) => {}
                // One is enough to keep what was promised.
                Err(error) if n > 0 => {
                    log::warn!("only {n} threads fill the page cache: {error}");
                    break;
                }
                Err(error) => return Err(refused(error)),
            }
        }
    }
    let there = mounts::at(&mountpoint).map_err(refused)?;
    let device = there.ok_or_else(|| refused(io::Error::other("it is not in /proc")))?.device;
    tune_read_ahead(device);
    let unmounter = Unmounter { mountpoint, device, has_ended: Arc::default() };
    Ok(Mounted { session, unmounter })
}

/// Puts bytes of a file into the kernel's page cache.
fn store(notifier: &Notifier, inode: u64, at: u64, bytes: &[u8]) -> bool {
    let stored = notifier.store(INodeNo(inode), at, bytes);
    if let Err(error) = &stored {
        log::debug!("inode {inode}: cannot be stored: {error}");
    }
    stored.is_ok()
}

/// Fails where nothing could be mounted, before anything else is done. The helper opens the device
/// with the user's own rights, so it must be allowed to us in any case.
///
/// # Errors
/// FUSE is missing or forbidden here.
pub fn check_device() -> Result<(), MountError> {
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

/// Lets the kernel read ahead by whole chunks; only root may ask for more than 128 KiB.
fn tune_read_ahead((major, minor): Device) {
    if !is_root() {
        return;
    }
    let file = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    if let Err(error) = std::fs::write(&file, (READ_AHEAD_BYTES / 1024).to_string()) {
        log::debug!("{file}: {error}");
    }
}

/// Has the kernel end all requests of a mount, also those that nobody will answer any more; as far
/// as the control file system of FUSE is mounted.
fn cut_off(device: Device) {
    let file = abort_file(device);
    if let Err(error) = std::fs::write(&file, "1") {
        log::debug!("{}: {error}", file.display());
    }
}

fn abort_file((_, minor): Device) -> PathBuf {
    Path::new(CONNECTIONS).join(minor.to_string()).join("abort")
}

impl Mounted {
    /// Something that unmounts this mount from another thread.
    #[must_use]
    pub fn unmounter(&self) -> Unmounter {
        self.unmounter.clone()
    }

    /// Serves until the mount is gone and no file of it is open any more.
    ///
    /// # Errors
    /// The connection to the kernel broke.
    pub fn wait(self) -> io::Result<()> {
        // When it has served, as a rule the mount is gone already. fuser would unmount its path once
        // more when it is dropped (it takes a closed connection for an open one), and by then that may
        // be another's.
        let session = ManuallyDrop::new(self.session);
        // SAFETY: the session is neither dropped nor used after this, so the guard has one owner.
        let guard = unsafe { std::ptr::read(&raw const session.guard) };
        let served = guard
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a thread of the mount ended in a panic")));
        self.unmounter.has_ended.store(served.is_ok(), Ordering::Relaxed);
        if served.is_err() {
            let _ = self.unmounter.unmount();
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
        unmount_if(&self.mountpoint, |entry| entry.device == self.device && !self.has_ended())
    }

    /// Ends what is left of the mount after [`Self::unmount`]: who still reads gets errors.
    pub fn cut_off(&self) {
        if !self.has_ended() {
            cut_off(self.device);
        }
    }

    fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

/// Unmounts a mount of this program, also one that is in use or whose server has died. Open files
/// can be read until they are closed.
///
/// # Errors
/// Nothing or something else is mounted there, or the system refused.
pub fn unmount(mountpoint: &Path) -> Result<(), MountError> {
    unmount_if(mountpoint, |_| true)
}

fn unmount_if(mountpoint: &Path, is_meant: impl Fn(&MountEntry) -> bool) -> Result<(), MountError> {
    let shown = || mountpoint.to_owned();
    let stuck = |why: String| MountError::Stuck { mountpoint: shown(), why };
    let resolved = mounts::resolve(mountpoint).map_err(|error| stuck(error.to_string()))?;
    let there = mounts::at(&resolved).map_err(|error| stuck(error.to_string()))?;
    let Some(entry) = there.filter(is_meant) else {
        let above = mounts::ours_above(&resolved);
        return Err(MountError::NotMounted { mountpoint: shown(), above, ours: mounts::ours() });
    };
    if !entry.is_ours() {
        return Err(MountError::NotOurs { mountpoint: shown(), fs_type: entry.fs_type });
    }
    let (done, is_done) = mpsc::channel();
    let detaching = std::thread::Builder::new().spawn(move || done.send(detach(&resolved)));
    detaching.map_err(|error| stuck(error.to_string()))?;
    // This asks nothing of the server. It hangs only when one was killed in the wrong moment.
    let detached = is_done.recv_timeout(UNMOUNT_PATIENCE).or_else(|_| {
        cut_off(entry.device);
        is_done.recv_timeout(UNMOUNT_PATIENCE)
    });
    detached.unwrap_or_else(|_| Err(hung(entry.device))).map_err(stuck)
}

fn hung(device: Device) -> String {
    format!(
        "its server was killed while the kernel waited for it\n  hint: as root, mount -t fusectl \
         none {CONNECTIONS}; echo 1 > {}",
        abort_file(device).display()
    )
}

/// Takes a mount out of the tree of files.
fn detach(mountpoint: &Path) -> Result<(), String> {
    let path = CString::new(mountpoint.as_os_str().as_bytes())
        .map_err(|_| "the path holds a NUL character".to_owned())?;
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    let failed =
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW) } != 0;
    if !failed {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::EPERM) {
        return Err(error.to_string());
    }
    unmount_with_helper(mountpoint)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_kinds() {
        let source = io::Error::from_raw_os_error(libc::EPERM);
        let refused = MountError::Refused { mountpoint: "mnt".into(), source };
        assert_eq!(refused.kind(), Kind::MountUnavailable);
        // The helper's own words end in an empty line.
        let source = io::Error::other("fusermount3: mount failed: Operation not permitted\n");
        let said = MountError::Refused { mountpoint: "mnt".into(), source }.to_string();
        assert!(said.contains("not permitted\n  hint: a container takes"), "{said}");
        assert_eq!(refused.file(), Some(Path::new("mnt")));
        assert_eq!(MountError::NoHelper.kind(), Kind::MountUnavailable);
    }
}
