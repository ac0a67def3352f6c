//! `merged.h5ad` in a mount: the bytes that `materialize` writes, and a file like any other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use common::mountpoint::Mountpoint;
use common::{can_mount, data, run, stderr, success};

/// With matrices, text, categories and numbers; one with records in `obsm` and `uns`.
const INPUTS: [&[&str]; 3] = [
    &["soma_multiome_100_100.h5ad", "soma_multiome_100_100.h5ad"],
    &["archive_v0.7.8.h5ad", "archive_v0.11.4.h5ad"],
    &["zellkonverter_krumsiek11.h5ad"],
];
const MERGE: [&str; 6] = ["--join", "outer", "--merge", "first", "--uns-merge", "first"];

fn materialized(dir: &Path, inputs: &[&str]) -> Vec<u8> {
    let out = dir.join("out.h5ad");
    let mut args = vec!["materialize".into(), "--force".into(), "-o".into(), out.clone()];
    args.extend(MERGE.map(Into::into));
    args.extend(inputs.iter().map(|name| data(name)));
    success(&run(&args));
    fs::read(out).unwrap()
}

#[test]
fn the_file_is_what_materialize_writes_and_any_range_is_the_same_slice() {
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for inputs in INPUTS {
        let expected = materialized(dir.path(), inputs);
        for page_cache in ["all", "read", "computed"] {
            let mountpoint = Mountpoint::new();
            success(
                &mountpoint.mount(&[&MERGE[..], &["--page-cache", page_cache]].concat(), inputs),
            );
            let file = File::open(mountpoint.file()).unwrap();
            let metadata = file.metadata().unwrap();
            assert_eq!(metadata.len(), expected.len() as u64);
            assert_eq!(metadata.mode() & 0o777, 0o644);
            // Nothing has been read: the page cache does not answer.
            // SAFETY: the descriptor is open, and the call takes no pointers.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
            for at in (0..expected.len()).rev().step_by(expected.len() / 50 + 1) {
                let mut part = vec![0; (expected.len() - at).min(1313)];
                file.read_exact_at(&mut part, at as u64).unwrap();
                assert!(part == expected[at..at + part.len()], "{inputs:?} at {at}");
            }
            for past in [0, 1, 1 << 40] {
                let at = expected.len() as u64 + past;
                assert_eq!(file.read_at(&mut [0; 8], at).unwrap(), 0);
            }
            // SAFETY: nobody changes the file.
            let mapped = unsafe { memmap2::Mmap::map(&file) }.unwrap();
            assert!(mapped[..] == expected[..], "{inputs:?}");
            assert!(fs::read(mountpoint.file()).unwrap() == expected);
        }
    }
}

#[test]
fn a_listing_does_not_wait_and_the_file_can_be_left_out() {
    if !can_mount() {
        return;
    }
    let names = |mountpoint: &Mountpoint| {
        let entries = fs::read_dir(mountpoint.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), entry.file_type().unwrap().is_dir())
            })
            .collect();
        names.sort();
        names
    };
    let (file, store) = (("merged.h5ad".to_owned(), false), ("merged.zarr".to_owned(), true));
    let mountpoint = Mountpoint::new();
    let told = mountpoint.mount(&[], INPUTS[0]);
    assert!(stderr(&told).contains("merged.zarr and merged.h5ad\n"), "{}", stderr(&told));
    assert_eq!(names(&mountpoint), [file, store.clone()]);
    // A file of unknown length was listed; it has its length once it is looked at.
    assert!(fs::metadata(mountpoint.file()).unwrap().len() > 4096);
    assert_eq!(fs::metadata(mountpoint.path()).unwrap().nlink(), 3);
    let without = Mountpoint::new();
    let told = without.mount(&["--no-h5ad"], INPUTS[0]);
    assert!(!stderr(&told).contains("merged.h5ad"), "{}", stderr(&told));
    assert_eq!(names(&without), [store]);
    assert!(!without.file().exists());
}

#[test]
fn it_is_locked_like_a_file_and_refuses_to_be_written() {
    if !can_mount() {
        return;
    }
    let mountpoint = Mountpoint::new();
    success(&mountpoint.mount(&[], INPUTS[0]));
    let open = || File::open(mountpoint.file()).unwrap();
    let (first, second) = (open(), open());
    // As HDF5 locks what it reads, and what it writes.
    first.try_lock_shared().unwrap();
    second.try_lock_shared().unwrap();
    assert!(second.try_lock().is_err(), "the other one still reads");
    drop(first);
    second.try_lock().unwrap();
    let lock = libc::flock {
        l_type: libc::F_RDLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open, and `lock` outlives the call.
    let locked = unsafe { libc::fcntl(open().as_raw_fd(), libc::F_SETLK, &raw const lock) };
    assert_eq!(locked, 0);
    let errors = [
        File::options().read(true).write(true).open(mountpoint.file()).unwrap_err(),
        fs::remove_file(mountpoint.file()).unwrap_err(),
        fs::rename(mountpoint.file(), mountpoint.path().join("other.h5ad")).unwrap_err(),
        fs::write(mountpoint.file(), "x").unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.raw_os_error(), Some(libc::EROFS));
    }
}

#[test]
fn a_changed_input_is_stale() {
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.h5ad");
    let original = data(INPUTS[0][0]);
    // Before the file is laid out, and after.
    for looked_at in [false, true] {
        fs::copy(&original, &input).unwrap();
        let mountpoint = Mountpoint::new();
        success(&mountpoint.mount(&["--log", "/dev/null"], &[input.to_str().unwrap()]));
        let file = looked_at.then(|| File::open(mountpoint.file()).unwrap());
        let mut bytes = fs::read(&input).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&input, bytes).unwrap();
        // A path is trusted for a moment.
        let begin = std::time::Instant::now();
        let is_stale = || match &file {
            None => fs::metadata(mountpoint.file()).map(drop),
            Some(file) => {
                // SAFETY: the descriptor is open, and the call takes no pointers.
                unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
                let len = file.metadata().unwrap().len();
                file.read_exact_at(&mut vec![0; len as usize], 0)
            }
        };
        while !is_stale().is_err_and(|error| error.raw_os_error() == Some(libc::ESTALE)) {
            assert!(begin.elapsed().as_secs() < 20, "looked at before: {looked_at}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}
