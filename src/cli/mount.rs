//! `anncat mount`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use serde::Serialize;
use signal_hook::iterator::Signals;

use super::daemon::{self, Handshake, Outcome, Side};
use super::dropped::DroppedArgs;
use super::failure::Doing;
use super::inputs::is_input;
use super::load::Loaded;
use super::talk::MergeAnswer;
use super::words::{counted, quoted};
use super::{Failure, RecipeArgs, Result, Talk, load, log_file, signals, usage};
use crate::base::{Kind, zarr_documents};
use crate::concat::NameCheck;
use crate::face::h5ad::H5adFace;
use crate::face::zarr::ZarrFace;
use crate::fuse::{self, Access, Export, MountError, MountOptions, Mounted, PageCache};
use crate::recipe::{Limits, Recipe};

/// Names of the store and of the file in the mountpoint.
const STORE: &str = "merged.zarr";
const FILE: &str = "merged.h5ad";
/// What is said of a mountpoint that is none.
const LAST: &str = "the last argument is the mountpoint, an empty directory";
/// What is said of a log that is none.
const CANNOT_LOG: &str = "cannot open the log";
/// How long readers may finish after a signal.
const GRACE: Duration = Duration::from_secs(2);

/// Present many AnnData files as one zarr store and one .h5ad file
///
/// MOUNTPOINT/merged.zarr is the concatenation of all inputs, and merged.h5ad beside it the same as an
/// HDF5 file. They take no space: what is read of them is computed from the inputs at that moment.
/// The command returns when the store can be read, and leaves a process that serves both in the
/// background until `anncat unmount MOUNTPOINT`.
#[derive(Debug, Args)]
#[command(
    override_usage = "anncat mount [OPTIONS] INPUT... MOUNTPOINT",
    after_help = "Examples:
  anncat mount --label dataset b_cells=a.h5ad fetal=b.h5ad mnt
  anncat mount --join outer --index-unique - a.h5ad b.zarr mnt
  ls data/*.h5ad | anncat mount --from - mnt
  anncat mount --zarr-format 3 --shard-size 64MiB a.h5ad b.h5ad mnt
  anncat mount --plan plan.json mnt"
)]
pub struct MountArgs {
    /// Inputs (an .h5ad file or a .zarr directory, or PATH::GROUP, the AnnData in a group of it, such
    /// as x.h5mu::mod/rna; KEY=PATH gives it a key), then an empty directory. A path that exists
    /// under its whole name is never taken as KEY=PATH
    #[arg(value_name = "INPUT... MOUNTPOINT", required = true)]
    paths: Vec<OsString>,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    serving: ServingArgs,
}

/// How the mount is served.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Serving")]
struct ServingArgs {
    /// Stay in the foreground until unmounted or interrupted
    #[arg(long)]
    foreground: bool,
    /// Say `ready` on standard output when the store can be read, and unmount when standard input
    /// ends: for programs that start this one; needs --foreground
    #[arg(long, requires = "foreground")]
    until_eof: bool,
    /// Remove the mountpoint, which is empty then, when the mount is gone; needs --foreground
    #[arg(long, requires = "foreground")]
    remove_mountpoint: bool,
    /// Threads that answer requests [default: two a core, 4 to 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// What the kernel keeps in memory that is free: what was read, and what lies next to scattered
    /// reads (`all`); only what was `read`; or only what was `computed`, where what the inputs hold
    /// uncompressed is read from them each time, which is faster for data that are read once or do
    /// not fit in memory twice
    #[arg(long, value_enum, default_value = "all", value_name = "WHAT")]
    page_cache: PageCacheArg,
    /// Leave merged.h5ad out, and show merged.zarr alone
    #[arg(long)]
    no_h5ad: bool,
    /// Let other users read the mount, too
    #[arg(long)]
    allow_other: bool,
    /// Append messages of the background process to FILE; when that has 16 MiB it is renamed to
    /// FILE.1, and begun anew [default: a file for each mountpoint in
    /// ~/.local/state/anncat, which each mount begins anew, and which is gone 30 days after the
    /// last message]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PageCacheArg {
    All,
    Read,
    Computed,
}

pub fn run(args: MountArgs, talk: Talk) -> Result<ExitCode> {
    let Some((mountpoint, named)) = args.paths.split_last() else {
        return Err(usage("there is no mountpoint"));
    };
    let sources = &args.recipe.inputs;
    if named.is_empty() && sources.from.is_none() && sources.plan.is_none() {
        return Err(usage(format!(
            "{} is the only path, which makes it the mountpoint; there are no inputs\n  \
             hint: anncat mount INPUT... MOUNTPOINT",
            mountpoint.display()
        )));
    }
    let mountpoint = Path::new(mountpoint);
    args.recipe.dropped.check_stdout(talk.is_json() || args.serving.until_eof)?;
    let recipe = args.recipe.recipe_with_layout(named)?;
    let (limits, dropped) = (args.recipe.limits(), &args.recipe.dropped);
    check_mountpoint(mountpoint)?;
    fuse::session::check_device()?;
    let mountpoint =
        mountpoint.canonicalize().doing_at(Kind::Mountpoint, mountpoint, "cannot be used")?;
    let log = log_of(&args.serving, &mountpoint)?;
    if args.serving.foreground {
        let mut served = serve(&recipe, limits, &mountpoint, &args.serving, dropped, talk)?;
        say_ready(&mountpoint, &args.serving, None, talk);
        served.tell(talk)?;
        if args.serving.until_eof {
            unmount_at_eof(&served.mounted)?;
            let mut out = io::stdout();
            writeln!(out, "ready")
                .and_then(|()| out.flush())
                .doing(Kind::System, "nobody reads the standard output")?;
        }
        served.check_names(talk)?;
        let finished = finish(served.mounted);
        if args.serving.remove_mountpoint
            && let Err(error) = fs::remove_dir(&mountpoint)
        {
            log::debug!("{}: {error}", mountpoint.display());
        }
        signals::end_by_interrupt();
        return finished;
    }
    // What somebody named is left alone.
    let begun = log.as_deref().filter(|_| args.serving.log.is_none());
    let side = daemon::fork().inspect_err(|_| begun.into_iter().for_each(log_file::forget_empty));
    let side = side.doing(Kind::System, "cannot start a background process")?;
    match side {
        Side::Parent(waiter) => {
            let outcome = waiter.wait();
            if !matches!(outcome, Ok(Outcome::Ready)) {
                begun.into_iter().for_each(log_file::forget_empty);
            }
            match outcome.doing(Kind::System, "cannot wait for the mount")? {
                Outcome::Ready => {
                    say_ready(&mountpoint, &args.serving, log.as_deref(), talk);
                    Ok(ExitCode::SUCCESS)
                }
                Outcome::Failed(code) => Ok(ExitCode::from(code.max(1))),
                Outcome::Killed(signal) => {
                    let what = format!("the mount's process was ended by signal {signal}");
                    Err(Failure::new(Kind::System, what))
                }
            }
        }
        Side::Child(handshake) => {
            let mut served = serve(&recipe, limits, &mountpoint, &args.serving, dropped, talk)?;
            served.answer.log = log.as_deref().map(|log| log.display().to_string());
            served.tell(talk)?;
            announce(handshake, &served.mounted, log.as_deref())?;
            // The first line and the last one of the log.
            let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
            let [n_obs, n_vars] = served.answer.merge.shape;
            log::info!(
                "anncat {version} serves {} in process {process}: {n_obs} obs × {n_vars} vars from {}",
                served.answer.store,
                counted(served.answer.merge.inputs, "input")
            );
            served.check_names(talk)?;
            let finished = finish(served.mounted);
            log::info!("{} is gone, the process ends", served.answer.store);
            finished
        }
    }
}

/// A mount that can be read, and what is to be told of it.
struct Served {
    mounted: Mounted,
    answer: MountAnswer,
    names: Option<NameCheck>,
}

/// What `--json` prints of a mount.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct MountAnswer {
    mountpoint: String,
    store: String,
    /// None with `--no-h5ad`.
    file: Option<String>,
    /// None in the foreground, and where there is no place for it.
    log: Option<String>,
    #[serde(flatten)]
    merge: MergeAnswer,
}

impl Served {
    /// Tells programs. To be called before stdout goes elsewhere.
    fn tell(&self, talk: Talk) -> Result<()> {
        if talk.is_json() { talk.print(&self.answer) } else { Ok(()) }
    }

    /// Tells whether names are unique, once that is known: in the background, in the log, which
    /// stderr is by then.
    fn check_names(&mut self, talk: Talk) -> Result<()> {
        if let Some(names) = self.names.take() {
            load::check_names(names, move |repeated| repeated.iter().for_each(|it| talk.note(it)))?;
        }
        Ok(())
    }
}

fn say_ready(mountpoint: &Path, args: &ServingArgs, log: Option<&Path>, talk: Talk) {
    let shown = mountpoint.display();
    let and_file = if args.no_h5ad { String::new() } else { format!(" and {FILE}") };
    talk.say(format_args!("mounted: {shown}/{STORE}{and_file}"));
    talk.say(format_args!("unmount: anncat unmount {}", quoted(mountpoint)));
    if let Some(log) = log {
        talk.say(format_args!("log: {}", log.display()));
    }
}

/// Where the process in the background writes: what was asked for, else a place of the user's own,
/// if there is one that can be written to.
fn log_of(args: &ServingArgs, mountpoint: &Path) -> Result<Option<PathBuf>> {
    let Some(log) = &args.log else {
        let place = if args.foreground { None } else { log_file::default_log(mountpoint) };
        return Ok(place.filter(|log| log_file::start(log).is_ok()));
    };
    // For messages that somebody reads elsewhere.
    let log = std::path::absolute(log).doing_at(Kind::System, log, CANNOT_LOG)?;
    if !log_file::may_go_on(&log) {
        return Err(usage(format!(
            "{}: something that is no log stands there\n  hint: give --log the name of a new file",
            log.display()
        )));
    }
    let place = log.parent().and_then(|place| place.canonicalize().ok());
    if place.is_some_and(|place| place.starts_with(mountpoint)) {
        return Err(usage(format!(
            "{}: the log cannot lie in the mountpoint\n  hint: give --log a name elsewhere",
            log.display()
        )));
    }
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&log);
    opened.map_err(|error| {
        Failure::at(Kind::of_writing(&error), &log, format_args!("{CANNOT_LOG}: {error}"))
    })?;
    Ok(Some(log))
}

/// Loads the inputs and mounts their concatenation.
fn serve(
    recipe: &Recipe,
    limits: Limits,
    mountpoint: &Path,
    args: &ServingArgs,
    dropped: &DroppedArgs,
    talk: Talk,
) -> Result<Served> {
    let Loaded { merged, names } = load::load(recipe, limits, dropped, talk)?;
    let face = ZarrFace::new(&merged.root, &recipe.layout)?;
    for error in face.left_out() {
        talk.note(format_args!("left out of {STORE}: {error}"));
    }
    let answer = MountAnswer {
        mountpoint: mountpoint.display().to_string(),
        store: mountpoint.join(STORE).display().to_string(),
        file: (!args.no_h5ad).then(|| mountpoint.join(FILE).display().to_string()),
        log: None,
        merge: MergeAnswer {
            shape: merged.report.shape,
            inputs: merged.identities.len(),
            notices: merged.report.notices.clone(),
            left_out: face.left_out().iter().map(ToString::to_string).collect(),
        },
    };
    let modified = merged.modified.unwrap_or_else(SystemTime::now);
    let mut exports = vec![Export { name: STORE.to_owned(), face: Arc::new(face) }];
    if !args.no_h5ad {
        let face = Arc::new(H5adFace::new(merged.root));
        exports.push(Export { name: FILE.to_owned(), face });
    }
    release_memory();
    let mut mount_options = MountOptions { modified, ..MountOptions::default() };
    if let Some(threads) = args.threads {
        mount_options.threads = threads.into();
    }
    mount_options.page_cache = match args.page_cache {
        PageCacheArg::All => PageCache::All,
        PageCacheArg::Read => PageCache::Read,
        PageCacheArg::Computed => PageCache::Computed,
    };
    if args.allow_other {
        mount_options.access = Access::Everyone;
    }
    // Signals that come while the mount is being made wait until they can unmount it.
    let signals = signals::ending().doing(Kind::System, "cannot catch signals")?;
    let mounted = fuse::mount(mountpoint, exports, &mount_options)?;
    unmount_on(signals, &mounted)?;
    // The store must be readable before anyone is told so.
    let store = mountpoint.join(STORE);
    std::fs::metadata(&store).doing_at(Kind::System, &store, "the mount does not answer")?;
    Ok(Served { mounted, answer, names })
}

fn announce(handshake: Handshake, mounted: &Mounted, log: Option<&Path>) -> Result<()> {
    let announced = handshake.announce(log);
    if announced.is_err() {
        mounted.unmounter().unmount()?;
    }
    announced.doing(Kind::System, "cannot go to the background")
}

/// Serves until the mount is taken away.
fn finish(mounted: Mounted) -> Result<ExitCode> {
    mounted.wait().doing(Kind::System, "the connection to the kernel broke")?;
    Ok(ExitCode::SUCCESS)
}

/// Unmounts and ends the process on the first signal.
fn unmount_on(mut signals: Signals, mounted: &Mounted) -> Result<()> {
    unmount_after("signals", mounted, move || match signals.forever().next() {
        Some(signal) => {
            signals::caught(signal);
            log::info!("ended by signal {signal}");
            true
        }
        None => false,
    })
}

/// The same when standard input ends: who started this process has died, or wants no more.
fn unmount_at_eof(mounted: &Mounted) -> Result<()> {
    unmount_after("input", mounted, || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        true
    })
}

/// Unmounts and ends the process when `has_come` returns true, on a thread of this name.
fn unmount_after(
    name: &str,
    mounted: &Mounted,
    has_come: impl FnOnce() -> bool + Send + 'static,
) -> Result<()> {
    let unmounter = mounted.unmounter();
    let wait = move || {
        if has_come() {
            let unmounted = unmounter.unmount();
            let is_gone = matches!(unmounted, Ok(()) | Err(MountError::NotMounted { .. }));
            if let Err(error) = unmounted {
                log::warn!("{error}");
            }
            // The process ends by itself when no file of the mount is open. Who still reads after
            // that gets errors.
            std::thread::sleep(GRACE);
            unmounter.cut_off();
            signals::end_by_interrupt();
            std::process::exit(i32::from(!is_gone));
        }
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(wait)
        .doing(Kind::System, "cannot start a thread")?;
    Ok(())
}

/// Refuses a mountpoint that would hide something, or that is no directory at all.
fn check_mountpoint(mountpoint: &Path) -> Result<()> {
    let typed = quoted(mountpoint);
    let refused =
        |what: &dyn std::fmt::Display| Err(Failure::at(Kind::Mountpoint, mountpoint, what));
    let dead =
        format!("a mount whose process has died is still there\n  hint: anncat unmount {typed}");
    let metadata = match std::fs::metadata(mountpoint) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if is_input(mountpoint.as_os_str()) {
                return refused(&format_args!(
                    "this is an input, not the mountpoint\n  hint: {LAST}"
                ));
            }
            return refused(&format_args!("the mountpoint does not exist\n  hint: mkdir {typed}"));
        }
        Err(error) if is_dead_mount(&error) => return refused(&dead),
        Err(error) => return refused(&format_args!("the mountpoint cannot be used: {error}")),
    };
    if !metadata.is_dir() {
        return refused(&format_args!("the mountpoint is not a directory\n  hint: {LAST}"));
    }
    if zarr_documents::OF_A_STORE.iter().any(|name| mountpoint.join(name).exists()) {
        return refused(&format_args!("the mountpoint is itself a zarr store\n  hint: {LAST}"));
    }
    let mut entries = match std::fs::read_dir(mountpoint) {
        Ok(entries) => entries,
        Err(error) if is_dead_mount(&error) => return refused(&dead),
        Err(error) => return refused(&format_args!("the mountpoint cannot be read: {error}")),
    };
    if entries.next().is_none() {
        return Ok(());
    }
    let there = fuse::mounts::resolve(mountpoint).and_then(|path| fuse::mounts::at(&path));
    match there {
        Ok(Some(entry)) if entry.is_ours() => refused(&format_args!(
            "something is mounted there already\n  hint: anncat unmount {typed}"
        )),
        _ => refused(
            &"the mountpoint is not empty\n  hint: mount on an empty directory, so that nothing is \
              hidden",
        ),
    }
}

/// True for what the kernel says of a mount whose process is gone.
fn is_dead_mount(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOTCONN)
}

/// Gives memory that loading needed back to the system.
fn release_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes no pointers, and may be made at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
