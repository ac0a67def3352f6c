//! Runs jobs on a fixed number of workers; the first failure or a cancellation stops all.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Cancel, MaterializeError};
use crate::base::parallel::sequentially;

/// Takes jobs in order and works on as many at once as there are workers. Each worker has one
/// `state` (its buffers) that it reuses from job to job.
pub fn run<Job, State>(
    jobs: impl Iterator<Item = Job> + Send,
    threads: NonZeroUsize,
    cancel: &Cancel,
    new_state: impl Fn() -> State + Sync,
    work: impl Fn(&mut State, Job) -> Result<(), MaterializeError> + Sync,
) -> Result<(), MaterializeError> {
    let jobs = Mutex::new(jobs);
    let failure = Mutex::new(None);
    let stop = AtomicBool::new(false);
    let fail = |error| {
        stop.store(true, Ordering::Relaxed);
        lock(&failure).get_or_insert(error);
    };
    // There are as many workers as there should be threads: none spreads its reads over more.
    let worker = || {
        sequentially(|| {
            let mut state = new_state();
            while !stop.load(Ordering::Relaxed) {
                if cancel.is_cancelled() {
                    return fail(MaterializeError::Cancelled);
                }
                let Some(job) = lock(&jobs).next() else { return };
                if let Err(error) = work(&mut state, job) {
                    return fail(error);
                }
            }
        })
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get() {
            if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, worker) {
                log::debug!("there are fewer workers: {error}");
                break;
            }
        }
        worker();
    });
    match failure.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(poisoned) => poisoned.into_inner().map_or(Ok(()), Err),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Takes one item of each iterator in turn until all are exhausted.
pub fn interleave<I: Iterator>(iterators: Vec<I>) -> impl Iterator<Item = I::Item> {
    let mut queue: std::collections::VecDeque<I> = iterators.into();
    std::iter::from_fn(move || {
        while let Some(mut front) = queue.pop_front() {
            if let Some(item) = front.next() {
                queue.push_back(front);
                return Some(item);
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    use crate::base::testing::without_threads;

    const THREADS: NonZeroUsize = NonZeroUsize::new(3).unwrap();

    #[test]
    fn every_job_runs_once() {
        let sum = AtomicU64::new(0);
        run(
            1..=1000_u64,
            THREADS,
            &Cancel::default(),
            || (),
            |(), job| {
                sum.fetch_add(job, Ordering::Relaxed);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(sum.into_inner(), 500_500);
    }

    #[test]
    fn every_job_runs_where_no_thread_can_be_started() {
        let name = "materialize::schedule::tests::every_job_runs_where_no_thread_can_be_started";
        without_threads(name, every_job_runs_once);
    }

    #[test]
    fn a_failure_stops_an_endless_queue() {
        let error = run(
            0_u64..,
            THREADS,
            &Cancel::default(),
            || (),
            |(), job| {
                if job == 100 { Err(MaterializeError::Cancelled) } else { Ok(()) }
            },
        );
        assert!(matches!(error, Err(MaterializeError::Cancelled)));
    }

    #[test]
    fn interleaves_in_turn() {
        let all: Vec<u32> = interleave(
            vec![vec![1, 4, 6], vec![2], vec![3, 5]].into_iter().map(Vec::into_iter).collect(),
        )
        .collect();
        assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    }
}
