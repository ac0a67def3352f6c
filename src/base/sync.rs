//! What threads wait for, by one name. The modules that use it are compiled a second time by the crate
//! `interleavings`, where this name means primitives that try every order of the threads.

pub use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, atomic, mpsc};
