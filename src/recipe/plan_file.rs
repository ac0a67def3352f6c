//! A recipe as a file: JSON, described in docs/PLANS.md.
//!
//! Inputs that lie in the plan's directory or below are named from there, so that both can be moved
//! together; others by their absolute path, which a [`Relocation`] replaces. What this version does
//! not know in a plan is an error: a plan is carried out whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use super::document::{Document, VERSION};
use super::error::RecipeError;
use super::relocate::Relocation;
use super::what::Recipe;

/// Of a file named by mistake no more is read: hundreds of thousands of inputs take less.
const MOST_BYTES: u64 = 64 << 20;

/// Reads a plan. Each relocation moves the inputs that lie in its old directory; of several, the
/// first that fits.
///
/// # Errors
/// The file cannot be read or is no plan of this version, or a relocation moves nothing.
pub fn read(path: &Path, relocations: &[Relocation]) -> Result<Recipe, RecipeError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut text))
        .map_err(RecipeError::plan_file(path, "cannot read the plan"))?;
    let document = parse(&text, path)?;
    let recipe = document.into_recipe(&directory_of(path)?);
    let mut recipe = recipe.map_err(|error| RecipeError::no_plan(path, error.to_string()))?;
    relocate(&mut recipe, relocations)?;
    Ok(recipe)
}

/// The plan that a text is; `path` is what errors name.
fn parse(text: &[u8], path: &Path) -> Result<Document, RecipeError> {
    let version = serde_json::from_slice::<Versioned>(text).map_err(|_| {
        RecipeError::no_plan(
            path,
            "this is no plan\n  hint: `anncat inspect --save FILE` writes one",
        )
    })?;
    if version.version != VERSION {
        return Err(RecipeError::no_plan(
            path,
            format!(
                "this plan is of version {}, and this program reads version {VERSION}\n  hint: \
                 plan anew with `anncat inspect --save`, or use the anncat that wrote it",
                version.version
            ),
        ));
    }
    serde_json::from_slice(text).map_err(|error| {
        RecipeError::no_plan(
            path,
            format!(
                "this plan says what this program does not know: {error}\n  hint: plan anew with \
                 `anncat inspect --save`"
            ),
        )
    })
}

/// Writes a plan; a former plan under this name is replaced in one moment.
///
/// # Errors
/// Something else stands there, or the file cannot be written; an input's path is not UTF-8.
pub fn write(recipe: &Recipe, path: &Path) -> Result<(), RecipeError> {
    let failed = RecipeError::plan_file(path, "cannot write the plan");
    match is_plan(path) {
        Ok(true) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(false) => return Err(RecipeError::PlanExists { path: path.to_owned() }),
        Err(error) => return Err(failed(error)),
    }
    let directory = directory_of(path)?;
    let mut text = serde_json::to_string_pretty(&Document::of(recipe, &directory)?)
        .map_err(|error| RecipeError::no_plan(path, error.to_string()))?;
    text.push('\n');
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(".anncat-plan-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .tempfile_in(&directory)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(failed)
}

/// A recipe as the text of a plan that holds anywhere on this machine: what crosses to another
/// process.
///
/// # Errors
/// An input's path is not UTF-8.
pub fn to_json(recipe: &Recipe) -> Result<String, RecipeError> {
    let document = Document::of(recipe, Path::new(""))?;
    serde_json::to_string(&document)
        .map_err(|error| RecipeError::no_plan(Path::new(IN_MEMORY), error.to_string()))
}

/// Reads what [`to_json`] gave.
///
/// # Errors
/// It is no plan of this version.
pub fn from_json(text: &str) -> Result<Recipe, RecipeError> {
    let path = Path::new(IN_MEMORY);
    let recipe = parse(text.as_bytes(), path)?.into_recipe(Path::new("/"));
    recipe.map_err(|error| RecipeError::no_plan(path, error.to_string()))
}

/// What stands for the path of a plan that is no file.
const IN_MEMORY: &str = "(a plan in memory)";

/// What every version of a plan says.
#[derive(serde::Deserialize)]
struct Versioned {
    #[serde(rename = "anncat-plan")]
    version: u32,
}

/// Whether a file is a plan, of whatever version. Of another file little is read, and a pipe or
/// device is not opened.
fn is_plan(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let text = BufReader::new(File::open(path)?.take(MOST_BYTES));
    Ok(serde_json::from_reader::<_, Versioned>(text).is_ok())
}

/// The absolute path of the directory that a plan lies in.
fn directory_of(path: &Path) -> Result<PathBuf, RecipeError> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    directory
        .canonicalize()
        .map_err(RecipeError::plan_file(path, "cannot find the plan's directory"))
}

fn relocate(recipe: &mut Recipe, relocations: &[Relocation]) -> Result<(), RecipeError> {
    let mut has_moved = vec![false; relocations.len()];
    for input in &mut recipe.inputs {
        let moved = relocations.iter().enumerate();
        let moved = moved.filter_map(|(n, it)| Some((n, it.apply(&input.place.path)?))).next();
        if let Some((n, path)) = moved {
            has_moved[n] = true;
            input.place.path = path;
        }
    }
    match has_moved.iter().zip(relocations).find(|(has_moved, _)| !**has_moved) {
        Some((_, unused)) => Err(RecipeError::RelocatesNothing {
            old: unused.old.clone(),
            first: recipe.inputs.first().map(|input| input.place.path.clone()).unwrap_or_default(),
        }),
        None => Ok(()),
    }
}
