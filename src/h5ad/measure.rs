//! Reads the lengths of all text, or else all text, to know how long it is in the file.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::error::LayoutError;
use super::heap::{Measured, PORTION_STRINGS, each_part, heap_bytes, strings_of};
use crate::array::{SharedText, TextBuf, beyond_memory};
use crate::base::memory;
use crate::base::parallel::sequentially;
use crate::tree::ElementError;

/// How much may be in flight while text is measured.
#[derive(Clone, Copy)]
pub struct Bounds<'a> {
    /// Threads that read.
    pub threads: NonZeroUsize,
    /// Most strings that one of them reads at once.
    pub max_strings: u64,
    /// Asked now and then whether to stop.
    pub is_cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// Measures text arrays. Threads are its own: those that other reads share are left to them.
pub(super) fn measure(
    texts: &[(String, SharedText)],
    bounds: &Bounds<'_>,
) -> Result<Vec<Measured>, LayoutError> {
    let num_portions = |text: &SharedText| text.num_elements().div_ceil(PORTION_STRINGS) as usize;
    let mut first_jobs = Vec::with_capacity(texts.len());
    let mut num_jobs = 0;
    for (element, text) in texts {
        first_jobs.push(num_jobs);
        num_jobs += num_portions(text);
        // How many strings there are is what a file claims.
        if num_jobs as u64 > memory::most_bytes() / size_of::<AtomicU64>() as u64 {
            let claimed = beyond_memory(&format!("the sizes of {} strings", text.num_elements()));
            return Err(ElementError::read(element)(claimed).into());
        }
    }
    let sizes: Vec<AtomicU64> = (0..num_jobs).map(|_| AtomicU64::new(0)).collect();
    let loose: Vec<AtomicBool> = texts.iter().map(|_| AtomicBool::new(false)).collect();
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let worker = || {
        let mut strings = TextBuf::new();
        while !stop.load(Ordering::Relaxed) {
            let job = next.fetch_add(1, Ordering::Relaxed);
            let Some(size) = sizes.get(job) else { return };
            // Texts without strings have no job: the last that begins here is the one.
            let text = first_jobs.partition_point(|&first| first <= job) - 1;
            let (element, source) = &texts[text];
            match measure_portion(element, source, job - first_jobs[text], &mut strings, bounds) {
                Ok((bytes, is_exact)) => {
                    size.store(bytes, Ordering::Relaxed);
                    loose[text].fetch_or(!is_exact, Ordering::Relaxed);
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        // One thread is quicker for a few portions than starting others.
        for _ in 1..bounds.threads.get().min(num_jobs / 2) {
            let started = std::thread::Builder::new().spawn_scoped(scope, || sequentially(worker));
            if let Err(error) = started {
                log::debug!("there are fewer threads that measure text: {error}");
                break;
            }
        }
        sequentially(worker);
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let measured = first_jobs.iter().zip(texts).zip(loose).map(|((&first, (_, text)), loose)| {
        let sizes = &sizes[first..first + num_portions(text)];
        let sizes = sizes.iter().map(|size| size.load(Ordering::Relaxed));
        Measured::new(text.clone(), sizes, !loose.into_inner())
    });
    Ok(measured.collect())
}

/// Whether a reference can hold a string's length.
fn fits(len_bytes: u64) -> bool {
    u32::try_from(len_bytes).is_ok()
}

/// Bytes of the heap of a portion, at most, and whether it is just as many.
fn measure_portion(
    element: &str,
    source: &SharedText,
    portion: usize,
    strings: &mut TextBuf,
    bounds: &Bounds<'_>,
) -> Result<(u64, bool), LayoutError> {
    let (mut lengths, mut is_exact) = (Vec::new(), true);
    each_part(strings_of(portion, source.num_elements()), bounds.max_strings, |part| {
        if (bounds.is_cancelled)() {
            return Err(LayoutError::Cancelled);
        }
        let bounds = source.len_bounds(part.clone()).map_err(ElementError::read(element))?;
        if let Some(bounds) = bounds.filter(|bounds| bounds.iter().all(|&len| fits(len))) {
            lengths.extend(bounds);
            is_exact = false;
            return Ok(());
        }
        strings.clear();
        source.read_range(part, strings).map_err(ElementError::read(element))?;
        if memchr::memchr(0, strings.joined().as_bytes()).is_some() {
            return Err(LayoutError::nul(element));
        }
        if !strings.iter().all(|text| fits(text.len() as u64)) {
            let what = "a string of 4 GiB or more, which HDF5 cannot store";
            return Err(LayoutError::text(element, what));
        }
        lengths.extend(strings.iter().map(|text| text.len() as u64));
        Ok(())
    })?;
    Ok((heap_bytes(lengths.into_iter()), is_exact))
}
