//! Mounts: the handshake, what readers see, and every way to end one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod common;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::mountpoint::Mountpoint;
use common::{anncat, can_mount, data, run, stderr, success};

/// Waits until a process has ended, or is a zombie that nobody has waited for.
fn wait_until_ended(process: i32) {
    let state = PathBuf::from(format!("/proc/{process}/stat"));
    let begin = Instant::now();
    while fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(begin.elapsed() < Duration::from_secs(20), "it still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), out);
        } else {
            out.push(entry.path());
        }
    }
}

const TWO: [&str; 2] = ["archive_v0.11.4.h5ad", "archive_v0.11.4.h5ad"];
/// With matrices, text, categories and numbers.
const RICHER: [&str; 2] = ["soma_multiome_100_100.h5ad", "soma_multiome_100_100.h5ad"];

#[test]
fn a_mount_is_ready_when_the_command_returns() {
    if !can_mount() {
        return;
    }
    let mountpoint = Mountpoint::new();
    success(&mountpoint.mount(&["--label", "dataset"], &TWO));
    let root = fs::read_to_string(mountpoint.store().join("zarr.json")).unwrap();
    assert!(root.contains("\"consolidated_metadata\"") && root.contains("obs/dataset"));
    // A second mount on it is refused.
    let output = mountpoint.mount(&[], &TWO);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("something is mounted there already"));
    success(&run(&[Path::new("unmount"), mountpoint.path()]));
    mountpoint.wait_until_gone();
    assert_eq!(fs::read_dir(mountpoint.path()).unwrap().count(), 0);
}

#[test]
fn sizes_are_true_and_any_range_is_the_same_slice() {
    if !can_mount() {
        return;
    }
    for args in [
        &["--chunk-elems", "7", "--chunk-rows", "3"][..],
        &["--zarr-format", "2"],
        &["--page-cache", "computed"],
        &["--page-cache", "computed", "--chunk-elems", "7", "--chunk-rows", "3"],
        &["--shard-size", "1KiB", "--chunk-elems", "7", "--chunk-rows", "3"],
    ] {
        let (mountpoint, twin) = (Mountpoint::new(), Mountpoint::new());
        success(&mountpoint.mount(args, &RICHER));
        success(&twin.mount(args, &RICHER));
        let mut all = Vec::new();
        files(&mountpoint.store(), &mut all);
        assert!(all.len() > 10);
        for path in all {
            let metadata = fs::metadata(&path).unwrap();
            let whole = fs::read(&path).unwrap();
            assert_eq!(metadata.len(), whole.len() as u64, "{}", path.display());
            assert_eq!(metadata.blocks(), metadata.len().div_ceil(512));
            assert_eq!(metadata.mode() & 0o777, 0o644);
            // Of a mount of which nothing has been read, or the page cache would answer.
            let file =
                File::open(twin.store().join(path.strip_prefix(mountpoint.store()).unwrap()));
            let file = file.unwrap();
            // SAFETY: the descriptor is open, and the call takes no pointers.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
            for at in (0..whole.len()).rev().step_by(whole.len() / 5 + 1) {
                let mut part = vec![0; (whole.len() - at).min(13)];
                file.read_exact_at(&mut part, at as u64).unwrap();
                assert_eq!(part, whole[at..at + part.len()], "{}", path.display());
            }
        }
    }
}

#[test]
fn what_is_absent_or_written_to_is_refused() {
    if !can_mount() {
        return;
    }
    let mountpoint = Mountpoint::new();
    success(&mountpoint.mount(&[], &TWO));
    for name in ["absent", "c", "obs/c", "obs/_index/c/00", "obs/_index/c/99", "obs/_index/c/x"] {
        for _ in 0..2 {
            let error = fs::read(mountpoint.store().join(name)).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "{name}");
        }
    }
    let errors = [
        fs::write(mountpoint.store().join("zarr.json"), "x").unwrap_err(),
        fs::write(mountpoint.path().join("new"), "x").unwrap_err(),
        fs::remove_file(mountpoint.store().join("zarr.json")).unwrap_err(),
        fs::create_dir(mountpoint.store().join("new")).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.raw_os_error(), Some(libc::EROFS));
    }
}

