//! `anncat materialize`.

use std::ffi::OsString;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::HumanBytes;
use serde::Serialize;

use super::failure::Doing;
use super::inputs::is_input;
use super::load::Loaded;
use super::talk::MergeAnswer;
use super::words::quoted;
use super::{Counted, Failure, RecipeArgs, Result, Talk, load, parse_count, signals, usage};
use crate::base::Kind;
use crate::face::zarr::ZarrOptions;
use crate::materialize::{
    Cancel, Durability, Existing, Leftover, Limits, OutputRules, TargetKind, Writer, check_target,
    h5ad, leftovers, remove_leftover, zarr,
};

/// Write many AnnData files into one real file
///
/// OUT is the concatenation of all inputs: an .h5ad file or a .zarr directory, as its name says. It
/// is written beside its place and renamed when complete; memory stays bounded whatever the inputs'
/// sizes, and no FUSE is needed.
#[derive(Debug, Args)]
#[command(
    override_usage = "anncat materialize [OPTIONS] INPUT... -o OUT.h5ad|OUT.zarr",
    after_help = "Examples:
  anncat materialize --label dataset b_cells=a.h5ad fetal=b.h5ad -o merged.h5ad
  anncat materialize --join outer --compression gzip a.h5ad b.zarr -o merged.h5ad
  ls data/*.h5ad | anncat materialize --from - --memory 256MiB -o merged.zarr"
)]
pub struct MaterializeArgs {
    /// Inputs: an .h5ad file or a .zarr directory, or PATH::GROUP, the AnnData in a group of it, such
    /// as x.h5mu::mod/rna; KEY=PATH gives it a key. A path that exists under its whole name is never
    /// taken as KEY=PATH
    #[arg(value_name = "INPUT")]
    paths: Vec<OsString>,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    output: WriteArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What is written.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
struct WriteArgs {
    /// File or directory to write; its name ends in .h5ad (or .h5) or .zarr
    #[arg(long = "output", short, value_name = "OUT")]
    out: Option<PathBuf>,
    /// Replace the output if it exists; an input is never replaced
    #[arg(long, short)]
    force: bool,
    /// Return only when the disk has the output, so that a power failure cannot lose it
    #[arg(long)]
    sync: bool,
    /// Compression: none, gzip or lzf for .h5ad [default: none], none, gzip or zstd for .zarr
    /// [default: zstd]
    #[arg(long, value_enum, value_name = "HOW")]
    compression: Option<CompressionArg>,
    /// Compression level: 0 to 9 for gzip [default: 4], 1 to 22 for zstd [default: 1, as is 0]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=22))]
    level: Option<u8>,
}

/// How much is in flight.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Resources")]
struct LimitArgs {
    /// Never hold more than N elements in flight, beside the bound of --memory
    #[arg(long, value_name = "N", value_parser = parse_count)]
    max_loaded_elems: Option<NonZeroU64>,
    /// Threads that read, compress and write [default: one a core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum CompressionArg {
    None,
    Gzip,
    Lzf,
    Zstd,
}

/// Between two looks whether a signal came.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What the output is to be.
enum Output {
    H5ad(h5ad::H5adOptions),
    Zarr(zarr::ZarrWriteOptions),
}

pub fn run(args: &MaterializeArgs, talk: Talk) -> Result<ExitCode> {
    let Some(out) = &args.output.out else { return Err(no_output(&args.paths)) };
    // Without a slash at its end.
    let out = &out.components().collect::<PathBuf>();
    args.recipe.dropped.check_stdout(talk.is_json())?;
    let recipe = args.recipe.recipe(&args.paths)?;
    let rules = OutputRules {
        existing: if args.output.force { Existing::Replace } else { Existing::Refuse },
        inputs: recipe.inputs.iter().map(|input| input.path().to_owned()).collect(),
        durability: if args.output.sync { Durability::Synced } else { Durability::Cached },
    };
    let output = output(args, out, recipe.layout, rules.clone())?;
    let kind = match &output {
        Output::H5ad(_) => TargetKind::File,
        Output::Zarr(_) => TargetKind::Directory,
    };
    check_target(out, kind, &rules)?;
    args.recipe.dropped.check(out)?;
    clear_leftovers(out, talk);
    let started = Instant::now();
    let Loaded { mut merged, names } =
        load::load(&recipe, args.recipe.limits(), &args.recipe.dropped, talk)?;
    // Files that inputs lead to are inputs too, and known only now.
    let rules = OutputRules { inputs: merged.files(), ..rules };
    check_target(out, kind, &rules)?;
    if let Output::H5ad(_) = output
        && args.output.compression.is_none()
        && let Some(notice) = merged.plain_output()
    {
        load::tell(notice, &mut merged.report.notices, talk);
    }
    let names = names.map(|names| load::check_names(names, |repeated| repeated)).transpose()?;
    let cancel = signals::cancel().doing(Kind::System, "cannot catch signals")?;
    let (writing, progress) = (Instant::now(), Counted::new(talk.progress()));
    let left_out: Vec<String> = match output {
        Output::H5ad(options) => {
            let options = h5ad::H5adOptions { cancel: cancel.clone(), rules, ..options };
            h5ad::write(&merged.root, out, &options, &progress)?;
            Vec::new()
        }
        Output::Zarr(options) => {
            let options = zarr::ZarrWriteOptions { cancel: cancel.clone(), rules, ..options };
            let left_out = zarr::write(&merged.root, out, &options, &progress)?;
            left_out.iter().map(ToString::to_string).collect()
        }
    };
    let repeated = names.and_then(|names| awaited(names, &cancel)).unwrap_or_default();
    for notice in repeated {
        load::tell(notice, &mut merged.report.notices, talk);
    }
    for error in &left_out {
        talk.note(format_args!("left out: {error}"));
    }
    let seconds = started.elapsed().as_secs_f64();
    let bytes = size_bytes(out);
    // The bytes that the bar counts, over the time in which it does.
    let data_bytes = progress.bytes();
    let rate = data_bytes as f64 / writing.elapsed().as_secs_f64().max(1e-3);
    talk.say(format_args!(
        "wrote {}: {} in {seconds:.1} s ({} of data at {}/s)",
        out.display(),
        HumanBytes(bytes),
        HumanBytes(data_bytes),
        HumanBytes(rate as u64)
    ));
    if talk.is_json() {
        talk.print(&WriteAnswer {
            output: out.display().to_string(),
            len_bytes: bytes,
            data_bytes,
            seconds,
            merge: MergeAnswer {
                shape: merged.report.shape,
                inputs: merged.identities.len(),
                notices: merged.report.notices,
                left_out,
            },
        })?;
    }
    // A signal that came when all was written.
    signals::end_by_caught();
    Ok(ExitCode::SUCCESS)
}

/// What a thread found out, unless somebody asks to stop: then it is left to itself.
fn awaited<T>(thread: JoinHandle<Option<T>>, cancel: &Cancel) -> Option<T> {
    while !thread.is_finished() {
        if cancel.is_cancelled() {
            return None;
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    thread.join().ok().flatten()
}

/// What `--json` prints of an output.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct WriteAnswer {
    output: String,
    len_bytes: u64,
    data_bytes: u64,
    seconds: f64,
    #[serde(flatten)]
    merge: MergeAnswer,
}

/// Resolves the options of the format that the output's name tells.
fn output(
    args: &MaterializeArgs,
    path: &Path,
    layout: ZarrOptions,
    rules: OutputRules,
) -> Result<Output> {
    let limits = limits(args);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("h5ad" | "h5") if std::path::absolute(path).is_ok_and(|it| it.to_str().is_none()) => {
            Err(usage(format!(
                "{}: an .h5ad can only be written to a path that is UTF-8\n  \
                 hint: write it elsewhere and move it",
                path.display()
            )))
        }
        Some("h5ad" | "h5") => h5ad_options(args, limits, rules).map(Output::H5ad),
        Some("zarr") => zarr_options(args, layout, limits, rules).map(Output::Zarr),
        _ => Err(usage(format!(
            "{}: the output's name tells its format, and must end in .h5ad or .zarr\n  \
             hint: -o {}",
            path.display(),
            quoted(&path.with_extension("h5ad"))
        ))),
    }
}

/// What is wrong when no output is named. It is often the last path, without its option.
fn no_output(paths: &[OsString]) -> Failure {
    let is_output = |path: &&Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("h5ad" | "zarr")) && !is_input(path.as_os_str())
    };
    let meant = paths.last().map(Path::new).filter(is_output);
    let meant = meant.map_or_else(|| "OUT.h5ad".to_owned(), quoted);
    usage(format!("there is no output\n  hint: name it with -o {meant}"))
}

fn h5ad_options(
    args: &MaterializeArgs,
    limits: Limits,
    rules: OutputRules,
) -> Result<h5ad::H5adOptions> {
    let (out, store) = (&args.output, &args.recipe.store);
    if let Some(option) = store.given().find(|option| *option != "--chunk-elems") {
        return Err(usage(format!(
            "{option} is for .zarr outputs\n  hint: leave it out, or let the output's name end in \
             .zarr"
        )));
    }
    let compression = match out.compression.unwrap_or(CompressionArg::None) {
        CompressionArg::Gzip => h5ad::Compression::Gzip { level: gzip_level(out.level)? },
        CompressionArg::None => without_level(out.level, h5ad::Compression::None, "gzip")?,
        CompressionArg::Lzf => without_level(out.level, h5ad::Compression::Lzf, "gzip")?,
        CompressionArg::Zstd => {
            return Err(usage(
                "zstd is for .zarr outputs\n  hint: an .h5ad is compressed by gzip or lzf",
            ));
        }
    };
    Ok(h5ad::H5adOptions {
        compression,
        chunk_elements: store.chunk_elems.map_or(h5ad::CHUNK_ELEMENTS, NonZeroU64::get),
        limits,
        rules,
        cancel: Cancel::default(),
    })
}

fn zarr_options(
    args: &MaterializeArgs,
    layout: ZarrOptions,
    limits: Limits,
    rules: OutputRules,
) -> Result<zarr::ZarrWriteOptions> {
    let out = &args.output;
    // What is asked for goes before what a plan says.
    let ZarrOptions { format, geometry } = args.recipe.store.over(layout)?;
    let compression = match out.compression.unwrap_or(CompressionArg::Zstd) {
        CompressionArg::Zstd => zarr::Compression::Zstd { level: out.level.unwrap_or(1) },
        CompressionArg::Gzip => zarr::Compression::Gzip { level: gzip_level(out.level)? },
        CompressionArg::None => without_level(out.level, zarr::Compression::None, "gzip or zstd")?,
        CompressionArg::Lzf => {
            return Err(usage(
                "lzf is for .h5ad outputs\n  hint: a .zarr is compressed by gzip or zstd",
            ));
        }
    };
    Ok(zarr::ZarrWriteOptions {
        format,
        compression,
        geometry,
        limits,
        rules,
        cancel: Cancel::default(),
    })
}

/// A compression that knows no levels; these do.
fn without_level<T>(level: Option<u8>, compression: T, with_levels: &str) -> Result<T> {
    match level {
        None => Ok(compression),
        Some(level) => Err(usage(format!(
            "--level {level} needs a compression with levels\n  hint: --compression {with_levels}"
        ))),
    }
}

fn gzip_level(level: Option<u8>) -> Result<u8> {
    match level.unwrap_or(4) {
        level @ 0..=9 => Ok(level),
        level => Err(usage(format!("gzip has no level {level}\n  hint: 0 to 9"))),
    }
}

fn limits(args: &MaterializeArgs) -> Limits {
    let default = Limits::default();
    Limits {
        memory_bytes: args.recipe.resources.memory / 4,
        max_loaded_elems: args.limits.max_loaded_elems.map(NonZeroU64::get),
        threads: args
            .limits
            .threads
            .and_then(|threads| NonZeroUsize::new(threads.into()))
            .unwrap_or(default.threads),
    }
}

/// Takes away what runs left that were killed, and tells of what may be another's.
fn clear_leftovers(out: &Path, talk: Talk) {
    for Leftover { path, writer } in leftovers(out) {
        let shown = path.display();
        let is_removed = writer == Writer::Dead && remove_leftover(&path).is_ok();
        match writer {
            _ if is_removed => {
                talk.note(format_args!("removed {shown}, left of a run that was killed"))
            }
            Writer::Alive => talk.note(format_args!("{shown} belongs to a run that still writes")),
            Writer::Dead | Writer::Unknown => talk.note(format_args!(
                "{shown} is left of a run that was killed, or belongs to one that still writes \
                 elsewhere\n  hint: remove it if nothing writes there"
            )),
        }
    }
}

/// Bytes of a file, or of all files in a directory.
fn size_bytes(path: &Path) -> u64 {
    let Ok(meta) = std::fs::metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.len();
    }
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries.filter_map(std::result::Result::ok).map(|entry| size_bytes(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_interrupts_does_not_wait_for_a_thread() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || held.recv().ok().map(|()| 1));
        let cancel = Cancel::default();
        cancel.cancel();
        assert_eq!(awaited(thread, &cancel), None);
        drop(hold);
        assert_eq!(awaited(std::thread::spawn(|| Some(2)), &Cancel::default()), Some(2));
    }
}
