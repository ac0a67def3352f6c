//! A file as it was when it was opened. The library opens paths, and what stands at a path may have
//! been replaced since; whoever has the library open one compares what it opened with this.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::ReadError;
use crate::io::{Identity, Source};

/// A path, and which file it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// Bytes of the path.
    path: Vec<u8>,
    dev: u64,
    ino: u64,
    len_bytes: u64,
    mtime_ns: i64,
}

impl Pinned {
    /// The file of a source that is open.
    pub fn of(source: &dyn Source) -> Self {
        let Identity { dev, ino, len: len_bytes, mtime_ns, .. } = source.identity();
        let path = source.path().as_os_str().as_bytes().to_vec();
        Self { path, dev, ino, len_bytes, mtime_ns }
    }

    /// A file that is not there.
    #[cfg(test)]
    pub fn nowhere(path: &str) -> Self {
        Self { path: path.into(), dev: 0, ino: 0, len_bytes: 0, mtime_ns: 0 }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(self.path.clone()))
    }

    /// Compares it with the file behind a descriptor.
    pub fn is_behind(&self, descriptor: RawFd) -> bool {
        // SAFETY: the descriptor is only looked at, and stays open and its owner's.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
        let expected = Identity {
            path: PathBuf::new(),
            dev: self.dev,
            ino: self.ino,
            len: self.len_bytes,
            mtime_ns: self.mtime_ns,
            ctime_ns: 0,
            digest: 0,
            others: Vec::new(),
        };
        file.metadata().is_ok_and(|metadata| expected.matches(&metadata))
    }
}

/// Why the library gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Complaint {
    /// What it says, or what is said of it.
    Said(String),
    /// It was not asked, which is no fault of the file: why.
    Unavailable(String),
    /// Another file stands at the path.
    Replaced,
}

impl Complaint {
    /// The same, said of an element of a file.
    pub fn of(self, file: &Path, element: &str) -> ReadError {
        match self {
            Self::Said(what) => ReadError::corrupt(file, element, what),
            Self::Unavailable(why) => ReadError::io(file, element, io::Error::other(why)),
            Self::Replaced => ReadError::Changed { file: file.to_owned() },
        }
    }
}

impl From<String> for Complaint {
    fn from(what: String) -> Self {
        Self::Said(what)
    }
}

impl From<&str> for Complaint {
    fn from(what: &str) -> Self {
        Self::Said(what.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::direct;
    use super::super::isolated::wire::Spot;
    use super::*;
    use crate::base::DType;
    use crate::input::hdf5::datatype::Datatype;
    use crate::input::hdf5::metadata::library::plain_root;
    use crate::io::{Context, Limits};

    fn write(path: &std::path::Path, value: i32) {
        let file = ::hdf5::File::create(path).unwrap();
        file.new_dataset_builder().with_data(&[value; 4]).create("x").unwrap();
        file.close().unwrap();
    }

    #[test]
    fn what_stands_at_the_path_of_another_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.h5");
        write(&path, 1);
        let source = Context::new(Limits::default()).file(&path).unwrap();
        let pinned = Pinned::of(&*source);
        let datatype = Datatype::Fixed { dtype: DType::I32, swap_bytes: 1, plain: true };
        let spot = Spot { element: "/x".to_owned(), datatype, start: vec![0], len: vec![4] };
        let mut out = [0; 16];
        direct::elements(&pinned, &spot, &mut out).unwrap();
        assert_eq!(out, [1, 0, 0, 0].repeat(4).as_slice());
        plain_root(&pinned, 0).unwrap();
        // Nobody looks before the library opens: as between a look and the opening.
        let other = dir.path().join("b.h5");
        write(&other, 2);
        std::fs::rename(&other, &path).unwrap();
        let replaced = Err(Complaint::Replaced);
        assert_eq!(direct::elements(&pinned, &spot, &mut out), replaced);
        assert_eq!(direct::chunks(&pinned, "/x", 1).map(|_| ()), replaced);
        assert_eq!(plain_root(&pinned, 0).map(|_| ()), replaced);
        std::fs::write(&path, "no HDF5 file").unwrap();
        assert_eq!(direct::elements(&pinned, &spot, &mut out), replaced);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(direct::elements(&pinned, &spot, &mut out), replaced);
    }
}