#[test]
fn ordinary_tools_work() {
    if !can_mount() {
        return;
    }
    let mountpoint = Mountpoint::new();
    success(&mountpoint.mount(&["--chunk-elems", "50"], &RICHER));
    let target = tempfile::tempdir().unwrap();
    let copy = target.path().join("copy");
    let tar = target.path().join("all.tar");
    let store = mountpoint.store();
    let (store, copy) = (store.to_str().unwrap(), copy.to_str().unwrap());
    for command in [
        &["cp", "-r", store, copy][..],
        &["diff", "-r", store, copy],
        &["ls", "-lR", store],
        &["find", store, "-type", "f", "-size", "+0"],
        &["du", "-s", store],
        &["tar", "cf", tar.to_str().unwrap(), store],
        &["df", store],
    ] {
        let output = std::process::Command::new(command[0]).args(&command[1..]).output().unwrap();
        success(&output);
    }
}

#[test]
fn open_files_survive_an_unmount() {
    if !can_mount() {
        return;
    }
    let mountpoint = Mountpoint::new();
    success(&mountpoint.mount(&[], &TWO));
    let mut file = File::open(mountpoint.store().join("zarr.json")).unwrap();
    success(&run(&[Path::new("unmount"), mountpoint.path()]));
    assert!(!mountpoint.is_mounted());
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert!(text.ends_with('}'));
}

#[test]
fn signals_unmount() {
    if !can_mount() {
        return;
    }
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mountpoint = Mountpoint::new();
        success(&mountpoint.mount(&[], &TWO));
        // SAFETY: sends a signal to a process that this test started.
        assert_eq!(unsafe { libc::kill(mountpoint.server(), signal) }, 0);
        mountpoint.wait_until_gone();
    }
}

/// A server that ends late, when its mountpoint is already another mount's, leaves that alone.
#[test]
fn a_late_end_does_not_unmount_the_next_mount() {
    if !can_mount() {
        return;
    }
    let mountpoint = Mountpoint::new();
    success(&mountpoint.mount(&[], &TWO));
    let first = mountpoint.server();
    let send = |signal| {
        // SAFETY: sends a signal to a process that this test started.
        assert_eq!(unsafe { libc::kill(first, signal) }, 0);
    };
    send(libc::SIGSTOP);
    success(&run(&[Path::new("unmount"), mountpoint.path()]));
    let again = mountpoint.mount(&[], &TWO);
    send(libc::SIGCONT);
    success(&again);
    wait_until_ended(first);
    assert!(mountpoint.is_mounted());
    assert!(mountpoint.store().join("zarr.json").exists());
}

#[test]
fn a_signal_to_an_old_server_does_not_unmount_the_next_mount() {
    if !can_mount() {
        return;
    }
    let mountpoint = Mountpoint::new();
    success(&mountpoint.mount(&[], &TWO));
    let first = mountpoint.server();
    // Keeps the first server alive.
    let open = File::open(mountpoint.store().join("zarr.json")).unwrap();
    success(&run(&[Path::new("unmount"), mountpoint.path()]));
    success(&mountpoint.mount(&[], &TWO));
    // SAFETY: sends a signal to a process that this test started.
    assert_eq!(unsafe { libc::kill(first, libc::SIGTERM) }, 0);
    wait_until_ended(first);
    drop(open);
    assert!(mountpoint.is_mounted());
    assert!(mountpoint.store().join("zarr.json").exists());
}

