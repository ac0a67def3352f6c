//! libhdf5 in another process. What a damaged or hostile file does to the library (it crashes, loops,
//! takes memory without end) ends there as an error of that file.
//!
//! The program names the process with [`use_helper`]. Where none is named, as in a program that only
//! links this crate, the library runs in this process. Ordinary files never get here: their metadata
//! and elements are read by our own code.
//!
//! Order of its files: `wire`, `pool`.

mod pool;
pub mod wire;

use std::sync::OnceLock;

pub use pool::Helper;
use pool::{Patience, Pool};

static POOL: OnceLock<Pool> = OnceLock::new();

/// Has libhdf5 read inputs in processes of this helper from now on. The first call counts; it gives
/// true.
pub fn use_helper(helper: Helper) -> bool {
    POOL.set(Pool::new(helper, Patience::default())).is_ok()
}

/// The processes; `None` where the library runs in this one.
pub fn pool() -> Option<&'static Pool> {
    POOL.get()
}
