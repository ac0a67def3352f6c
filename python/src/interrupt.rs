//! Long work that tells how far it is, and ends on Ctrl-C.
//!
//! The work runs on a thread of its own; the thread that called looks for signals and tells the
//! progress, since only it may do either.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anncat::base::Progress;
use anncat::base::said::panic_message;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::engine::Call;
use crate::error::{Failure, IntoPy};

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// What the two threads tell one another.
#[derive(Debug, Default)]
pub struct Watched {
    /// Set when the work should stop.
    pub cancel: Arc<AtomicBool>,
    what: Mutex<Option<(String, u64)>>,
    done_bytes: AtomicU64,
}

impl Progress for Watched {
    fn begin(&self, what: &str, total_bytes: u64) {
        self.done_bytes.store(0, Ordering::Relaxed);
        *self.what.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((what.to_owned(), total_bytes));
    }

    fn advance(&self, bytes: u64) {
        self.done_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    fn end(&self) {
        let mut what = self.what.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, total_bytes)) = &*what {
            self.done_bytes.store(*total_bytes, Ordering::Relaxed);
        }
        *what = None;
    }
}

impl Watched {
    /// Calls `tell(what, done_bytes, total_bytes)` when there is something to tell.
    fn tell(&self, py: Python<'_>, tell: Option<&Py<PyAny>>) -> PyResult<()> {
        let Some(tell) = tell else { return Ok(()) };
        let what = self.what.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((what, total_bytes)) = what else { return Ok(()) };
        tell.call1(py, (what, self.done_bytes.load(Ordering::Relaxed), total_bytes))?;
        Ok(())
    }
}

/// What becomes of work that nobody wants any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unwanted {
    /// It is asked to stop, and waited for.
    Awaited,
    /// It goes on by itself, and what comes of it is dropped.
    Left,
}

/// Runs `work`, looking for signals meanwhile. When one raises, `work` is asked to stop, and this
/// waits until it did: nothing is left behind.
///
/// # Errors
/// What a signal handler or `tell` raised, or what the work failed with.
pub fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    tell: Option<&Py<PyAny>>,
    work: impl FnOnce(&Watched) -> Result<T, Failure> + Send + 'static,
) -> PyResult<T> {
    run(py, tell, Unwanted::Awaited, work)
}

/// Runs `work` that only reads and does not hear that it should stop. When a signal raises, this
/// does not wait for it.
///
/// # Errors
/// What a signal handler raised, or what the work failed with.
pub fn leavable<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> PyResult<T> {
    run(py, None, Unwanted::Left, |_| work())
}

fn run<T: Send + 'static>(
    py: Python<'_>,
    tell: Option<&Py<PyAny>>,
    unwanted: Unwanted,
    work: impl FnOnce(&Watched) -> Result<T, Failure> + Send + 'static,
) -> PyResult<T> {
    let watched = Arc::new(Watched::default());
    let (sender, receiver) = sync_channel(1);
    // Only this thread takes from it; the lock says so.
    let receiver = Mutex::new(receiver);
    let worker = {
        let watched = watched.clone();
        let call = Call::begin();
        std::thread::Builder::new().name("anncat".to_owned()).spawn(move || {
            let result = work(&watched);
            drop(call);
            // Nobody listens any more when the caller raised.
            let _ = sender.send(result);
        })?
    };
    let mut raised = None;
    let result = loop {
        match py.detach(|| {
            receiver.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(BETWEEN_LOOKS)
        }) {
            Ok(result) => break Some(result),
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) if raised.is_some() => {}
            Err(RecvTimeoutError::Timeout) => {
                let looked = py.check_signals().and_then(|()| watched.tell(py, tell));
                if let Err(error) = looked {
                    watched.cancel.store(true, Ordering::Relaxed);
                    if unwanted == Unwanted::Left {
                        return Err(error);
                    }
                    raised = Some(error);
                }
            }
        }
    };
    let joined = py.detach(|| worker.join());
    match (raised, result) {
        (Some(error), _) => Err(error),
        (None, Some(result)) => result.map_err(|error| error.into_py(py)),
        (None, None) => Err(PyRuntimeError::new_err(match joined {
            Ok(()) => "the work ended without a result".to_owned(),
            Err(panic) => {
                let said = panic_message(&*panic).unwrap_or("it did not say which");
                format!("a defect of anncat: {said}")
            }
        })),
    }
}
