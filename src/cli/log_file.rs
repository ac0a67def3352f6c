//! Where the process in the background writes, when nobody says where.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::io::start_of;

/// Most bytes of a mountpoint's name that are a part of the log's.
const NAME_BYTES: usize = 64;
/// What a line of a log begins with; `0` is any digit.
const TIME: &[u8] = b"0000-00-00T00:00:00Z ";

/// How long logs are kept that nobody named.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The log of a mount at this absolute path: in `XDG_STATE_HOME`, else `~/.local/state`, under the
/// name of the mountpoint and a digest of its path. `None` where the user has no such place.
pub fn default_log(mountpoint: &Path) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/state")))?;
    Some(state.join("anncat").join(file_name(mountpoint)))
}

fn file_name(mountpoint: &Path) -> String {
    let digest = xxhash_rust::xxh3::xxh3_64(mountpoint.as_os_str().as_encoded_bytes());
    let name = mountpoint.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' })
        .scan(0, |len, c| {
            *len += c.len_utf8();
            (*len <= NAME_BYTES).then_some(c)
        })
        .collect();
    format!("{name}-{:08x}.log", digest as u32)
}

/// Makes an empty log; a former mount's at the same place is gone, and so are old logs beside it.
pub fn start(log: &Path) -> std::io::Result<()> {
    if let Some(directory) = log.parent() {
        std::fs::create_dir_all(directory)?;
        if let Some(oldest) = SystemTime::now().checked_sub(KEPT) {
            remove_older(directory, oldest);
        }
    }
    File::create(log).map(drop)
}

/// Removes a log that says nothing.
pub fn forget_empty(log: &Path) {
    if std::fs::metadata(log).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
        let _ = std::fs::remove_file(log);
    }
}

/// Removes logs that were written to last before `oldest`. What cannot be removed may stay.
fn remove_older(directory: &Path, oldest: SystemTime) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.filter_map(Result::ok) {
        // Not what a link leads to.
        let is_old = entry.metadata().is_ok_and(|metadata| {
            metadata.is_file() && metadata.modified().is_ok_and(|modified| modified < oldest)
        });
        let path = entry.path();
        // Who writes to it holds it locked: a mount lasts as long as it likes, and may have nothing to say.
        let is_held = || File::open(&path).is_ok_and(|log| log.try_lock().is_err());
        if is_old && may_go_on(&path) && !is_held() {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// Whether nothing is spoiled by writing to the end of this file, which is moved away when it has
/// grown: nothing is there, or what begins as a log does, with a time.
pub fn may_go_on(log: &Path) -> bool {
    // What cannot be read is told when it is opened.
    start_of(log, TIME.len()).map_or(true, |start| is_log(&start))
}

/// Whether a file that starts with this is a log, or empty.
fn is_log(start: &[u8]) -> bool {
    let is_alike = |(&byte, &of_time): (&u8, &u8)| match of_time {
        b'0' => byte.is_ascii_digit(),
        other => byte == other,
    };
    start.is_empty() || start.len() >= TIME.len() && start.iter().zip(TIME).all(is_alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logs_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let holding = |bytes: &[u8]| {
            let path = dir.path().join("file");
            std::fs::write(&path, bytes).unwrap();
            may_go_on(&path)
        };
        assert!(may_go_on(&dir.path().join("none")) && may_go_on(Path::new("/dev/null")));
        assert!(holding(b"") && holding(b"2026-11-28T00:21:44Z info: anncat 0.1.0 serves"));
        assert!(!holding(b"\x89HDF\r\n\x1a\n and more than twenty bytes"));
        assert!(!holding(b"2026-11-28 a diary") && !holding(b"2026"));
    }

    #[test]
    fn old_logs_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let place = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str, modified: SystemTime| {
            std::fs::write(place(name), text).unwrap();
            let file = File::options().append(true).open(place(name)).unwrap();
            file.set_modified(modified).unwrap();
        };
        let line = "2026-11-28T00:21:44Z info: anncat 0.1.0 serves /m";
        let old = now - KEPT - Duration::from_secs(60);
        write("ended.log", line, old);
        write("empty.log", "", old);
        write("served.log", line, old);
        let served = File::open(place("served.log")).unwrap();
        served.lock_shared().unwrap();
        write("new.log", line, now);
        write("diary", "2026-11-28 a diary of more than twenty bytes", old);
        std::os::unix::fs::symlink(place("diary"), place("link.log")).unwrap();
        start(&place("begun.log")).unwrap();
        let left = |name: &str| place(name).symlink_metadata().is_ok();
        assert!(!left("ended.log") && !left("empty.log"));
        for name in ["served.log", "new.log", "diary", "link.log", "begun.log"] {
            assert!(left(name), "{name}");
        }
        forget_empty(&place("begun.log"));
        forget_empty(&place("new.log"));
        assert!(!left("begun.log") && left("new.log"));
    }

    #[test]
    fn each_mountpoint_has_a_name_of_its_own() {
        let name = |path: &str| file_name(Path::new(path));
        assert_ne!(name("/a/mnt"), name("/b/mnt"));
        assert!(name("/a/m n:t").starts_with("m_n_t-"), "{}", name("/a/m n:t"));
        assert!(name(&format!("/{}", "ä".repeat(200))).len() < 100);
    }
}
