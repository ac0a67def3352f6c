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
use serde::de::DeserializeOwned;
use wire::Question;

use super::pinned::Complaint;
use crate::io::Context;

/// Address space that a process has at least: the program and its libraries take 100 MiB of it, a tree
/// of ten thousand elements 20 MiB.
const LEAST_MEMORY_BYTES: u64 = 288 << 20;
/// Address space that a process has at most: what needs more is damaged.
const MOST_MEMORY_BYTES: u64 = 1 << 30;

static POOL: OnceLock<Pool> = OnceLock::new();

/// Has libhdf5 read inputs in processes of this helper from now on. The first call counts; it gives
/// true.
pub fn use_helper(helper: Helper) -> bool {
    POOL.set(Pool::new(helper, Patience::default())).is_ok()
}

/// The processes, as one context may use them.
#[derive(Debug, Clone, Copy)]
pub struct Processes {
    pool: &'static Pool,
    memory_bytes: u64,
}

impl Processes {
    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the library says, or how it died; [`Complaint::Unavailable`] when there is no process.
    pub fn ask<A: DeserializeOwned>(&self, question: &Question) -> Result<A, Complaint> {
        self.pool.ask(question, self.memory_bytes)
    }
}

/// The processes; `None` where the library runs in this one. One may take four times the budget, within
/// bounds, and what it is asked for.
pub fn processes(context: &Context) -> Option<Processes> {
    let memory_bytes =
        context.budget_bytes().saturating_mul(4).clamp(LEAST_MEMORY_BYTES, MOST_MEMORY_BYTES);
    POOL.get().map(|pool| Processes { pool, memory_bytes })
}
