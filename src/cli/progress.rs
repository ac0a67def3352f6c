//! Progress on stderr: a bar on a terminal, else a plain line every few seconds.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::base::Progress;

const BETWEEN_LINES: Duration = Duration::from_secs(5);
const STYLE: &str = "{msg} [{wide_bar}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";

/// Shows progress on stderr.
#[derive(Debug, Default)]
pub struct Bar {
    work: Mutex<Option<Work>>,
}

/// Passes progress on, and counts its bytes.
pub struct Counted {
    inner: Box<dyn Progress>,
    bytes: AtomicU64,
}

impl Counted {
    /// Counts what goes to `inner`.
    pub fn new(inner: Box<dyn Progress>) -> Self {
        Self { inner, bytes: AtomicU64::new(0) }
    }

    /// All bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Progress for Counted {
    fn begin(&self, what: &str, total_bytes: u64) {
        self.inner.begin(what, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.inner.advance(bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.inner.is_cancelled()
    }

    fn end(&self) {
        self.inner.end();
    }
}

#[derive(Debug)]
enum Work {
    Terminal(ProgressBar),
    Lines { what: String, total_bytes: u64, done_bytes: u64, last_line: Instant },
}

impl Bar {
    fn with(&self, change: impl FnOnce(&mut Option<Work>)) {
        change(&mut self.work.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, total_bytes: u64) {
        let work = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(
                Some(total_bytes),
                ProgressDrawTarget::stderr_with_hz(5),
            );
            if let Ok(style) = ProgressStyle::with_template(STYLE) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_message(what.to_owned());
            Work::Terminal(bar)
        } else {
            Work::Lines {
                what: what.to_owned(),
                total_bytes,
                done_bytes: 0,
                last_line: Instant::now(),
            }
        };
        self.with(|slot| *slot = Some(work));
    }

    fn advance(&self, bytes: u64) {
        self.with(|slot| match slot {
            None => {}
            Some(Work::Terminal(bar)) => bar.inc(bytes),
            Some(Work::Lines { what, total_bytes, done_bytes, last_line }) => {
                *done_bytes += bytes;
                if last_line.elapsed() >= BETWEEN_LINES {
                    *last_line = Instant::now();
                    let (done, total) = (HumanBytes(*done_bytes), HumanBytes(*total_bytes));
                    let _ = writeln!(std::io::stderr(), "{what}: {done} of {total}");
                }
            }
        });
    }

    fn end(&self) {
        self.with(|slot| {
            if let Some(Work::Terminal(bar)) = slot.take() {
                bar.finish_and_clear();
            }
        });
    }
}
