//! Signals that end a command: what has to be cleaned up is, and then the process ends by the signal
//! itself, so that a shell knows that it was interrupted and its loops stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::materialize::Cancel;

/// What may end a command.
const ENDING: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];
/// The signal that came; 0 for none.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// The signals that may end a command, for a thread that waits for them. From now on they wait.
pub fn ending() -> io::Result<Signals> {
    Signals::new(ENDING)
}

/// Remembers a signal that was waited for.
pub fn caught(signal: i32) {
    CAUGHT.store(signal, Ordering::SeqCst);
}

/// Signals that would end the process ask a writer to stop instead, so that it can clean up.
pub fn cancel() -> io::Result<Cancel> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in ENDING {
        let flag = Arc::clone(&flag);
        let remember = move || {
            caught(signal);
            flag.store(true, Ordering::SeqCst);
        };
        // SAFETY: the action only stores to atomics, which is allowed in a handler.
        unsafe { low_level::register(signal, remember)? };
    }
    Ok(Cancel::on(flag))
}

/// Ends the process by the signal that came, if one did.
pub fn end_by_caught() {
    let signal = CAUGHT.load(Ordering::SeqCst);
    if signal != 0 {
        // Where that fails, the exit code tells that the command failed.
        let _ = low_level::emulate_default_handler(signal);
    }
}

/// The same for an interrupt alone: who asks a mount to end otherwise has what was asked for.
pub fn end_by_interrupt() {
    if CAUGHT.load(Ordering::SeqCst) == SIGINT {
        end_by_caught();
    }
}
