//! The output's place: what may be overwritten, the staging file beside it, and the rename.
//!
//! What holds: until [`Staged::commit`] the target is untouched, and a `Staged` that is dropped
//! takes its staging file with it. Only a killed process leaves one
//! (`.NAME.anncat-MACHINE-PROCESS-NANOS.tmp`).

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use super::leftovers::staging_name;
use super::{Durability, Existing, MaterializeError, OutputRules};
use crate::base::zarr_documents;

/// What the output is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetKind {
    /// One file.
    File,
    /// A directory of files: a zarr store.
    Directory,
}

/// Checks that `target` may be written, before any work is done.
///
/// # Errors
/// It exists and may not be replaced, is or holds or lies in an input, or its directory cannot be
/// written to.
pub fn check_target(
    target: &Path,
    kind: TargetKind,
    rules: &OutputRules,
) -> Result<(), MaterializeError> {
    let place = resolve(target, kind, rules)?;
    let dir = place.parent().unwrap_or(&place);
    may_write_in(dir).map_err(staging(target, "cannot write to the output's directory"))
}

/// What the system refused beside writing the output.
fn staging(
    target: &Path,
    doing: impl Into<String>,
) -> impl FnOnce(std::io::Error) -> MaterializeError {
    move |source| MaterializeError::Staging { path: target.to_owned(), doing: doing.into(), source }
}

/// Whether files can be made in a directory, as the system sees it.
fn may_write_in(dir: &Path) -> std::io::Result<()> {
    let dir = std::ffi::CString::new(dir.as_os_str().as_bytes())?;
    // SAFETY: the path ends in NUL and lives through the call.
    let status = unsafe {
        libc::faccessat(libc::AT_FDCWD, dir.as_ptr(), libc::W_OK | libc::X_OK, libc::AT_EACCESS)
    };
    if status == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// The path to rename to: links followed, so that a link stays one.
fn resolve(
    target: &Path,
    kind: TargetKind,
    rules: &OutputRules,
) -> Result<PathBuf, MaterializeError> {
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let place = || -> std::io::Result<PathBuf> {
        match fs::canonicalize(target) {
            Ok(path) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let name = target.file_name().ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::InvalidInput, "the output has no file name")
        })?;
        Ok(fs::canonicalize(directory)?.join(name))
    };
    let place = place().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => MaterializeError::NoDirectory {
            path: target.to_owned(),
            directory: directory.to_owned(),
        },
        _ => staging(target, "cannot find the output's directory")(source),
    })?;
    refuse_inputs(target, &place, &rules.inputs)?;
    if let Ok(meta) = fs::symlink_metadata(&place) {
        if rules.existing == Existing::Refuse {
            return Err(MaterializeError::Exists { path: target.to_owned() });
        }
        let why = match kind {
            TargetKind::File if !meta.is_file() => Some("it is no regular file"),
            TargetKind::Directory if !meta.is_dir() => Some("it is no directory"),
            TargetKind::Directory if !is_store_or_empty(&place) => {
                Some("it is a directory that is no zarr store")
            }
            _ => None,
        };
        if let Some(why) = why {
            return Err(MaterializeError::NotReplaceable { path: target.to_owned(), why });
        }
    }
    Ok(place)
}

fn is_store_or_empty(dir: &Path) -> bool {
    zarr_documents::OF_A_STORE.iter().any(|name| is_of_zarr(&dir.join(name)))
        || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether a file says that it is metadata of zarr.
fn is_of_zarr(path: &Path) -> bool {
    let metadata = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    metadata.is_some_and(|value: serde_json::Value| {
        ["zarr_format", "zarr_consolidated_format"].iter().any(|key| value.get(key).is_some())
    })
}

/// Refuses a place that is an input (by name, link or hard link), holds one, or lies in one. A bind
/// mount gives a directory a second path, but not a second identity.
fn refuse_inputs(target: &Path, place: &Path, inputs: &[PathBuf]) -> Result<(), MaterializeError> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let of_place = identity(place);
    let around_place: Vec<_> = place.ancestors().filter_map(identity).collect();
    for input in inputs {
        let within = identity(input).is_some_and(|input| around_place.contains(&input));
        let holds = fs::canonicalize(input).is_ok_and(|input| {
            input.starts_with(place)
                || input.ancestors().any(|above| of_place.is_some() && identity(above) == of_place)
        });
        if within || holds {
            return Err(MaterializeError::IsInput {
                path: target.to_owned(),
                input: input.clone(),
            });
        }
    }
    Ok(())
}

