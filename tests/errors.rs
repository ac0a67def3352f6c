//! Every kind of error, as `--json` gives it: the row of docs/ERRORS.md names the test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{anncat, data, run, stderr};
use serde_json::Value;

const ONE: &str = "archive_v0.11.4.h5ad";

/// The error that a run gave as JSON; the exit code and the sentence on stderr must be there, too.
fn error_of(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text:?}, {}", stderr(output)));
    let error = answer["error"].clone();
    let code = if error["kind"] == "usage" { 2 } else { 1 };
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(stderr(output).contains("error: "), "{}", stderr(output));
    for key in ["kind", "message", "file", "element", "hint"] {
        assert!(error.get(key).is_some(), "{key} is not in {error}");
    }
    assert!(!error["message"].as_str().unwrap().contains("hint:"), "{error}");
    error
}

/// Runs a command with `--json`, which must fail.
fn error<S: AsRef<OsStr>>(args: &[S]) -> Value {
    error_of(&anncat().args(args).arg("--json").output().unwrap())
}

fn inspect<S: AsRef<OsStr>>(args: &[S]) -> Value {
    error_of(&anncat().arg("inspect").arg("--json").args(args).output().unwrap())
}

/// A zarr store that says it holds an AnnData, with this `obs`.
fn store(dir: &Path, obs: &str) -> PathBuf {
    let path = dir.join("x.zarr");
    fs::create_dir_all(path.join("obs")).unwrap();
    let root = r#"{"zarr_format": 3, "node_type": "group",
        "attributes": {"encoding-type": "anndata", "encoding-version": "0.1.0"}}"#;
    fs::write(path.join("zarr.json"), root).unwrap();
    fs::write(path.join("obs/zarr.json"), obs).unwrap();
    path
}

#[test]
fn usage() {
    assert_eq!(error(&["inspect"])["kind"], "usage");
    let unknown = error(&["inspect", "--jion", "outer", "a.h5ad"]);
    assert_eq!(unknown["kind"], "usage");
    assert!(unknown["message"].as_str().unwrap().contains("--jion"), "{unknown}");
    assert!(unknown["hint"].as_str().unwrap().contains("--join"), "{unknown}");
    // Without --json, clap's own text, and nothing for programs.
    let output = run(&["inspect", "--jion"]);
    assert!(output.stdout.is_empty() && stderr(&output).contains("Usage:"));
}

#[test]
fn input_missing() {
    let error = inspect(&["/none/a.h5ad".as_ref(), data(ONE).as_os_str(), "/none/b.h5ad".as_ref()]);
    assert_eq!(error["kind"], "input-missing");
    assert_eq!(error["file"], "/none/a.h5ad");
    let others = error["others"].as_array().unwrap();
    assert_eq!(others.len(), 1, "the input that can be read is none of them");
    assert_eq!((&others[0]["kind"], &others[0]["file"]), (&error["kind"], &"/none/b.h5ad".into()));
}

#[test]
fn input_unreadable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("loop.h5ad");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert_eq!(inspect(&[&path])["kind"], "input-unreadable");
}

#[test]
fn not_anndata() {
    let error = inspect(&["/etc/passwd"]);
    assert_eq!(error["kind"], "not-anndata");
    assert!(error["hint"].as_str().unwrap().contains(".h5ad"));
}

#[test]
fn changed() {
    let dir = tempfile::tempdir().unwrap();
    let (input, plan) = (dir.path().join("a.h5ad"), dir.path().join("plan.json"));
    fs::copy(data(ONE), &input).unwrap();
    assert!(run(&[Path::new("inspect"), &input, Path::new("--save"), &plan]).status.success());
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
    fs::File::options().write(true).open(&input).unwrap().set_modified(later).unwrap();
    let error = inspect(&[Path::new("--plan"), &plan]);
    assert_eq!(error["kind"], "changed");
    assert_eq!(Path::new(error["file"].as_str().unwrap()), input.canonicalize().unwrap());
}

#[test]
fn corrupt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cut.h5ad");
    let bytes = fs::read(data(ONE)).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(inspect(&[&path])["kind"], "corrupt");
}

#[test]
fn unsupported() {
    let dir = tempfile::tempdir().unwrap();
    let obs = r#"{"zarr_format": 3, "node_type": "group",
        "attributes": {"encoding-type": "of-the-future", "encoding-version": "9"}}"#;
    let error = inspect(&[store(dir.path(), obs)]);
    assert_eq!(error["kind"], "unsupported");
    assert_eq!(error["element"], "/obs");
}

