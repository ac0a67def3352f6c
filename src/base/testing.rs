//! What tests of several layers need.

use std::process::Command;
use std::thread::Builder;

/// Calls `work` where no more threads can be started: in a process of its own, which runs the test
/// `name` (as libtest calls it) once more. Does nothing where the system knows no such limit.
pub fn without_threads(name: &str, work: impl FnOnce()) {
    const NOBODY: libc::uid_t = 65_534;
    const DONE: &str = "done without threads";
    const INSIDE: &str = "ANNCAT_TEST_WITHOUT_THREADS";
    if std::env::var_os(INSIDE).is_none() {
        let tests = std::env::current_exe().unwrap();
        let run = Command::new(tests)
            .args(["--exact", "--nocapture", name])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        let (errors, status) = (String::from_utf8_lossy(&run.stderr), run.status);
        assert!(status.success() && said.contains("1 passed"), "{status}: {said}{errors}");
        if !errors.contains(DONE) {
            eprintln!("SKIPPED: threads cannot be forbidden here, so {name} tested nothing");
        }
        return;
    }
    // SAFETY: both only set numbers of this process, of which nobody else is told.
    unsafe {
        // The limit does not hold for root.
        libc::setuid(NOBODY);
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_NPROC, &raw const none);
    }
    if Builder::new().spawn(|| ()).is_err() {
        work();
        eprintln!("{DONE}");
    }
}