/// An output being written under another name.
#[derive(Debug)]
pub struct Staged {
    target: PathBuf,
    place: PathBuf,
    path: PathBuf,
    kind: TargetKind,
    rules: OutputRules,
}

impl Staged {
    /// Makes a new file or directory beside the target.
    pub fn new(
        target: &Path,
        kind: TargetKind,
        rules: &OutputRules,
    ) -> Result<Self, MaterializeError> {
        let place = resolve(target, kind, rules)?;
        let staged = Self {
            path: place.with_file_name(staging_name(&place)),
            target: target.to_owned(),
            place,
            kind,
            rules: rules.clone(),
        };
        let replaces = fs::symlink_metadata(&staged.place).is_ok();
        create(&staged.path, kind, replaces).map_err(|source| staged.failed("create", source))?;
        Ok(staged)
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fails unless `needed` bytes are free where the output goes.
    pub fn require_space(&self, needed: u64) -> Result<(), MaterializeError> {
        match self.place.parent().and_then(available_bytes) {
            Some(available) if available < needed => {
                Err(MaterializeError::NoSpace { path: self.target.clone(), needed, available })
            }
            _ => Ok(()),
        }
    }

    /// Gives the output its name; a former output disappears in the same moment, where the file
    /// system can swap two directories.
    pub fn commit(self) -> Result<(), MaterializeError> {
        // Again: something may have come to stand there meanwhile.
        resolve(&self.target, self.kind, &self.rules)?;
        if let Ok(former) = fs::symlink_metadata(&self.place) {
            take_over(&self.path, &former)
                .map_err(|source| self.failed("set the mode of", source))?;
        }
        let synced = self.rules.durability == Durability::Synced;
        if synced {
            sync_all(&self.path).map_err(|source| self.failed("sync", source))?;
        }
        self.rename().map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists if self.rules.existing == Existing::Refuse => {
                MaterializeError::Exists { path: self.target.clone() }
            }
            _ => self.failed("rename", source),
        })?;
        match self.place.parent() {
            Some(parent) if synced => {
                let doing = "written, but the directory that holds it cannot be synced";
                let synced = fs::File::open(parent).and_then(|parent| parent.sync_all());
                synced.map_err(staging(&self.target, doing))
            }
            _ => Ok(()),
        }
    }

    fn rename(&self) -> std::io::Result<()> {
        let (from, to) = (&self.path, &self.place);
        if self.rules.existing == Existing::Refuse {
            match rename_with(from, to, libc::RENAME_NOREPLACE) {
                // Not every file system has it.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                }
                done => return done,
            }
        }
        if self.kind == TargetKind::File || !to.exists() {
            return fs::rename(from, to);
        }
        // A directory cannot be renamed over one that holds files: swap, and drop the old one with
        // `self`; where the file system cannot, in two steps.
        rename_with(from, to, libc::RENAME_EXCHANGE).or_else(|_| {
            let aside = to.with_file_name(staging_name(to));
            fs::rename(to, &aside)?;
            if let Err(error) = fs::rename(from, to) {
                let _ = fs::rename(&aside, to);
                return Err(error);
            }
            // The new one is in place. What cannot be removed, the next run tells of.
            let _ = fs::rename(&aside, from);
            Ok(())
        })
    }

    fn failed(&self, doing: &str, source: std::io::Error) -> MaterializeError {
        staging(&self.target, format!("cannot {doing} {}", self.path.display()))(source)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Nothing can be done, and nothing is lost, if this fails.
        let _ = match self.kind {
            TargetKind::File => fs::remove_file(&self.path),
            TargetKind::Directory => fs::remove_dir_all(&self.path),
        };
    }
}