#[test]
fn duplicate_name() {
    let dir = tempfile::tempdir().unwrap();
    let twice = dir.path().join("twice.h5ad");
    let input = data(ONE);
    let made = anncat()
        .args(["materialize", "--axis", "var", "-o"])
        .args([&twice, &input, &input])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let error = inspect(&[&twice, &input]);
    assert_eq!(error["kind"], "duplicate-name");
    assert_eq!(error["file"], twice.to_str().unwrap());
    assert_eq!(error["element"], "/var");
}

#[test]
fn contradiction() {
    let dir = tempfile::tempdir().unwrap();
    let obs = r#"{"zarr_format": 3, "node_type": "array", "shape": [3], "data_type": "int8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3]}},
        "chunk_key_encoding": {"name": "default"}, "fill_value": 0,
        "codecs": [{"name": "bytes"}], "attributes": {}}"#;
    let error = inspect(&[store(dir.path(), obs)]);
    assert_eq!(error["kind"], "contradiction");
    assert_eq!(error["element"], "/obs");
}

#[test]
fn unrepresentable() {
    let input = data(ONE);
    let error = inspect(&["--label".as_ref(), "_index".as_ref(), input.as_os_str()]);
    assert_eq!(error["kind"], "unrepresentable");
    assert_eq!(error["element"], "/obs");
}

#[test]
fn plan() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("plan.json");
    fs::write(&path, "{}").unwrap();
    let error = inspect(&[Path::new("--plan"), &path]);
    assert_eq!(error["kind"], "plan");
    assert_eq!(error["file"], path.to_str().unwrap());
}

/// Materializes one file to `out`.
fn materialize(input: &Path, out: &Path) -> Value {
    error(&[Path::new("materialize"), input, Path::new("-o"), out])
}

#[test]
fn output_exists() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.h5ad");
    fs::write(&out, "precious").unwrap();
    let error = materialize(&data(ONE), &out);
    assert_eq!(error["kind"], "output-exists");
    assert_eq!(error["file"], out.to_str().unwrap());
    assert!(error["hint"].as_str().unwrap().contains("--force"));
}

#[test]
fn output_refused() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("a.h5ad");
    fs::copy(data(ONE), &input).unwrap();
    assert_eq!(materialize(&input, &input)["kind"], "output-refused");
    assert_eq!(materialize(&input, &dir.path().join("no/out.h5ad"))["kind"], "output-refused");
}

#[test]
fn output_unwritable() {
    // Nobody, not even root, makes files there.
    let error = materialize(&data(ONE), Path::new("/proc/self/out.h5ad"));
    assert_eq!(error["kind"], "output-unwritable");
}

#[test]
fn no_space() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.h5ad");
    // No file may be larger than one block.
    let limited = Command::new("sh")
        .args(["-c", "ulimit -f 1; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_anncat")])
        .args(["materialize", "--json"])
        .arg(data("soma_multiome_100_100.h5ad"))
        .arg("-o")
        .arg(&out)
        .env("ANNCAT_CACHE_DIR", dir.path())
        .output()
        .unwrap();
    assert_eq!(error_of(&limited)["kind"], "no-space");
    assert!(!out.exists());
}

#[test]
fn mountpoint() {
    let error = error(&[Path::new("mount"), &data(ONE), Path::new("/none/mnt")]);
    assert_eq!(error["kind"], "mountpoint");
    assert_eq!(error["file"], "/none/mnt");
}

#[test]
fn not_unmounted() {
    let dir = tempfile::tempdir().unwrap();
    let error = error(&[Path::new("unmount"), dir.path()]);
    assert_eq!(error["kind"], "not-unmounted");
}

#[test]
fn what_is_done_is_told_as_json_too() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.h5ad");
    let done = anncat()
        .args(["materialize", "--json", "--quiet", "--label", "donor"])
        .args([data(ONE), data(ONE)])
        .arg("-o")
        .arg(&out)
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(answer["output"], out.to_str().unwrap());
    assert_eq!(answer["len-bytes"], fs::metadata(&out).unwrap().len());
    assert_eq!(answer["inputs"], 2);
    assert!(answer["notices"].as_array().unwrap().iter().any(|it| it["notice"] == "same-input"));
    assert!(done.stderr.is_empty(), "{}", stderr(&done));
    // A quiet error is an error.
    let refused = run(&["inspect", "-q", "/none.h5ad"]);
    assert!(stderr(&refused).starts_with("error: /none.h5ad"));
}

#[test]
fn a_full_disk_is_told_where_stdout_goes_there() {
    for args in [&["inspect"][..], &["inspect", "--json"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = anncat().args(args).arg(data(ONE)).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("error: cannot print"), "{}", stderr(&output));
    }
}
