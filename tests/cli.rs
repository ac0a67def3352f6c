//! Bad command lines and bad inputs: one clear error, the right exit code, nothing left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::fs;
use std::path::Path;

use common::{can_mount, data, run, stderr};

/// Runs `mount` with these arguments in an otherwise empty directory; expects an error that holds
/// `expected`, this exit code, and an untouched directory.
fn refused(args: &[&str], code: i32, expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mountpoint = dir.path().join("mnt");
    fs::create_dir(&mountpoint).unwrap();
    let input = data("archive_v0.11.4.h5ad");
    let args: Vec<String> = std::iter::once("mount".to_owned())
        .chain(args.iter().map(|arg| {
            arg.replace("INPUT", input.to_str().unwrap())
                .replace("MNT", mountpoint.to_str().unwrap())
                .replace("DIR", dir.path().to_str().unwrap())
        }))
        .collect();
    let output = run(&args);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
    assert!(told.contains(expected), "{args:?}: {told}");
    assert!(told.starts_with("error: "), "{args:?}: {told}");
    assert_eq!(told.matches("error:").count(), 1, "{args:?}: {told}");
    assert!(output.stdout.is_empty());
    assert_eq!(fs::read_dir(&mountpoint).unwrap().count(), 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn wrong_usage() {
    refused(&["MNT"], 2, "there are no inputs");
    refused(&["--keys", "a", "INPUT", "INPUT", "MNT"], 2, "--keys has 1 key for 2 inputs");
    refused(&["--keys", "a,a", "INPUT", "INPUT", "MNT"], 2, "the key \"a\" stands for both");
    refused(&["a=INPUT", "a=INPUT", "MNT"], 2, "the key \"a\" stands for both");
    refused(&["a=INPUT", "INPUT", "MNT"], 2, "1 of 2 inputs have a key");
    refused(&["--zarr-format", "2", "--shard-size", "1M", "INPUT", "MNT"], 2, "no shards");
    refused(&["--join", "left", "INPUT", "MNT"], 2, "invalid value 'left'");
    refused(&["--chunk-rows", "0", "INPUT", "MNT"], 2, "invalid value '0'");
    refused(&["--nonsense", "INPUT", "MNT"], 2, "unexpected argument '--nonsense'");
}

#[test]
fn bad_mountpoints() {
    refused(&["INPUT", "DIR/absent"], 1, "the mountpoint does not exist");
    refused(&["INPUT", "INPUT"], 1, "the mountpoint is not a directory");
    refused(&["INPUT", "DIR"], 1, "the mountpoint is not empty");
}

#[test]
fn a_store_is_no_mountpoint() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("zarr.json"), "{}").unwrap();
    let output = run(&[Path::new("mount"), &data("archive_v0.11.4.h5ad"), dir.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is itself a zarr store"));
}

#[test]
fn bad_inputs() {
    // Whether one can mount here at all is asked first.
    if !can_mount() {
        return;
    }
    refused(&["DIR/absent.h5ad", "MNT"], 1, "there is no such file");
    refused(&["/etc/passwd", "MNT"], 1, "/etc/passwd: this is not an HDF5 file");
    refused(&["MNT", "MNT"], 1, "not a zarr store");
    refused(&["--from", "DIR/absent", "MNT"], 1, "cannot read the list of inputs");
    refused(&["INPUT", "/etc/passwd", "MNT"], 1, "/etc/passwd: this is not an HDF5 file");
}

#[test]
fn a_truncated_input_is_told() {
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(data("archive_v0.11.4.h5ad")).unwrap();
    let cut = dir.path().join("cut.h5ad");
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mountpoint = dir.path().join("mnt");
    fs::create_dir(&mountpoint).unwrap();
    let output = run(&[Path::new("mount"), &cut, &mountpoint]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cut.h5ad: "), "{}", stderr(&output));
}

#[test]
fn unmount_of_what_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&[Path::new("unmount"), dir.path()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("nothing is mounted there"));
    let output = run(&["unmount", "/proc"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not a mount of anncat, but of type proc"));
    let output = run(&["unmount", "/absent/absent"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn help_teaches() {
    for args in [&["--help"][..], &["mount", "--help"], &["unmount", "--help"]] {
        let output = run(args);
        assert!(output.status.success());
        assert!(!output.stdout.is_empty());
    }
    let help = String::from_utf8(run(&["mount", "--help"]).stdout).unwrap();
    for word in ["Concatenation", "--index-unique", "Store", "Serving", "Resources", "Examples"] {
        assert!(help.contains(word), "{word}");
    }
}
