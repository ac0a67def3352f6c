//! The floor of the modules.

#[path = "../../../src/base/error.rs"]
mod error;
#[path = "../../../src/base/fault.rs"]
mod fault;

pub use error::ReadError;
pub use fault::{Fault, Kind};

/// What they wait for: shuttle's.
pub mod sync {
    pub use shuttle::sync::{Condvar, Mutex, MutexGuard, atomic, mpsc};

    /// As std's, which shuttle has not: one thread makes the value, the others wait for it.
    #[derive(Debug)]
    pub struct OnceLock<T> {
        once: shuttle::sync::Once,
        value: std::sync::OnceLock<T>,
    }

    impl<T> Default for OnceLock<T> {
        fn default() -> Self {
            Self { once: shuttle::sync::Once::new(), value: std::sync::OnceLock::new() }
        }
    }

    impl<T> OnceLock<T> {
        /// The value, when it is there.
        pub fn get(&self) -> Option<&T> {
            self.once.is_completed().then(|| self.value.get()).flatten()
        }

        /// The value, made by `make` if no other thread has.
        pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            self.once.call_once(|| drop(self.value.set(make())));
            self.value.get().expect("it was made, or panicked")
        }
    }
}