/// Makes an empty file or directory; a private one where it will replace another, whose mode it takes
/// over when it is complete ([`take_over`]).
fn create(path: &Path, kind: TargetKind, replaces: bool) -> std::io::Result<()> {
    let (file_mode, directory_mode) = if replaces { (0o600, 0o700) } else { (0o666, 0o777) };
    match kind {
        TargetKind::File => {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(file_mode).open(path).map(drop)
        }
        TargetKind::Directory => fs::DirBuilder::new().mode(directory_mode).create(path),
    }
}

/// Gives an output the mode of the one that it replaces and, as root, its owner.
fn take_over(path: &Path, former: &fs::Metadata) -> std::io::Result<()> {
    // SAFETY: geteuid only returns a number and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    let now = fs::symlink_metadata(path)?;
    if is_root && (now.uid(), now.gid()) != (former.uid(), former.gid()) {
        give(path, former)?;
    }
    // After the owner, whose change takes special bits away.
    fs::set_permissions(path, fs::Permissions::from_mode(former.mode() & 0o7777))
}

/// Gives a file, or a directory with all that is below it, the owner and group of another.
fn give(path: &Path, former: &fs::Metadata) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), former)?;
        }
    }
    lchown(path, Some(former.uid()), Some(former.gid()))
}

/// Waits until the disk has a file, or a directory with all that is below it.
fn sync_all(path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_all(&entry?.path())?;
        }
    }
    fs::File::open(path)?.sync_all()
}

