//! A digest of a sample of a file's or store's bytes, which every copy of it has.
//!
//! Reads a few hundred KiB whatever the size, so a change that keeps the length and falls between
//! the samples is not seen; who needs to see those compares times first. What holds: equal content
//! under equal names gives an equal fingerprint, on every machine.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::base::zarr_documents;

/// What is read at both ends of a file, where formats keep what says how to read the rest.
const END_BYTES: u64 = 64 << 10;
/// What is read at each place between.
const SAMPLE_BYTES: u64 = 4 << 10;
/// Places between the ends of a file, and files of a store that hold data.
const SAMPLES: u64 = 64;

/// The fingerprint of the file or directory at `path`.
pub(super) fn of(path: &Path) -> io::Result<String> {
    let mut digest = Xxh3::new();
    if std::fs::metadata(path)?.is_dir() {
        add_store(&mut digest, path)?;
    } else {
        add_file(&mut digest, path, SAMPLES)?;
    }
    Ok(format!("{:032x}", digest.digest128()))
}

fn add_file(digest: &mut Xxh3, path: &Path, samples: u64) -> io::Result<()> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    digest.update(&len.to_le_bytes());
    for (start, len) in places(len, samples) {
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, start)?;
        digest.update(&bytes);
    }
    Ok(())
}

/// Offsets and lengths of what is read of a file of this length.
fn places(len: u64, samples: u64) -> Vec<(u64, u64)> {
    if len <= 2 * END_BYTES + samples * SAMPLE_BYTES {
        return vec![(0, len)];
    }
    let between = len - 2 * END_BYTES - SAMPLE_BYTES;
    let mut places = vec![(0, END_BYTES)];
    places.extend((0..samples).map(|n| {
        // As u128: lengths of files may be anything.
        let offset = u128::from(between) * u128::from(n) / u128::from(samples.max(2) - 1);
        (END_BYTES + offset as u64, SAMPLE_BYTES)
    }));
    places.push((len - END_BYTES, END_BYTES));
    places
}

/// All names and lengths, all metadata, and the ends of some chunks.
fn add_store(digest: &mut Xxh3, store: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    list(&store.canonicalize()?, store, &mut Vec::new(), &mut files)?;
    files.sort();
    for path in &files {
        let name = path.strip_prefix(store).unwrap_or(path);
        digest.update(name.as_os_str().as_encoded_bytes());
        digest.update(b"\0");
        digest.update(&std::fs::metadata(path)?.len().to_le_bytes());
    }
    let is_metadata = |path: &PathBuf| {
        path.file_name().is_some_and(|name| zarr_documents::ALL.iter().any(|known| *known == name))
    };
    let (metadata, chunks): (Vec<_>, Vec<_>) = files.into_iter().partition(is_metadata);
    let step = chunks.len().div_ceil(SAMPLES as usize).max(1);
    for path in metadata.iter().chain(chunks.iter().step_by(step)) {
        add_file(digest, path, 0)?;
    }
    Ok(())
}

/// All files below a directory of a store. No link is followed that leads back up, or out of the
/// store: what is read there, if it may be, has a fingerprint of its own.
fn list(
    store: &Path,
    dir: &Path,
    trail: &mut Vec<PathBuf>,
    files: &mut Vec<PathBuf>,
) -> io::Result<()> {
    let here = dir.canonicalize()?;
    if trail.contains(&here) {
        return Ok(());
    }
    trail.push(here);
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_symlink()
            && path.canonicalize().is_ok_and(|leads_to| !leads_to.starts_with(store))
        {
            continue;
        }
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => list(store, &path, trail, files)?,
            Ok(metadata) if metadata.is_file() => files.push(path),
            // A link that leads nowhere holds nothing.
            _ => {}
        }
    }
    trail.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_lie_in_the_file_and_reach_both_ends() {
        for len in [0, 1, END_BYTES, 393_216, 393_217, 500_000, 1 << 30, u64::MAX] {
            let places = places(len, SAMPLES);
            assert_eq!(places.first().unwrap().0, 0);
            assert_eq!(places.last().map(|(start, size)| start + size), Some(len));
            assert!(places.iter().all(|(start, size)| start.checked_add(*size) <= Some(len)));
            assert!(places.iter().map(|(_, size)| size).sum::<u64>() <= 393_216);
        }
    }

    #[test]
    fn copies_have_the_fingerprint_and_others_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
        };
        let of = |name: &str| of(&dir.path().join(name)).unwrap();
        let mut bytes = vec![7; 1_000_000];
        write("a", &bytes);
        write("b", &bytes);
        assert_eq!(of("a"), of("b"));
        for at in [0, 65_000, 999_999] {
            bytes[at] += 1;
            write("b", &bytes);
            assert_ne!(of("a"), of("b"), "a change at {at}");
            bytes[at] -= 1;
        }
        for store in ["s", "t"] {
            write(&format!("{store}/zarr.json"), b"{}");
            write(&format!("{store}/X/c/0"), b"123");
        }
        assert_eq!(of("s"), of("t"));
        write("t/X/c/0", b"124");
        assert_ne!(of("s"), of("t"));
        write("t/X/c/0", b"123");
        write("t/X/c/1", b"");
        assert_ne!(of("s"), of("t"));
    }

    #[test]
    fn what_lies_outside_of_a_store_is_not_looked_at() {
        use std::os::unix::fs::symlink;

        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("s");
        std::fs::create_dir_all(store.join("X")).unwrap();
        std::fs::write(store.join("X/0"), b"123").unwrap();
        let before = of(&store).unwrap();
        std::fs::write(dir.path().join("other"), b"other").unwrap();
        symlink(dir.path(), store.join("up")).unwrap();
        symlink(dir.path().join("other"), store.join("other")).unwrap();
        assert_eq!(of(&store).unwrap(), before);
        symlink(store.join("X/0"), store.join("within")).unwrap();
        assert_ne!(of(&store).unwrap(), before);
    }
}