/// What Ctrl-C sends must be seen by the shell, or a loop goes on with the next mount; who asks a
/// mount to end otherwise has what was asked for.
#[test]
fn the_foreground_ends_with_a_signal() {
    if !can_mount() {
        return;
    }
    for (sent, ended) in [(libc::SIGTERM, None), (libc::SIGINT, Some(libc::SIGINT))] {
        let mountpoint = Mountpoint::new();
        let mut child = anncat()
            .args(["mount", "--foreground"])
            .args([data(TWO[0]), mountpoint.path().to_owned()])
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while !mountpoint.store().exists() {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::sleep(Duration::from_millis(20));
        }
        // SAFETY: sends a signal to the child of this test.
        assert_eq!(unsafe { libc::kill(child.id() as i32, sent) }, 0);
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), ended);
        assert!(ended.is_some() || status.success());
        assert!(!mountpoint.is_mounted());
    }
}

#[test]
fn several_are_unmounted_also_by_their_stores() {
    if !can_mount() {
        return;
    }
    let (one, two, none) = (Mountpoint::new(), Mountpoint::new(), Mountpoint::new());
    success(&one.mount(&[], &TWO));
    success(&two.mount(&[], &TWO));
    let args = [Path::new("unmount"), none.path(), &one.store(), two.path(), Path::new("/none")];
    let output = run(&args);
    // What can be taken away is, and what cannot is told.
    assert_eq!(output.status.code(), Some(1));
    assert!(!one.is_mounted() && !two.is_mounted());
    let told = stderr(&output);
    assert!(told.contains(none.path().to_str().unwrap()) && told.contains("also: /none"), "{told}");
    success(&one.mount(&[], &TWO));
    success(&run(&[Path::new("unmount"), &one.store()]));
    assert!(!one.is_mounted());
}

#[test]
fn the_log_tells_when_a_mount_began_and_ended() {
    if !can_mount() {
        return;
    }
    let (mountpoint, state) = (Mountpoint::new(), tempfile::tempdir().unwrap());
    let mount = || {
        let mut command = anncat();
        command.arg("mount").args([data(TWO[0]), mountpoint.path().to_owned()]);
        command.env("XDG_STATE_HOME", state.path()).output().unwrap()
    };
    // The second mount at a place has a log of its own.
    for _ in 0..2 {
        let output = mount();
        success(&output);
        let told = stderr(&output);
        let log = told.lines().find_map(|line| line.strip_prefix("log: ")).expect(&told);
        assert!(Path::new(log).starts_with(state.path()), "{log}");
        let server = mountpoint.server();
        success(&run(&[Path::new("unmount"), mountpoint.path()]));
        wait_until_ended(server);
        let text = fs::read_to_string(log).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].contains("merged.zarr in process"), "{text}");
        assert!(lines[1].ends_with("is gone, the process ends"), "{text}");
    }
}

#[test]
fn a_dead_mount_can_be_taken_away() {
    if !can_mount() {
        return;
    }
    let mountpoint = Mountpoint::new();
    success(&mountpoint.mount(&[], &TWO));
    // SAFETY: ends a process that this test started.
    assert_eq!(unsafe { libc::kill(mountpoint.server(), libc::SIGKILL) }, 0);
    let begin = Instant::now();
    while fs::read_dir(mountpoint.path()).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = mountpoint.mount(&[], &TWO);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("whose process has died"), "{}", stderr(&output));
    success(&run(&[Path::new("unmount"), mountpoint.path()]));
    success(&mountpoint.mount(&[], &TWO));
}

#[test]
fn inputs_named_from_the_working_directory_stay_readable() {
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::copy(data(RICHER[0]), dir.path().join("a.h5ad")).unwrap();
    let here = |args: &[&str]| anncat().current_dir(dir.path()).args(args).output().unwrap();
    success(&here(&["materialize", "a.h5ad", "-o", "b.zarr"]));
    let mountpoint = Mountpoint::new();
    success(&here(&["mount", "a.h5ad", "b.zarr", mountpoint.path().to_str().unwrap()]));
    // Longer than the program trusts that a path still leads to the same file.
    std::thread::sleep(Duration::from_millis(300));
    // Absolute paths need no working directory: the same files, the same bytes.
    let reference = Mountpoint::new();
    let whole = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let at = reference.path().to_str().unwrap();
    success(&here(&["mount", &whole("a.h5ad"), &whole("b.zarr"), at]));
    let mut all = Vec::new();
    files(&mountpoint.store(), &mut all);
    for path in all {
        let twin = reference.store().join(path.strip_prefix(mountpoint.store()).unwrap());
        assert!(fs::read(&path).unwrap() == fs::read(twin).unwrap(), "{}", path.display());
    }
}

