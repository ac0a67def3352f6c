//! `anncat inspect`: what the merge would be, before doing it.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use indicatif::HumanBytes;

use super::failure::Doing;
use super::plain::{plain, plain_cell};
use super::words::counted;
use super::{RecipeArgs, Result, Talk};
use crate::base::Kind;
use crate::concat::{NoticeReport, Report};
use crate::recipe::{Planned, plan_file};

/// Inputs that are listed one by one; the rest is in `--json`.
const LISTED_INPUTS: usize = 40;

/// Say what the result would be, without making it
///
/// Shows the shape of the concatenation, every element with its encoding and dtype, how the joined
/// axis comes about, what is dropped or converted and why, and what has to be read before the first
/// answer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  anncat inspect --label dataset b_cells=a.h5ad fetal=b.h5ad
  anncat inspect --join outer --json a.h5ad b.zarr | jq .shape
  anncat inspect --label donor --save plan.json a.h5ad b.h5ad; anncat mount --plan plan.json mnt")]
pub struct InspectArgs {
    /// Inputs: an .h5ad file or a .zarr directory, or PATH::GROUP, the AnnData in a group of it, such
    /// as x.h5mu::mod/rna; KEY=PATH gives it a key
    #[arg(value_name = "INPUT")]
    paths: Vec<OsString>,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Write inputs, concatenation and layout to a plan, with what makes each input the same
    /// input; --plan of mount, materialize and inspect carries it out
    #[arg(long, value_name = "PLAN.json", help_heading = "Plan")]
    save: Option<PathBuf>,
}

/// Runs `anncat inspect`.
pub fn run(args: &InspectArgs, talk: Talk) -> Result<ExitCode> {
    args.recipe.dropped.check_stdout(true)?;
    let recipe = args.recipe.recipe_with_layout(&args.paths)?;
    args.save.iter().try_for_each(|path| args.recipe.dropped.check(path))?;
    let planned = Planned::open(&recipe, args.recipe.limits())?;
    let mut report = planned.report();
    report.notices.extend(planned.name_check().run()?.into_iter().map(NoticeReport::from));
    args.recipe.dropped.write(&planned)?;
    if let Some(path) = &args.save {
        plan_file::write(&planned.pinned()?, path)?;
        talk.say(format_args!("wrote {}", path.display()));
    }
    if talk.is_json() {
        talk.print(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    match print(&report, &mut std::io::stdout().lock()) {
        // The reader has seen enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        printed => printed.doing(Kind::System, "cannot print")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Report, out: &mut impl Write) -> std::io::Result<()> {
    let [n_obs, n_vars] = report.shape;
    let joined = &report.joined;
    writeln!(out, "{n_obs} obs × {n_vars} vars, concatenated along {}", report.axis)?;

    writeln!(out, "\nInputs, and what of their {} is joined", joined.axis)?;
    let mut rows = vec![
        ["key", report.axis, joined.axis, "kept", "dropped", "introduced", "file"]
            .map(str::to_owned),
    ];
    rows.extend(joined.inputs.iter().take(LISTED_INPUTS).map(|input| {
        [
            input.key.clone(),
            input.concatenated.to_string(),
            input.len.to_string(),
            input.kept.to_string(),
            input.dropped.to_string(),
            input.introduced.to_string(),
            input.file.clone(),
        ]
    }));
    table(&rows, &[1, 2, 3, 4, 5], out)?;
    if joined.inputs.len() > LISTED_INPUTS {
        let more = joined.inputs.len() - LISTED_INPUTS;
        writeln!(out, "  and {more} more; --json lists all")?;
    }

    writeln!(out, "\nElements")?;
    let mut rows = vec![["path", "encoding", "dtype", "shape"].map(str::to_owned)];
    rows.extend(report.elements.iter().map(|element| {
        let shape = element
            .shape
            .as_ref()
            .map(|shape| shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × "));
        [
            element.path.clone(),
            element.encoding.to_owned(),
            element.dtype.clone().unwrap_or_default(),
            shape.unwrap_or_default(),
        ]
    }));
    table(&rows, &[], out)?;

    if !report.reads.is_empty() {
        writeln!(out, "\nRead before the first answer")?;
        for read in &report.reads {
            let mut parts = Vec::new();
            if read.census_bytes > 0 {
                parts.push(format!(
                    "{} to count what the join keeps (then kept on disk)",
                    HumanBytes(read.census_bytes)
                ));
            }
            if read.census_strings > 0 {
                parts.push(format!(
                    "{} to find the distinct ones (then kept on disk)",
                    counted(read.census_strings as usize, "string")
                ));
            }
            if read.conversion_bytes > 0 {
                parts.push(format!("{} to convert", HumanBytes(read.conversion_bytes)));
            }
            writeln!(out, "  {}: {}", plain_cell(&read.path), parts.join(", "))?;
        }
    }
    if !report.notices.is_empty() {
        writeln!(out, "\nNotes")?;
        for notice in &report.notices {
            writeln!(out, "  {}", plain(&notice.message).replace('\n', "\n  "))?;
        }
    }
    Ok(())
}

/// Prints rows in columns as wide as they need; those of `right` are aligned to the right.
fn table<const N: usize>(
    rows: &[[String; N]],
    right: &[usize],
    out: &mut impl Write,
) -> std::io::Result<()> {
    let mut widths = [0; N];
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| plain_cell(cell))).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &rows {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let cell = if right.contains(&column) {
                format!(" {cell:>width$} ")
            } else {
                format!(" {cell:<width$} ")
            };
            line.push_str(&cell);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
