//! Going to the background, with a handshake: the command returns once the mount can be read.
//!
//! The process forks before anything else has started a thread or opened a file. The child does all
//! the work and prints its own errors; the parent only waits to learn how it went.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

/// What the child sends when the mount can be read.
const READY: u8 = b'R';

/// Which process this is after the fork.
pub enum Side {
    /// The one that the user started.
    Parent(Waiter),
    /// The one that stays.
    Child(Handshake),
}

/// The parent's end.
pub struct Waiter {
    pipe: File,
    child: libc::pid_t,
}

/// The child's end.
pub struct Handshake {
    pipe: File,
}

/// How the child got on.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The mount can be read.
    Ready,
    /// It printed an error and ended with this exit code.
    Failed(u8),
    /// It was ended by this signal.
    Killed(i32),
}

/// Forks. To be called before there is any other thread.
///
/// # Errors
/// The system cannot make a pipe or a process.
pub fn fork() -> io::Result<Side> {
    let (read, write) = pipe()?;
    // SAFETY: no other thread exists yet, so the child inherits no lock in an odd state.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(read);
            // SAFETY: sets a flag of this process: should the user interrupt the waiting parent, the
            // work ends with it.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) };
            Ok(Side::Child(Handshake { pipe: File::from(write) }))
        }
        child => {
            drop(write);
            Ok(Side::Parent(Waiter { pipe: File::from(read), child }))
        }
    }
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors that the call writes.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both descriptors were just made and belong to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

impl Waiter {
    /// Waits until the mount can be read or the child has ended.
    ///
    /// # Errors
    /// The system cannot tell.
    pub fn wait(mut self) -> io::Result<Outcome> {
        let mut byte = [0];
        if self.pipe.read(&mut byte)? == 1 && byte[0] == READY {
            return Ok(Outcome::Ready);
        }
        let mut status = 0;
        loop {
            // SAFETY: `status` is a place for the number that the call writes.
            if unsafe { libc::waitpid(self.child, &raw mut status, 0) } == self.child {
                break;
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        Ok(if libc::WIFSIGNALED(status) {
            Outcome::Killed(libc::WTERMSIG(status))
        } else {
            Outcome::Failed(libc::WEXITSTATUS(status) as u8)
        })
    }
}

impl Handshake {
    /// Leaves the terminal, and lets the parent return. From now on, messages go to `log` or
    /// nowhere.
    ///
    /// # Errors
    /// The log cannot be written, or the parent is gone: then nobody waits for this mount.
    pub fn announce(mut self, log: Option<&Path>) -> io::Result<()> {
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        // SAFETY: these calls only change flags and descriptors of this process; the descriptors
        // duplicated are open.
        unsafe {
            libc::setsid();
            libc::prctl(libc::PR_SET_PDEATHSIG, 0);
            libc::dup2(null.as_raw_fd(), libc::STDIN_FILENO);
            if log.is_none() {
                libc::dup2(null.as_raw_fd(), libc::STDOUT_FILENO);
                libc::dup2(null.as_raw_fd(), libc::STDERR_FILENO);
            }
        }
        if let Some(log) = log {
            super::log::write_to(log)?;
        }
        // The working directory stays: inputs may be named from it, and are opened again.
        self.pipe.write_all(&[READY])
    }
}
