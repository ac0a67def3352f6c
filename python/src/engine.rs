//! What is open: a planned recipe and its compiled tree; and the threads that read.
//!
//! A process that was forked has its parent's memory but none of its threads: a pool that waits for
//! them waits for ever, and a lock that one of them held stays locked. So threads and open inputs
//! belong to one process: a child makes a pool of its own and opens the inputs anew, and `drain` (run
//! before each fork) waits until no call is under way.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anncat::base::parallel::sequentially;
use anncat::base::{Progress, ReadError};
use anncat::concat::Notice;
use anncat::matrix::RowReader;
use anncat::recipe::{Limits, Merged, Planned, Recipe, RecipeError};
use pyo3::prelude::*;
use rayon::ThreadPool;

use crate::error::{Failure, IntoPy};

/// A recipe that is open in one process.
pub struct Engine {
    pid: u32,
    pub planned: Planned,
    merged: OnceLock<Arc<Merged>>,
    /// Held while the tree is compiled, so that it is done once.
    compiling: Mutex<()>,
    /// What is told of names that are not unique, once it is known.
    names: OnceLock<Vec<Notice>>,
    rows: Mutex<Vec<(String, Arc<RowReader>)>>,
}

impl Engine {
    /// Opens the inputs and plans, in the pool of this process.
    pub fn open(pool: &ThreadPool, recipe: &Recipe, limits: Limits) -> Result<Self, Failure> {
        let planned = pool.install(|| Planned::open(recipe, limits))?;
        let engine = Self {
            pid: std::process::id(),
            planned,
            merged: OnceLock::new(),
            compiling: Mutex::default(),
            names: OnceLock::new(),
            rows: Mutex::default(),
        };
        if engine.planned.name_check().is_quick() {
            pool.install(|| engine.check_names())?;
        }
        Ok(engine)
    }

    /// Finds out whether names are unique, once; reads all names.
    pub fn check_names(&self) -> Result<(), ReadError> {
        if self.names.get().is_none() {
            let found = self.planned.name_check().run()?;
            self.names.get_or_init(|| found);
        }
        Ok(())
    }

    /// What is to be told, as far as it is known: by the headers, by censuses, by the names.
    pub fn notices(&self) -> Vec<Notice> {
        let known = match self.merged.get() {
            Some(merged) => &merged.notices[..],
            None => self.planned.notices(),
        };
        known.iter().chain(self.names.get().into_iter().flatten()).cloned().collect()
    }

    /// The tree, if it is compiled.
    pub fn compiled(&self) -> Option<Arc<Merged>> {
        self.merged.get().cloned()
    }

    /// The tree, compiled on first use by this pool. Not to be called by a thread of it: one that
    /// waits for its share of the work takes up what else there is, and that may be this again.
    pub fn merged(
        &self,
        pool: &ThreadPool,
        progress: &dyn Progress,
    ) -> Result<Arc<Merged>, RecipeError> {
        let _guard = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(merged) = self.merged.get() {
            return Ok(merged.clone());
        }
        let merged = Arc::new(pool.install(|| self.planned.compile(progress))?);
        Ok(self.merged.get_or_init(|| merged).clone())
    }

    /// A reader of the rows of an element, kept for the next batch.
    pub fn rows(&self, merged: &Merged, element: &str) -> Result<Arc<RowReader>, Failure> {
        let mut readers = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, reader)) = readers.iter().find(|(of, _)| of == element) {
            return Ok(reader.clone());
        }
        let reader = Arc::new(RowReader::new(&merged.root, element)?);
        readers.push((element.to_owned(), reader.clone()));
        Ok(reader)
    }
}

/// The engine of an object, whichever process it is in.
pub struct Handle {
    engine: Mutex<ManuallyDrop<Arc<Engine>>>,
    pub recipe: Recipe,
    pub limits: Limits,
}

impl Handle {
    pub fn new(engine: Engine, recipe: Recipe, limits: Limits) -> Self {
        Self { engine: Mutex::new(ManuallyDrop::new(Arc::new(engine))), recipe, limits }
    }

    /// The engine; opened anew in a process that was forked since, which fails if an input changed.
    pub fn engine(&self, py: Python<'_>) -> PyResult<Arc<Engine>> {
        // Locked only while the GIL is held, and so never while a process forks.
        let opened = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.pid == std::process::id() {
            return Ok(Arc::clone(&opened));
        }
        let was = opened.planned.identities().to_vec();
        drop(opened);
        let pool = pool(py)?;
        let engine = py
            .detach(|| -> Result<Engine, Failure> {
                let _call = Call::begin();
                let engine = Engine::open(&pool, &self.recipe, self.limits)?;
                let is = engine.planned.identities();
                match is.iter().zip(&was).find(|(is, was)| is != was) {
                    Some((is, _)) => Err(ReadError::Changed { file: is.path.clone() }.into()),
                    None => Ok(engine),
                }
            })
            .map_err(|error| error.into_py(py))?;
        let mut opened = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first.
        if opened.pid != std::process::id() {
            // The parent's is not dropped: whoever waits for its threads waits for ever.
            *opened = ManuallyDrop::new(Arc::new(engine));
        }
        Ok(Arc::clone(&opened))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let engine = self.engine.get_mut().unwrap_or_else(PoisonError::into_inner);
        if engine.pid == std::process::id() {
            // SAFETY: nothing uses the engine of a handle after this.
            unsafe { ManuallyDrop::drop(engine) };
        }
    }
}

static POOL: Mutex<Option<(u32, ManuallyDrop<Arc<ThreadPool>>)>> = Mutex::new(None);

/// The threads of this process, a thread a core.
pub fn pool(_gil: Python<'_>) -> PyResult<Arc<ThreadPool>> {
    // Locked only while the GIL is held, and so never while a process forks.
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let pid = std::process::id();
    if let Some((of, pool)) = &*pool
        && *of == pid
    {
        return Ok(Arc::clone(pool));
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let made = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|n| format!("anncat-{n}"))
        .build()
        .map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))?;
    let made = Arc::new(made);
    *pool = Some((pid, ManuallyDrop::new(Arc::clone(&made))));
    Ok(made)
}

static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// A call into the engine, as long as it lasts.
pub struct Call;

impl Call {
    pub fn begin() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Calls `work`, which reads: by all cores when nobody else reads, or else by this very thread, so
/// that what is small does not wait for what is large.
pub fn reading<T: Send>(pool: &ThreadPool, work: impl FnOnce() -> T + Send) -> T {
    let _call = Call::begin();
    if num_calls() > 1 { sequentially(work) } else { pool.install(work) }
}

/// Calls that are under way.
fn num_calls() -> usize {
    UNDER_WAY.load(Ordering::Relaxed)
}

/// Waits until no call is under way, for a while: a fork in the middle of one could leave a lock of
/// the HDF5 library locked in the child.
#[pyfunction]
pub fn drain() {
    let started = Instant::now();
    while num_calls() > 0 && started.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(Duration::from_millis(1));
    }
}
