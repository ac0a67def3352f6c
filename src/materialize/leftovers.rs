//! Staging files: their names, which say who writes them, and what killed runs leave of them.
//!
//! A name is `.NAME.anncat-MACHINE-PROCESS-NANOS.tmp`, in hexadecimal. MACHINE stands for this boot of
//! this machine and the space of process numbers, so that a writer on another machine, or in another
//! container, is never taken for dead.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What stands before the parts that say who writes.
const MARK: &[u8] = b".anncat-";
/// What a name ends in.
const END: &[u8] = b".tmp";

/// A staging file or directory that is not this process's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where it is.
    pub path: PathBuf,
    /// Who writes it.
    pub writer: Writer,
}

/// Who writes a staging file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// A process of this machine that is no more.
    Dead,
    /// A process of this machine, as far as its number tells.
    Alive,
    /// Somebody on another machine or in another container, or of another version.
    Unknown,
}

/// Staging files and directories of this target that others left, or are still writing.
#[must_use]
pub fn leftovers(target: &Path) -> Vec<Leftover> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(parent.unwrap_or(Path::new("."))) else { return Vec::new() };
    let begin = [b".", cut_name(target), MARK].concat();
    let mut found: Vec<Leftover> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.as_bytes();
            let who = name.strip_prefix(begin.as_slice())?.strip_suffix(END)?;
            let writer = writer(std::str::from_utf8(who).unwrap_or_default());
            Some(Leftover { path, writer })
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Removes a staging file or directory.
///
/// # Errors
/// What the system says.
pub fn remove_leftover(path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

/// A name for what becomes `place`, that nobody else has.
pub(super) fn staging_name(place: &Path) -> OsString {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64);
    let who = format!("{:08x}-{:x}-{nanos:x}", machine(), std::process::id());
    OsString::from_vec([b".", cut_name(place), MARK, who.as_bytes(), END].concat())
}

/// The output's name, cut where a staging name would get too long.
fn cut_name(place: &Path) -> &[u8] {
    /// Most bytes that a name has beside the output's: a process number has 7 digits at most.
    const BESIDE: usize = 1 + MARK.len() + 8 + 1 + 8 + 1 + 16 + END.len();
    let name = place.file_name().map_or(&b"output"[..], OsStrExt::as_bytes);
    &name[..name.len().min(255 - BESIDE)]
}

/// What the middle of a name says of its writer.
fn writer(who: &str) -> Writer {
    let mut parts = who.split('-');
    let number = |part: Option<&str>| u32::from_str_radix(part?, 16).ok();
    let (Some(on), Some(process)) = (number(parts.next()), number(parts.next())) else {
        return Writer::Unknown;
    };
    if parts.next().is_none() || on != machine() {
        return Writer::Unknown;
    }
    let Ok(process) = libc::pid_t::try_from(process) else { return Writer::Unknown };
    // SAFETY: signal 0 is not sent; the call only tells whether there is such a process.
    let is_there = unsafe { libc::kill(process, 0) } == 0;
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::ESRCH) if !is_there => Writer::Dead,
        _ => Writer::Alive,
    }
}

/// A number for this boot of this machine and the space of process numbers that this process sees.
fn machine() -> u32 {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    xxhash_rust::xxh3::xxh3_64(&[&boot, space.as_os_str().as_bytes()].concat()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_who_writes() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.h5ad");
        let make = |name: &OsString| fs::write(dir.path().join(name), "half").unwrap();
        let found =
            || -> Vec<Writer> { leftovers(&target).into_iter().map(|left| left.writer).collect() };
        let ours = staging_name(&target);
        make(&ours);
        assert_eq!(found(), [Writer::Alive]);
        fs::remove_file(dir.path().join(&ours)).unwrap();
        // A child that has ended and was waited for is no more.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = child.id();
        child.wait().unwrap();
        make(&format!(".out.h5ad.anncat-{:08x}-{process:x}-1.tmp", machine()).into());
        assert_eq!(found(), [Writer::Dead]);
        make(&format!(".out.h5ad.anncat-{:08x}-{process:x}-1.tmp", machine() ^ 1).into());
        make(&".out.h5ad.anncat-1.tmp".into());
        make(&".other.h5ad.anncat-1.tmp".into());
        let mut all = found();
        all.sort_by_key(|writer| *writer as u8);
        assert_eq!(all, [Writer::Dead, Writer::Unknown, Writer::Unknown]);
        for left in leftovers(&target) {
            remove_leftover(&left.path).unwrap();
        }
        assert!(leftovers(&target).is_empty());
    }

    #[test]
    fn long_names_are_cut_and_found() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join(format!("{}.h5ad", "x".repeat(249)));
        let name = staging_name(&target);
        assert!(name.len() <= 255, "{}", name.len());
        fs::create_dir(dir.path().join(name)).unwrap();
        assert_eq!(leftovers(&target).len(), 1);
        remove_leftover(&leftovers(&target)[0].path).unwrap();
    }
}
