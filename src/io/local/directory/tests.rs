use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::io::Limits;

/// Time stamps are as coarse as the kernel's clock tick: waits for the next one.
fn tick(beside: &Path) {
    let probe = beside.with_extension("probe");
    let stamp = || {
        std::fs::write(&probe, b"").unwrap();
        Stamp::of(&std::fs::metadata(&probe).unwrap()).ctime_ns
    };
    let since = stamp();
    while stamp() <= since {}
}

fn store(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    for key in files {
        let path = store.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"abc").unwrap();
    }
    (dir, store)
}

fn open(store: &Path, external: External) -> LocalDirectory {
    tick(store);
    let limits = Limits { external, ..Limits::default() };
    let directory = LocalDirectory::open(store, &Context::new(limits)).unwrap();
    directory.identify().unwrap();
    tick(store);
    directory
}

fn read(directory: &LocalDirectory, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(file) = directory.open(key)? else { return Ok(None) };
    let mut out = vec![0; file.len() as usize];
    file.read_exact_at(0, &mut out)?;
    Ok(Some(out))
}

fn is_changed<T>(outcome: &Result<T, ReadError>) -> bool {
    matches!(outcome, Err(ReadError::Changed { .. }))
}

#[test]
fn files_written_or_removed_later_are_noticed() {
    let (_dir, store) = store(&["X/zarr.json", "X/c/0/0", "X/c/0/1", "X/c/0/2"]);
    let directory = open(&store, External::Refuse);
    let mut out = [0; 2];
    let file = directory.open("X/c/0/0").unwrap().unwrap();
    file.read_exact_at(1, &mut out).unwrap();
    assert_eq!(&out, b"bc");
    assert!(matches!(file.read_exact_at(2, &mut out), Err(ReadError::Corrupt { .. })));
    assert!(matches!(file.read_exact_at(u64::MAX, &mut out), Err(ReadError::Corrupt { .. })));
    assert!(directory.open("X/c/1/0").unwrap().is_none(), "absent from the first");
    directory.verify("X/zarr.json").unwrap();
    std::fs::write(store.join("X/c/0/0"), b"xyz").unwrap();
    assert!(is_changed(&file.read_exact_at(0, &mut out)));
    assert!(is_changed(&read(&directory, "X/c/0/0")));
    assert!(read(&directory, "X/c/0/1").unwrap().is_some());
    std::fs::remove_file(store.join("X/c/0/1")).unwrap();
    assert!(is_changed(&read(&directory, "X/c/0/1")));
    std::fs::write(store.join("X/c/0/9"), b"new").unwrap();
    assert!(is_changed(&read(&directory, "X/c/0/9")));
    std::fs::write(store.join("X/zarr.json"), b"{}").unwrap();
    assert!(is_changed(&directory.verify("X/zarr.json")));
    std::fs::remove_dir_all(store.join("X")).unwrap();
    assert!(is_changed(&directory.verify("X/zarr.json")));
    assert!(is_changed(&read(&directory, "X/c/0/2")));
}

#[test]
fn what_is_written_and_put_back_is_noticed_and_what_is_touched_is_not() {
    let (_dir, store) = store(&["X/0", "X/1", "X/2", "X/3"]);
    let directory = open(&store, External::Refuse);
    let put_back = |path: &Path, from: &Path| {
        let was = std::fs::metadata(from).unwrap().modified().unwrap();
        std::fs::write(path, b"xyz").unwrap();
        File::options().write(true).open(path).unwrap().set_modified(was).unwrap();
    };
    put_back(&store.join("X/0"), &store.join("X/0"));
    assert!(is_changed(&read(&directory, "X/0")), "in place");
    let new = store.with_extension("new");
    put_back_new(&new, &store.join("X/1"));
    std::fs::rename(&new, store.join("X/1")).unwrap();
    assert!(is_changed(&read(&directory, "X/1")), "replaced");
    let other = store.join("X/2");
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read(&directory, "X/2").unwrap().unwrap(), b"abc", "other permissions");
    std::fs::hard_link(store.join("X/3"), store.with_extension("link")).unwrap();
    assert_eq!(read(&directory, "X/3").unwrap().unwrap(), b"abc", "another name");
}

