//! Messages of the layers below, and the file that takes those of a process in the background.
//!
//! The file never grows beyond two times [`LARGEST_BYTES`]: what is full is renamed to `FILE.1`, in
//! place of the one before.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Talk;
use super::plain::plain;

/// Most bytes of a log file.
const LARGEST_BYTES: u64 = 16 << 20;

/// Where stderr goes, once that is a log file.
static FILE: OnceLock<PathBuf> = OnceLock::new();

/// What the layers below have to say: like all talk on a terminal, with the time elsewhere.
pub fn start(talk: Talk) {
    let env = env_logger::Env::new().filter_or("ANNCAT_LOG", talk.log_filter());
    env_logger::Builder::from_env(env)
        // When a mount began and ended is told in its log, whatever else is asked for.
        .filter_module("anncat::cli::mount", log::LevelFilter::Info)
        .format(|out, record| {
            let level = match record.level() {
                log::Level::Warn => "warning",
                log::Level::Error => "error",
                log::Level::Info => "info",
                log::Level::Debug => "debug",
                log::Level::Trace => "trace",
            };
            if !io::stderr().is_terminal() {
                write!(out, "{} ", out.timestamp())?;
            }
            writeln!(out, "{level}: {}", plain(&record.args().to_string()))
        })
        .target(env_logger::Target::Pipe(Box::new(Stderr)))
        .init();
}

/// Has stdout and stderr written to the end of a file from now on, which is kept small.
///
/// # Errors
/// The file cannot be opened.
pub fn write_to(path: &Path) -> io::Result<()> {
    take_over(path)?;
    let _ = FILE.set(path.to_owned());
    Ok(())
}

/// Makes stdout and stderr the end of a file.
fn take_over(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    // As long as the streams are open, nobody takes it for a log that has ended. Not all places know locks.
    let _ = file.lock_shared();
    for stream in [libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: both descriptors are open; the one replaced is closed in the same moment.
        if unsafe { libc::dup2(file.as_raw_fd(), stream) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// stderr; looks at the size of the log after each message.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(bytes)?;
        if let Some(path) = FILE.get() {
            // A log that cannot be renamed grows on: messages are worth more than its size.
            let _ = shorten(path, LARGEST_BYTES);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Begins the log anew when it is full. What is no regular file never is.
fn shorten(path: &Path, largest_bytes: u64) -> io::Result<()> {
    // SAFETY: stderr is open, and is not closed here: the file is never dropped.
    let stderr = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDERR_FILENO) });
    if !is_full(&stderr, largest_bytes)? {
        return Ok(());
    }
    std::fs::rename(path, former(path))?;
    take_over(path)
}

fn is_full(file: &File, largest_bytes: u64) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file() && metadata.len() > largest_bytes)
}

/// `FILE.1`
fn former(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".1");
    PathBuf::from(name)
}
