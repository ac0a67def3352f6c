//! Errors as the numbers that readers of the mount see, and as lines in the log.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fuser::Errno;

use crate::base::ReadError;
use crate::base::said::{errno, panic_message};

/// What the system may say of an input that a reader of the mount is told as it is. All else is
/// EIO: above all, a file that is missing somewhere is no reason to call the file that is read
/// missing, which readers of zarr take for a chunk of fill values.
const TOLD_AS_IT_IS: [i32; 7] = [
    libc::EACCES,
    libc::EPERM,
    libc::ENOSPC,
    libc::EDQUOT,
    libc::EMFILE,
    libc::ENFILE,
    libc::ESTALE,
];

/// The errno of a failed read.
fn of_read_error(error: &ReadError) -> Errno {
    match error {
        ReadError::Io { source, .. } if source.kind() == ErrorKind::OutOfMemory => Errno::ENOMEM,
        ReadError::Io { source, .. } => errno(source)
            .filter(|errno| TOLD_AS_IT_IS.contains(errno))
            .map_or(Errno::EIO, Errno::from_i32),
        ReadError::Changed { .. } => Errno::ESTALE,
        ReadError::Corrupt { .. } => Errno::EIO,
        ReadError::Unsupported { .. } => Errno::EOPNOTSUPP,
        ReadError::Cancelled => Errno::EINTR,
    }
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Refusal {
    /// No such file; expected, and not logged.
    Absent,
    /// The request does not fit the entry.
    Wrong(Errno),
    /// Reading failed.
    Read(ReadError),
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Runs one request. A failed read or a panic becomes an errno and a line in the log: the session
/// must go on, or the mount is dead for everyone.
pub fn guard<T>(
    request: &str,
    inode: u64,
    answer: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Errno> {
    match catch_unwind(AssertUnwindSafe(answer)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(Refusal::Absent)) => Err(Errno::ENOENT),
        Ok(Err(Refusal::Wrong(errno))) => Err(errno),
        Ok(Err(Refusal::Read(error))) => {
            log::error!("{error}");
            Err(of_read_error(&error))
        }
        Err(payload) => {
            let what = panic_message(&*payload).unwrap_or_default();
            log::error!("{request} of inode {inode}: a defect of anncat, please report: {what}");
            Err(Errno::EIO)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::said::with_words;

    #[test]
    fn errors_and_panics_become_errno() {
        let refuse = |refusal: Refusal| guard::<()>("read", 1, || Err(refusal)).unwrap_err();
        let changed = ReadError::Changed { file: "a.h5ad".into() };
        assert_eq!(refuse(changed.into()).code(), libc::ESTALE);
        assert_eq!(refuse(ReadError::corrupt("a", "X", "short").into()).code(), libc::EIO);
        let io = |errno| {
            let source = std::io::Error::from_raw_os_error(errno);
            refuse(ReadError::io("a", "X", source).into()).code()
        };
        assert_eq!(io(libc::EACCES), libc::EACCES);
        let full = std::io::Error::from_raw_os_error(libc::ENOSPC);
        let full = with_words("a temporary file", full);
        assert_eq!(refuse(ReadError::io("/tmp", "X", full).into()).code(), libc::ENOSPC);
        for missing in [libc::ENOENT, libc::ENOTDIR, libc::EISDIR] {
            assert_eq!(io(missing), libc::EIO, "to readers of zarr, {missing} is a fill value");
        }
        assert_eq!(refuse(Refusal::Absent).code(), libc::ENOENT);
        let panicked = guard::<()>("read", 1, || panic!("oh"));
        assert_eq!(panicked.unwrap_err().code(), libc::EIO);
    }
}
