//! For tests: a clock that is turned by hand, a storage that counts what is read, and one that fails.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::local::Local;
use super::sync::lock;
use super::{Clock, Context, Directory, Found, Identity, Limits, Listing, Moment, Source, Storage};
use crate::base::ReadError;

/// A clock that stands still until it is turned.
#[derive(Debug, Default)]
pub(crate) struct TurnedClock(AtomicU64);

impl TurnedClock {
    pub(crate) fn turn(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl Clock for TurnedClock {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn now(&self) -> Moment {
        Moment::since_1970(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

/// What becomes of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk cannot read it.
    Fails,
    /// Nor any that comes after it.
    Breaks,
    /// The file ends within it.
    IsShort,
    /// The file has changed, and stays so.
    Changes,
    /// It takes longer than all others together, in which they may overtake it.
    IsSlow,
}

/// What was asked of all sources, and which read is to fail.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    reads: AtomicU64,
    bytes: AtomicU64,
    by_file: Mutex<BTreeMap<PathBuf, u64>>,
    fault: Mutex<Option<(u64, Fault)>>,
}

impl Meter {
    /// Reads so far: of files, of documents, and lists of directories.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }

    /// The inputs that were read, with the number of reads of each.
    pub(crate) fn by_file(&self) -> BTreeMap<PathBuf, u64> {
        lock(&self.by_file).clone()
    }

    /// Starts to count anew.
    pub(crate) fn reset(&self) {
        self.reads.store(0, Ordering::SeqCst);
        self.bytes.store(0, Ordering::SeqCst);
        lock(&self.by_file).clear();
    }

    /// Read number `at` (from 0 on) meets this fault.
    pub(crate) fn set_fault(&self, at: u64, fault: Fault) {
        *lock(&self.fault) = Some((at, fault));
    }

    /// A context whose sources are counted, and fail as they should.
    pub(crate) fn context(self: &Arc<Self>, limits: Limits) -> Arc<Context> {
        let storage = Metered { inner: Local, meter: Arc::clone(self) };
        Context::with(limits, Arc::new(storage), Arc::new(TurnedClock::default()))
    }

    /// No read fails any more.
    pub(crate) fn heal(&self) {
        *lock(&self.fault) = None;
    }

    /// Notes a read of a file, or fails it.
    fn read(&self, path: &Path, out: Option<&mut [u8]>) -> Result<(), ReadError> {
        let number = self.reads.fetch_add(1, Ordering::SeqCst);
        *lock(&self.by_file).entry(path.to_owned()).or_default() += 1;
        self.bytes.fetch_add(out.as_ref().map_or(0, |out| out.len() as u64), Ordering::SeqCst);
        match *lock(&self.fault) {
            Some((at, Fault::Changes)) if number >= at => {
                Err(ReadError::Changed { file: path.to_owned() })
            }
            Some((at, fault))
                if fault == Fault::Fails && number == at
                    || fault == Fault::Breaks && number >= at =>
            {
                Err(ReadError::io(path, "", std::io::Error::from_raw_os_error(libc::EIO)))
            }
            Some((at, Fault::IsSlow)) if number == at => {
                std::thread::sleep(Duration::from_millis(20));
                Ok(())
            }
            Some((at, Fault::IsShort)) if number == at => {
                if let Some(out) = out {
                    out.fill(0xa5);
                }
                let what = "the file ends too early";
                let error = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, what);
                Err(ReadError::io(path, "", error))
            }
            _ => Ok(()),
        }
    }

    fn verify(&self, path: &Path) -> Result<(), ReadError> {
        match *lock(&self.fault) {
            Some((at, Fault::Changes)) if self.reads() > at => {
                Err(ReadError::Changed { file: path.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// Counts what is read of another storage.
#[derive(Debug)]
struct Metered<S> {
    inner: S,
    meter: Arc<Meter>,
}

#[deny(clippy::missing_trait_methods, reason = "a default would pass by what is wrapped")]
impl Storage for Metered<Local> {
    fn file(&self, path: &Path, context: &Arc<Context>) -> std::io::Result<Arc<dyn Source>> {
        let inner = self.inner.file(path, context)?;
        Ok(Arc::new(Metered { inner, meter: Arc::clone(&self.meter) }))
    }

    fn directory(
        &self,
        path: &Path,
        context: &Arc<Context>,
    ) -> std::io::Result<Arc<dyn Directory>> {
        let inner = self.inner.directory(path, context)?;
        Ok(Arc::new(Metered { inner, meter: Arc::clone(&self.meter) }))
    }
}

macro_rules! metered_source {
    ($inner:ty) => {
        #[deny(clippy::missing_trait_methods, reason = "a default would pass by what is wrapped")]
        impl Source for Metered<$inner> {
            fn path(&self) -> &Path {
                self.inner.path()
            }

            fn len(&self) -> u64 {
                self.inner.len()
            }

            fn is_empty(&self) -> bool {
                self.inner.is_empty()
            }

            fn identity(&self) -> Identity {
                self.inner.identity()
            }

            fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
                self.meter.read(self.path(), Some(out))?;
                self.inner.read_exact_at(offset, out)
            }

            fn read_metadata_at(&self, offset: u64, out: &mut [u8]) -> Result<(), ReadError> {
                self.meter.read(self.path(), Some(out))?;
                self.inner.read_metadata_at(offset, out)
            }

            fn verify(&self) -> Result<(), ReadError> {
                self.meter.verify(self.path())?;
                self.inner.verify()
            }

            fn will_read(&self, ranges: &[Range<u64>]) {
                self.inner.will_read(ranges);
            }
        }
    };
}
metered_source!(Arc<dyn Source>);
metered_source!(Box<dyn Source + '_>);

#[deny(clippy::missing_trait_methods, reason = "a default would pass by what is wrapped")]
impl Directory for Metered<Arc<dyn Directory>> {
    fn path(&self) -> &Path {
        self.inner.path()
    }

    fn identify(&self) -> std::io::Result<Found> {
        self.inner.identify()
    }

    fn list(&self, key: &str) -> std::io::Result<Listing> {
        self.meter.read(self.path(), None).map_err(std::io::Error::other)?;
        self.inner.list(key)
    }

    fn read(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        self.meter.read(self.path(), None)?;
        self.inner.read(key)
    }

    fn open<'a>(&'a self, key: &str) -> Result<Option<Box<dyn Source + 'a>>, ReadError> {
        self.meter.verify(self.path())?;
        let Some(inner) = self.inner.open(key)? else { return Ok(None) };
        Ok(Some(Box::new(Metered { inner, meter: Arc::clone(&self.meter) })))
    }

    fn verify(&self, key: &str) -> Result<(), ReadError> {
        self.meter.verify(self.path())?;
        self.inner.verify(key)
    }
}
