//! Whether work spreads over threads.
//!
//! A read that is one of many under way does best on the thread that asked: what it decodes stays in
//! that core's cache, and nobody has to be woken. A read that is alone spreads over all cores.

use std::cell::Cell;

use rayon::prelude::*;

thread_local! {
    static SEQUENTIAL: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work`; whatever it reads is read on this very thread. For threads of which there are as
/// many as there should be.
pub fn sequentially<R>(work: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            SEQUENTIAL.set(self.0);
        }
    }
    let _restore = Restore(SEQUENTIAL.replace(true));
    work()
}

/// True within [`sequentially`].
#[must_use]
pub fn is_sequential() -> bool {
    SEQUENTIAL.get()
}

/// Does all jobs, on all cores unless within [`sequentially`].
///
/// # Errors
/// The failure of one of the jobs; others may not have been started.
pub fn try_each<Job: Send, E: Send>(
    jobs: Vec<Job>,
    work: impl Fn(Job) -> Result<(), E> + Send + Sync,
) -> Result<(), E> {
    if is_sequential() || jobs.len() < 2 {
        jobs.into_iter().try_for_each(work)
    } else {
        jobs.into_par_iter().try_for_each(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn every_job_is_done_once_and_the_mode_ends() {
        let sum = AtomicU64::new(0);
        let add = |job: u64| {
            sum.fetch_add(job, Ordering::Relaxed);
            Ok::<(), ()>(())
        };
        try_each((1..=100).collect(), add).unwrap();
        assert!(!is_sequential());
        let this = std::thread::current().id();
        sequentially(|| {
            try_each((1..=100).collect(), |job| {
                assert_eq!(std::thread::current().id(), this);
                add(job)
            })
            .unwrap();
            sequentially(|| ());
            assert!(is_sequential());
        });
        assert!(!is_sequential());
        assert_eq!(sum.into_inner(), 10_100);
        assert_eq!(try_each(vec![1, 2, 3], |job| if job == 2 { Err(2) } else { Ok(()) }), Err(2));
    }
}