fn put_back_new(path: &Path, like: &Path) {
    let was = std::fs::metadata(like).unwrap().modified().unwrap();
    std::fs::write(path, b"xyz").unwrap();
    File::options().write(true).open(path).unwrap().set_modified(was).unwrap();
}

#[test]
fn a_directory_put_in_the_place_of_another_is_noticed() {
    let (_dir, store) = store(&["X/0", "Y/0"]);
    let directory = open(&store, External::Refuse);
    // Older than the opening, by all their times but those of the directories.
    std::fs::rename(store.join("X"), store.join("Z")).unwrap();
    std::fs::rename(store.join("Y"), store.join("X")).unwrap();
    assert!(is_changed(&read(&directory, "X/0")));
}

#[test]
fn links_lead_no_further_than_the_directory_unless_they_may() {
    let (dir, store) = store(&["X/0", "X/1"]);
    std::fs::write(dir.path().join("secret"), b"not yours").unwrap();
    symlink(dir.path().join("secret"), store.join("X/absolute")).unwrap();
    symlink("../../secret", store.join("X/relative")).unwrap();
    symlink("0", store.join("X/within")).unwrap();
    symlink(store.canonicalize().unwrap().join("X/1"), store.join("X/within_absolute")).unwrap();
    symlink(dir.path(), store.join("elsewhere")).unwrap();
    let directory = open(&store, External::Refuse);
    let outside = directory.identify().unwrap().outside;
    let keys: Vec<_> = outside.iter().map(|outside| outside.key.as_str()).collect();
    assert_eq!(keys, ["X/absolute", "X/relative", "elsewhere"]);
    for key in ["X/absolute", "X/relative", "elsewhere/secret"] {
        let error = read(&directory, key).unwrap_err();
        assert!(matches!(error, ReadError::Unsupported { .. }), "{key}: {error}");
        assert!(error.to_string().contains("secret"), "{error}");
    }
    for key in ["X/within", "X/within_absolute"] {
        assert_eq!(read(&directory, key).unwrap().unwrap(), b"abc", "{key}");
    }
    let directory = open(&store, External::Follow);
    assert_eq!(directory.identify().unwrap().outside.len(), 3);
    assert_eq!(read(&directory, "X/relative").unwrap().unwrap(), b"not yours");
    std::fs::write(dir.path().join("secret"), b"something").unwrap();
    assert!(is_changed(&read(&directory, "X/absolute")));
}

#[test]
fn pipes_are_an_error_at_once() {
    let (_dir, store) = store(&["X/0"]);
    let path = std::ffi::CString::new(store.join("X/1").to_str().unwrap()).unwrap();
    // SAFETY: plain system call with a live argument.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    for external in [External::Refuse, External::Follow] {
        let directory = open(&store, external);
        assert!(matches!(read(&directory, "X/1"), Err(ReadError::Corrupt { .. })));
        assert!(matches!(directory.read("X/1"), Err(ReadError::Corrupt { .. })));
    }
}

#[test]
fn every_file_counts() {
    let (_dir, store) = store(&["a/b/0", "a/1"]);
    symlink("..", store.join("a/up")).unwrap();
    let identity = || {
        let context = Context::new(Limits::default());
        LocalDirectory::open(&store, &context).unwrap().identify().unwrap().identity
    };
    let before = identity();
    assert_eq!(before, identity());
    assert_eq!(before.len, 6);
    tick(&store);
    std::fs::write(store.join("a/b/0"), b"124").unwrap();
    let after = identity();
    assert_ne!(before.digest, after.digest);
    assert!(before.mtime_ns < after.mtime_ns);
    let newest = std::fs::metadata(store.join("a/b/0")).unwrap();
    assert_eq!(after.mtime_ns, crate::io::mtime_ns(&newest));
}
