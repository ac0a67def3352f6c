//! A storage of sources in memory, so that a target touches no file system.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anncat::base::ReadError;
use anncat::io::{
    Clock, Context, Directory, External, Found, Identity, Limits, Listing, Moment, Source, Storage,
};

/// The path of what a target is given.
#[must_use]
pub fn path() -> &'static Path {
    Path::new("/fuzzed")
}

/// A context in which [`path`] is a file of these bytes.
#[must_use]
pub fn with_file(bytes: &[u8]) -> Arc<Context> {
    context(Files { whole: bytes.into(), ..Files::default() })
}

/// A context in which [`path`] is a directory of these files, and of others that all have the bytes
/// `rest`.
#[must_use]
pub fn with_directory(files: &[(&str, &[u8])], rest: &[u8]) -> Arc<Context> {
    let by_key = files.iter().map(|(key, bytes)| ((*key).to_owned(), Arc::from(*bytes))).collect();
    context(Files { by_key, whole: rest.into() })
}

fn context(files: Files) -> Arc<Context> {
    let limits = Limits { cache_bytes: 1 << 20, max_open_files: 4, external: External::Refuse };
    Context::with(limits, Arc::new(files), Arc::new(Still))
}

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn now(&self) -> Moment {
        Moment::default()
    }
}

#[derive(Debug, Clone, Default)]
struct Files {
    by_key: BTreeMap<String, Arc<[u8]>>,
    whole: Arc<[u8]>,
}

impl Storage for Files {
    fn file(&self, _: &Path, _: &Arc<Context>) -> std::io::Result<Arc<dyn Source>> {
        Ok(Arc::new(Bytes(Arc::clone(&self.whole))))
    }

    fn directory(&self, _: &Path, _: &Arc<Context>) -> std::io::Result<Arc<dyn Directory>> {
        Ok(Arc::new(self.clone()))
    }
}

impl Files {
    /// A metadata document is there or not; of chunks there are all.
    fn get(&self, key: &str) -> Option<&Arc<[u8]>> {
        let name = key.rsplit('/').next().unwrap_or(key);
        let is_document = name.starts_with(".z") || name == "zarr.json";
        self.by_key.get(key).or_else(|| (!is_document).then_some(&self.whole))
    }
}

impl Directory for Files {
    fn path(&self) -> &Path {
        path()
    }

    fn identify(&self) -> std::io::Result<Found> {
        Ok(Found { identity: identity(0), outside: Vec::new(), is_from_future: false })
    }

    fn list(&self, key: &str) -> std::io::Result<Listing> {
        let within = |other: &str| {
            let rest =
                if key.is_empty() { other } else { other.strip_prefix(key)?.strip_prefix('/')? };
            Some(rest.split_once('/')?.0.to_owned())
        };
        let mut directories: Vec<String> =
            self.by_key.keys().filter_map(|key| within(key)).collect();
        directories.dedup();
        Ok(Listing { id: (0, key.len() as u64), directories })
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.get(key).map(|bytes| bytes.to_vec()))
    }

    fn open<'a>(&'a self, key: &str) -> Result<Option<Box<dyn Source + 'a>>, ReadError> {
        Ok(self.get(key).map(|bytes| Box::new(Bytes(Arc::clone(bytes))) as Box<dyn Source>))
    }

    fn verify(&self, _: &str) -> Result<(), ReadError> {
        Ok(())
    }
}

#[derive(Debug)]
struct Bytes(Arc<[u8]>);

impl Source for Bytes {
    fn path(&self) -> &Path {
        path()
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn identity(&self) -> Identity {
        identity(self.len())
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let found =
            usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)?.get(..out.len()));
        let found = found.ok_or_else(|| ReadError::corrupt(path(), "", "it ends before"))?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn read_metadata_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
        self.read_exact_at(offset, out)
    }

    fn verify(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn will_read(&self, _: &[Range<u64>]) {}
}

fn identity(len: u64) -> Identity {
    Identity {
        path: PathBuf::from(path()),
        dev: 0,
        ino: 0,
        len,
        mtime_ns: 0,
        ctime_ns: 0,
        digest: 0,
        others: Vec::new(),
    }
}