/// Bytes that an ordinary user may still write below `dir`.
fn available_bytes(dir: &Path) -> Option<u64> {
    let dir = std::ffi::CString::new(dir.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `dir` ends in NUL and `stat` is large enough; it is read only after success.
    let stat = unsafe {
        if libc::statvfs(dir.as_ptr(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Renames under the rules that `flags` of `renameat2` name.
fn rename_with(from: &Path, to: &Path, flags: libc::c_uint) -> std::io::Result<()> {
    let c_path = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes());
    let (from, to) = (c_path(from)?, c_path(to)?);
    // SAFETY: both paths end in NUL and live through the call.
    let status = unsafe {
        libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags)
    };
    if status == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(existing: Existing, inputs: &[&Path]) -> OutputRules {
        OutputRules {
            existing,
            inputs: inputs.iter().map(|path| path.to_path_buf()).collect(),
            durability: Durability::Synced,
        }
    }

    #[test]
    fn inputs_are_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let input = dir.path().join("in.h5ad");
        fs::write(&input, "x").unwrap();
        let (soft, hard) = (dir.path().join("soft.h5ad"), dir.path().join("hard.h5ad"));
        std::os::unix::fs::symlink(&input, &soft).unwrap();
        fs::hard_link(&input, &hard).unwrap();
        for target in [&input, &soft, &hard] {
            let error =
                check_target(target, TargetKind::File, &rules(Existing::Replace, &[&input]));
            assert!(matches!(error, Err(MaterializeError::IsInput { .. })), "{target:?}");
        }
        let store = dir.path().join("in.zarr");
        fs::create_dir(&store).unwrap();
        fs::write(store.join("zarr.json"), "{}").unwrap();
        let inside = store.join("out.h5ad");
        for (target, kind) in [
            (&inside, TargetKind::File),
            (&store, TargetKind::Directory),
            (&dir.path().to_path_buf(), TargetKind::Directory),
        ] {
            let error = check_target(target, kind, &rules(Existing::Replace, &[&store]));
            assert!(matches!(error, Err(MaterializeError::IsInput { .. })), "{target:?}");
        }
    }

    #[test]
    fn existing_outputs_are_refused_unless_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.h5ad");
        fs::write(&target, "old").unwrap();
        let refused = Staged::new(&target, TargetKind::File, &rules(Existing::Refuse, &[]));
        assert!(matches!(refused, Err(MaterializeError::Exists { .. })));
        let staged =
            Staged::new(&target, TargetKind::File, &rules(Existing::Replace, &[])).unwrap();
        fs::write(staged.path(), "new").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "old");
        staged.commit().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_output_keeps_the_mode_and_owner_of_the_one_it_replaces() {
        const NOBODY: u32 = 65_534;
        let dir = tempfile::tempdir().unwrap();
        let replace = rules(Existing::Replace, &[]);
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        for (name, kind, kept) in [
            ("out.h5ad", TargetKind::File, 0o440),
            ("private.h5ad", TargetKind::File, 0o600),
            ("out.zarr", TargetKind::Directory, 0o700),
        ] {
            let target = dir.path().join(name);
            create(&target, kind, false).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(kept)).unwrap();
            let is_given = lchown(&target, Some(NOBODY), Some(NOBODY)).is_ok();
            let staged = Staged::new(&target, kind, &replace).unwrap();
            assert_eq!(mode(staged.path()) & 0o077, 0, "private while it is written");
            let inside = match kind {
                TargetKind::File => staged.path().to_owned(),
                TargetKind::Directory => staged.path().join("zarr.json"),
            };
            fs::write(inside, "new").unwrap();
            staged.commit().unwrap();
            assert_eq!(mode(&target), kept, "{name}");
            if is_given {
                assert_eq!(fs::metadata(&target).unwrap().uid(), NOBODY, "{name}");
            }
            if is_given && kind == TargetKind::Directory {
                assert_eq!(fs::metadata(target.join("zarr.json")).unwrap().gid(), NOBODY);
            }
        }
    }

    #[test]
    fn only_stores_are_replaced_by_directories() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.zarr");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("thesis.tex"), "years of work").unwrap();
        let replace = rules(Existing::Replace, &[]);
        for of_no_store in ["", "{}"] {
            assert!(matches!(
                Staged::new(&target, TargetKind::Directory, &replace),
                Err(MaterializeError::NotReplaceable { .. })
            ));
            fs::write(target.join("zarr.json"), of_no_store).unwrap();
        }
        assert!(Staged::new(&target, TargetKind::Directory, &replace).is_err());
        fs::write(target.join("zarr.json"), r#"{"zarr_format": 3}"#).unwrap();
        let staged = Staged::new(&target, TargetKind::Directory, &replace).unwrap();
        fs::write(staged.path().join("zarr.json"), "new").unwrap();
        staged.commit().unwrap();
        assert_eq!(fs::read_to_string(target.join("zarr.json")).unwrap(), "new");
        assert!(!target.join("thesis.tex").exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        // Inputs are read from such a store, too.
        fs::remove_file(target.join("zarr.json")).unwrap();
        let consolidated = r#"{"zarr_consolidated_format": 1, "metadata": {}}"#;
        fs::write(target.join(".zmetadata"), consolidated).unwrap();
        Staged::new(&target, TargetKind::Directory, &replace).unwrap();
    }

    #[test]
    fn a_dropped_staging_file_is_gone_and_long_names_fit() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join(format!("{}.h5ad", "x".repeat(240)));
        let staged = Staged::new(&target, TargetKind::File, &OutputRules::default()).unwrap();
        fs::write(staged.path(), "half").unwrap();
        assert!(staged.require_space(u64::MAX).is_err());
        drop(staged);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_comes_to_stand_there_meanwhile_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.h5ad");
        let staged = Staged::new(&target, TargetKind::File, &OutputRules::default()).unwrap();
        fs::write(staged.path(), "ours").unwrap();
        fs::write(&target, "theirs").unwrap();
        let refused = staged.rename().map_err(|error| error.kind());
        assert_eq!(refused, Err(std::io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert!(matches!(staged.commit(), Err(MaterializeError::Exists { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_cannot_be_written_to_is_told_at_once() {
        // Nobody, not even root, makes files there.
        let target = Path::new("/proc/self/out.h5ad");
        let error = check_target(target, TargetKind::File, &OutputRules::default()).unwrap_err();
        assert!(error.to_string().contains("directory"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out.h5ad");
        check_target(&target, TargetKind::File, &OutputRules::default()).unwrap();
    }
}
