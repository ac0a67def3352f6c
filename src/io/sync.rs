//! Locks that outlive a panic.

use std::sync::PoisonError;

use crate::base::sync::{Mutex, MutexGuard};

/// Locks, also when a thread panicked while it held the lock: every critical section here leaves its
/// data consistent at each step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
