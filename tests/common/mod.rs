//! What the tests of the program share: running it, and small inputs.

#![allow(dead_code, reason = "each test program uses a part")]

pub mod mountpoint;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A file of `tests/data`.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The program, with a cache of its own.
pub fn anncat() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anncat"));
    command.stdin(Stdio::null()).env("ANNCAT_CACHE_DIR", env!("CARGO_TARGET_TMPDIR"));
    command.env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Runs the program to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Output {
    anncat().args(args).output().unwrap()
}

/// What was printed on stderr.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails with what was printed unless all went well.
pub fn success(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

/// False when mounts are not to be tested, as `ANNCAT_SKIP_FUSE=1` says; fails when they cannot be.
pub fn can_mount() -> bool {
    if std::env::var_os("ANNCAT_SKIP_FUSE").is_some_and(|value| value == "1") {
        return false;
    }
    assert!(
        Path::new("/dev/fuse").exists(),
        "there is no /dev/fuse; set ANNCAT_SKIP_FUSE=1 to leave out the tests that mount"
    );
    true
}