#[test]
fn a_changed_input_is_an_error_and_the_mount_goes_on() {
    if !can_mount() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("a.h5ad");
    fs::copy(data(TWO[0]), &input).unwrap();
    let mountpoint = Mountpoint::new();
    let log = dir.path().join("log");
    let output =
        anncat().args(["mount", "--log"]).args([&log, &input, mountpoint.path()]).output().unwrap();
    success(&output);
    let file = File::options().append(true).open(&input).unwrap();
    file.set_len(fs::metadata(&input).unwrap().len() + 1).unwrap();
    let mut all = Vec::new();
    files(&mountpoint.store(), &mut all);
    let stale = all
        .iter()
        .filter(|path| {
            fs::read(path).is_err_and(|error| error.raw_os_error() == Some(libc::ESTALE))
        })
        .count();
    assert!(stale > 0);
    assert!(fs::read(mountpoint.store().join("zarr.json")).is_ok());
    assert!(fs::read_to_string(log).unwrap().contains("the file has changed"));
}

/// Which pages of an open file the kernel holds.
fn resident_pages(file: &File) -> Vec<bool> {
    // SAFETY: the file is that of a mount, which does not change; only `mincore` looks at the map.
    let map = unsafe { memmap2::Mmap::map(file).unwrap() };
    let mut pages = vec![0u8; map.len().div_ceil(4096)];
    // SAFETY: the address and length are the map's, and there is one byte for each of its pages.
    let failed =
        unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), map.len(), pages.as_mut_ptr()) };
    assert_eq!(failed, 0, "mincore");
    pages.into_iter().map(|page| page & 1 == 1).collect()
}

/// A mount with a large chunk file, which is opened.
fn mount_with_large_file(num_inputs: usize, page_cache: &str) -> (Mountpoint, File) {
    let mountpoint = Mountpoint::new();
    let inputs = vec!["archive_v0.7.8.h5ad"; num_inputs];
    success(&mountpoint.mount(&["--join=outer", "--page-cache", page_cache], &inputs));
    let file = File::open(mountpoint.store().join("obsm/array/c/0/0")).unwrap();
    (mountpoint, file)
}

#[test]
fn a_reader_in_sequence_is_read_ahead_of_by_whole_chunks() {
    if !can_mount() {
        return;
    }
    let (_mountpoint, file) = mount_with_large_file(600, "read");
    let num_pages = resident_pages(&file).len();
    assert!((513..=1024).contains(&num_pages), "the file should be a chunk, and a large one");
    file.read_exact_at(&mut vec![0; 2 << 20], 0).unwrap();
    let num_held = || resident_pages(&file).iter().filter(|&&held| held).count();
    let device = file.metadata().unwrap().dev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    let setting = format!("/sys/class/bdi/{major}:{minor}/read_ahead_kb");
    if fs::OpenOptions::new().write(true).open(&setting).is_err() {
        println!("the kernel's read-ahead cannot be set here, so it was not");
        return;
    }
    let begin = Instant::now();
    while num_held() < num_pages {
        assert!(begin.elapsed() < Duration::from_secs(20), "{} of {num_pages} pages", num_held());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn surroundings_of_scattered_reads_are_stored_as_they_are() {
    if !can_mount() {
        return;
    }
    let (_mountpoint, file) = mount_with_large_file(60, "all");
    // SAFETY: the descriptor is open, and the call takes no pointers.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) };
    file.read_exact_at(&mut [0; 100], 300_000).unwrap();
    // The third window of 128 KiB, and nothing of those before it.
    let begin = Instant::now();
    while !resident_pages(&file)[64..96].iter().all(|&held| held) {
        assert!(begin.elapsed() < Duration::from_secs(20), "the window is not stored");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!resident_pages(&file)[..64].iter().any(|&held| held));
    let (_other, plain) = mount_with_large_file(60, "computed");
    let (mut stored, mut expected) = (vec![0; 1 << 17], vec![0; 1 << 17]);
    file.read_exact_at(&mut stored, 1 << 18).unwrap();
    plain.read_exact_at(&mut expected, 1 << 18).unwrap();
    assert_eq!(stored, expected);
}

/// Every file below a directory, with its bytes.
fn contents(store: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths = Vec::new();
    files(store, &mut paths);
    paths.sort();
    let content = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path.strip_prefix(store).unwrap().to_owned(), bytes)
    };
    paths.into_iter().map(content).collect()
}

