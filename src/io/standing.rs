//! What stands where something beside the result is to be written, so that nothing else is lost.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The first bytes of what stands there, at most `most`; none where nothing can be lost: nothing is
/// there, or a pipe or device, which is not opened for it.
///
/// # Errors
/// It is a directory or cannot be read.
pub fn start_of(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        metadata => metadata?,
    };
    let mut start = Vec::new();
    if metadata.is_file() {
        File::open(path)?.take(most as u64).read_to_end(&mut start)?;
    } else if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_lost_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        assert_eq!(start_of(&file, 4).unwrap(), b"");
        std::fs::write(&file, "something").unwrap();
        assert_eq!(start_of(&file, 4).unwrap(), b"some");
        assert_eq!(start_of(Path::new("/dev/zero"), 4).unwrap(), b"");
        assert!(start_of(dir.path(), 4).is_err());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        let name = std::ffi::CString::new(pipe.to_str().unwrap()).unwrap();
        // SAFETY: the name ends in NUL and lives through the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        assert_eq!(start_of(&pipe, 4).unwrap(), b"");
    }
}
