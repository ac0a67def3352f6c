//! Files below a directory, reached without leaving it: links that stay within are followed, those that
//! lead out are not.

use std::ffi::CString;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How a file below a directory was found.
pub(super) enum Opened {
    /// Within.
    Within(File),
    /// The key leads to this other place.
    Outside(PathBuf),
}

/// Opens a file below `dir`, which is `root`'s without links. What is no regular file is opened too,
/// without waiting for its other end.
pub(super) fn open(dir: &File, root: &Path, key: &str) -> Result<Opened> {
    match open_beneath(dir, key) {
        Ok(file) => Ok(Opened::Within(file)),
        // Links with an absolute target are refused even when that lies within; `EAGAIN` is a race with
        // who moves directories; older kernels have no such call, and sandboxes may deny it.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EXDEV | libc::EAGAIN | libc::ENOSYS | libc::EPERM)
            ) =>
        {
            let place = root.join(key).canonicalize()?;
            if place.starts_with(root) {
                // No link is left in it; if there is one by now, this fails.
                let key = place.strip_prefix(root).unwrap_or(&place).to_owned();
                return open_plain(root, &key).map(Opened::Within);
            }
            Ok(Opened::Outside(place))
        }
        Err(error) => Err(error),
    }
}

fn open_beneath(dir: &File, key: &str) -> Result<File> {
    let key = if key.is_empty() { "." } else { key };
    let key = CString::new(key).map_err(|_| Error::from(ErrorKind::NotFound))?;
    // SAFETY: a struct of plain numbers, for which zero means nothing special.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY) as u64;
    how.resolve = libc::RESOLVE_BENEATH;
    loop {
        // SAFETY: plain system call with live arguments.
        let opened = unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir.as_raw_fd(),
                key.as_ptr(),
                &raw const how,
                size_of::<libc::open_how>(),
            )
        };
        if opened >= 0 {
            // SAFETY: the call returned a descriptor that nobody else has.
            return Ok(unsafe { File::from_raw_fd(opened as i32) });
        }
        let error = Error::last_os_error();
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Opens a path without links below `root`, name by name, so that none that is put there meanwhile is
/// followed.
fn open_plain(root: &Path, key: &Path) -> Result<File> {
    let mut at = crate::io::files::open(root)?;
    let mut names = key.components().peekable();
    while let Some(name) = names.next() {
        let kind = if names.peek().is_some() { libc::O_DIRECTORY } else { 0 };
        let flags = libc::O_RDONLY
            | libc::O_CLOEXEC
            | libc::O_NONBLOCK
            | libc::O_NOCTTY
            | libc::O_NOFOLLOW
            | kind;
        let name = CString::new(name.as_os_str().as_bytes())
            .map_err(|_| Error::from(ErrorKind::NotFound))?;
        // SAFETY: plain system call with live arguments; the result is a descriptor of our own.
        at = unsafe {
            let opened = libc::openat(at.as_raw_fd(), name.as_ptr(), flags);
            if opened < 0 {
                return Err(Error::last_os_error());
            }
            File::from_raw_fd(opened)
        };
    }
    Ok(at)
}
