//! Time that decides something: how long a path is trusted, what counts as written later. It comes from
//! a clock that tests can turn.

use std::fmt::Debug;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment in nanoseconds since 1970, such as that at which a store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i128);

impl Moment {
    /// The last time at which the file or its inode changed.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        let nanos =
            |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        let content = nanos(metadata.mtime(), metadata.mtime_nsec());
        Self(content.max(nanos(metadata.ctime(), metadata.ctime_nsec())))
    }

    /// Nanoseconds since 1970. They wrap in the year 2262.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0 as i64
    }

    /// This time after 1970.
    #[must_use]
    pub fn since_1970(since: Duration) -> Self {
        Self(i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
    }
}

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// Time since some moment that stays the same; it never goes back.
    fn elapsed(&self) -> Duration;

    /// The time as file systems stamp it.
    fn now(&self) -> Moment;
}

/// The system's clocks.
#[derive(Debug)]
pub(super) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    pub(super) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn now(&self) -> Moment {
        Moment::since_1970(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}
