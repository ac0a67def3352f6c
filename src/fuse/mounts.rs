//! The system's table of mounts.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Major and minor number.
pub type Device = (u32, u32);

/// A mount, as the kernel lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// Its device: no other mount's, while a file of this is open.
    pub device: Device,
    /// File system type (`ext4`, `fuse.anncat`).
    pub fs_type: String,
    /// What is mounted.
    pub source: String,
    /// Number of the user who mounted it, of a FUSE file system.
    pub owner: Option<u32>,
}

impl MountEntry {
    /// True when this program mounted it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.fs_type.starts_with("fuse")
            && (self.source == super::NAME || self.fs_type == format!("fuse.{}", super::NAME))
    }
}

/// The mount at exactly this place, the last one if several lie over each other.
///
/// # Errors
/// The table of mounts cannot be read.
pub fn at(mountpoint: &Path) -> io::Result<Option<MountEntry>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    Ok(parse(&table).rfind(|entry| entry.mountpoint == mountpoint))
}

/// Where this program's mounts are.
#[must_use]
pub fn ours() -> Vec<PathBuf> {
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    parse(&table).filter(MountEntry::is_ours).map(|entry| entry.mountpoint).collect()
}

/// Where this program's mounts of this user are; for root, those of everybody.
#[must_use]
pub fn of_this_user() -> Vec<PathBuf> {
    // SAFETY: getuid only returns a number and cannot fail.
    let user = unsafe { libc::getuid() };
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    let is_meant = |entry: &MountEntry| {
        entry.is_ours() && (user == 0 || entry.owner.is_none_or(|owner| owner == user))
    };
    parse(&table).filter(is_meant).map(|entry| entry.mountpoint).collect()
}

/// The mount of this program that a path lies in, but is not the top of.
#[must_use]
pub fn ours_above(path: &Path) -> Option<PathBuf> {
    path.ancestors()
        .skip(1)
        .filter_map(|above| at(above).ok().flatten())
        .find(MountEntry::is_ours)
        .map(|entry| entry.mountpoint)
}

/// The absolute path of a mountpoint without asking the mount itself, which may be dead: only the
/// directory above is resolved.
///
/// # Errors
/// The directory above does not exist or cannot be read.
pub fn resolve(mountpoint: &Path) -> io::Result<PathBuf> {
    match mountpoint.file_name() {
        Some(name) => {
            let above = match mountpoint.parent() {
                Some(above) if !above.as_os_str().is_empty() => above,
                _ => Path::new("."),
            };
            let lexical = above.canonicalize()?.join(name);
            // A symbolic link to a mountpoint stands for the mountpoint.
            match std::fs::read_link(&lexical) {
                Ok(_) => lexical.canonicalize(),
                Err(_) => Ok(lexical),
            }
        }
        None => mountpoint.canonicalize(),
    }
}

/// Entries of the table `mountinfo` (proc_pid_mountinfo(5)).
fn parse(table: &[u8]) -> impl DoubleEndedIterator<Item = MountEntry> {
    table.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let (major, minor) = std::str::from_utf8(fields.nth(2)?).ok()?.split_once(':')?;
        let device = (major.parse().ok()?, minor.parse().ok()?);
        let mountpoint = PathBuf::from(unescape(fields.nth(1)?));
        // Optional fields end with a single dash.
        fields.find(|field| *field == b"-")?;
        let fs_type = String::from_utf8_lossy(fields.next()?).into_owned();
        let source = unescape(fields.next()?).to_string_lossy().into_owned();
        let options = std::str::from_utf8(fields.next().unwrap_or_default()).unwrap_or_default();
        let owner = options.split(',').find_map(|option| option.strip_prefix("user_id="));
        let owner = owner.and_then(|owner| owner.parse().ok());
        Some(MountEntry { mountpoint, device, fs_type, source, owner })
    })
}

/// Undoes the table's escapes: spaces and the like are written `\040`, in octal.
fn unescape(field: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits =
            tail.get(..3).filter(|digits| digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match (byte, digits) {
            (b'\\', Some(digits)) => {
                let value = digits.iter().fold(0u32, |n, d| n * 8 + u32::from(d - b'0'));
                out.push(value as u8);
                rest = &tail[3..];
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_parsed() {
        let table = b"22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n\
            90 22 0:50 / /home/a\\040b\\134c rw,nosuid - fuse.anncat anncat ro,user_id=0\n\
            91 22 0:51 / /mnt ro shared:2 master:1 - fuse anncat ro\nnonsense\n";
        let entries: Vec<MountEntry> = parse(table).collect();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[1].mountpoint, Path::new("/home/a b\\c"));
        assert_eq!(entries[1].device, (0, 50));
        assert_eq!((entries[0].owner, entries[1].owner), (None, Some(0)));
        assert_eq!(
            entries.iter().map(MountEntry::is_ours).collect::<Vec<_>>(),
            [false, true, true]
        );
    }
}
