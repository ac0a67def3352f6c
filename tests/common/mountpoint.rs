//! A place to mount on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use super::{anncat, data, run};

/// An empty directory, and an end of what may be mounted on it.
pub struct Mountpoint {
    dir: tempfile::TempDir,
}

impl Mountpoint {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> PathBuf {
        self.path().join("merged.zarr")
    }

    /// The file beside the store.
    pub fn file(&self) -> PathBuf {
        self.path().join("merged.h5ad")
    }

    pub fn mount(&self, args: &[&str], inputs: &[&str]) -> Output {
        anncat()
            .arg("mount")
            .args(args)
            .args(inputs.iter().map(|name| data(name)))
            .arg(self.path())
            .output()
            .unwrap()
    }

    pub fn is_mounted(&self) -> bool {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        table.contains(self.path().to_str().unwrap())
    }

    /// Waits until the mount is gone.
    pub fn wait_until_gone(&self) {
        let begin = Instant::now();
        while self.is_mounted() {
            assert!(begin.elapsed() < Duration::from_secs(20), "still mounted");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The process that serves this mount.
    pub fn server(&self) -> i32 {
        let wanted = self.path().to_str().unwrap().as_bytes();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if command.split(|&byte| byte == 0).any(|argument| argument == wanted) {
                return pid;
            }
        }
        panic!("nobody serves the mount");
    }
}

impl Drop for Mountpoint {
    fn drop(&mut self) {
        if self.is_mounted() {
            run(&[Path::new("unmount"), self.path()]);
        }
    }
}