#[test]
fn a_plan_gives_the_same_bytes_everywhere_or_says_what_changed() {
    if !can_mount() {
        return;
    }
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (inputs, plan) = (here.path().join("data"), here.path().join("plans/plan.json"));
    fs::create_dir(&inputs).unwrap();
    fs::create_dir(plan.parent().unwrap()).unwrap();
    for name in ["a.h5ad", "b.h5ad"] {
        fs::copy(data(RICHER[0]), inputs.join(name)).unwrap();
        fs::copy(data(RICHER[0]), there.path().join(name)).unwrap();
    }
    let saving = anncat()
        .args(["inspect", "--label", "donor", "--index-unique", "-", "--shard-size", "1MiB"])
        .arg("--save")
        .args([plan.clone(), inputs.join("a.h5ad"), inputs.join("b.h5ad")])
        .output()
        .unwrap();
    success(&saving);
    let relocate = format!("{}={}", inputs.display(), there.path().display());
    let plan = plan.to_str().unwrap();
    let mut seen = Vec::new();
    for args in
        [&["--plan", plan][..], &["--plan", plan], &["--plan", plan, "--relocate", &relocate]]
    {
        let mountpoint = Mountpoint::new();
        success(&mountpoint.mount(args, &[]));
        seen.push(contents(mountpoint.path()));
        success(&run(&[Path::new("unmount"), mountpoint.path()]));
    }
    assert!(seen[0].len() > 20);
    for part in ["merged.zarr/obs/donor", "merged.h5ad"] {
        assert!(seen[0].iter().any(|(path, _)| path.starts_with(part)), "{part}");
    }
    assert!(seen.iter().all(|contents| *contents == seen[0]), "the bytes differ");

    // What the plan says cannot be said twice.
    let mountpoint = Mountpoint::new();
    let refused = mountpoint.mount(&["--plan", plan, "--label", "x"], &[]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let refused = mountpoint.mount(&["--plan", plan, "--shard-size", "2MiB"], &[]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let refused = mountpoint.mount(&["--plan", plan], &[RICHER[0]]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));

    // An input that was written to since is named, and nothing is mounted.
    let changed = inputs.join("b.h5ad");
    let bytes = fs::read(&changed).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    fs::write(&changed, bytes).unwrap();
    let refused = mountpoint.mount(&["--plan", plan], &[]);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(told.contains("b.h5ad: this is not the input that the plan was made of"), "{told}");
    assert!(!mountpoint.is_mounted());
    let out = there.path().join("out.h5ad");
    let materializing = |args: &[&str]| {
        anncat().args(["materialize", "--plan", plan]).args(args).arg("-o").arg(&out).output()
    };
    assert_eq!(materializing(&[]).unwrap().status.code(), Some(1));
    assert!(!out.exists());
    success(&materializing(&["--relocate", &relocate]).unwrap());
    assert!(out.exists());
}
