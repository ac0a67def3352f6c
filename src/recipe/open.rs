//! From a recipe to the merged tree: open, decode, plan; then compile and encode.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use rayon::prelude::*;

use super::error::{InputError, RecipeError};
use super::identity::{ContentIdentity, Expected};
use super::notices;
use super::what::{Input, Limits, Recipe};
use crate::anndata::{self, Selection};
use crate::base::{Progress, memory};
use crate::concat::{self, CensusEnv, NameCheck, Notice, Plan, Report};
use crate::input;
use crate::io;
use crate::matrix::{Matrix, MatrixError, RowReader};
use crate::tree::Group;

/// A recipe whose inputs are open, and all that their headers decide. Holds no bulk data.
#[derive(Debug, Clone)]
pub struct Planned {
    recipe: Recipe,
    inputs: Vec<concat::Input>,
    identities: Vec<io::Identity>,
    others: Vec<PathBuf>,
    plan: Plan,
    limits: Limits,
}

/// One input, opened.
struct Opened {
    input: concat::Input,
    /// What the file or store is.
    identity: io::Identity,
    /// Files that it leads to, of which something is read.
    others: Vec<PathBuf>,
    /// Which patterns of the selection matched.
    matched: Vec<bool>,
    /// What of it is no part of an AnnData.
    unknown_parts: Vec<String>,
}

/// The result of a recipe.
#[derive(Debug, Clone)]
pub struct Merged {
    /// The merged AnnData, all of its arrays lazy.
    pub root: Group,
    /// What is to be told of it, in sentences that are data.
    pub notices: Vec<Notice>,
    /// The shape, every element, what was read before the first answer, the notices.
    pub report: Report,
    /// What each input was when it was opened, in order.
    pub identities: Vec<io::Identity>,
    /// Files that inputs lead to, of which something is read.
    pub others: Vec<PathBuf>,
    /// When the newest input was last changed.
    pub modified: Option<SystemTime>,
}

impl Planned {
    /// Opens and decodes the inputs, in parallel, and plans their concatenation.
    ///
    /// # Errors
    /// Inputs that cannot be read, are not what a plan says, or contradict each other; a result
    /// that has no form in a file.
    pub fn open(recipe: &Recipe, limits: Limits) -> Result<Self, RecipeError> {
        Self::open_in(recipe, limits, &io::Context::new(limits.io()))
    }

    /// As [`Self::open`], with inputs from the storage of this context.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in(
        recipe: &Recipe,
        limits: Limits,
        context: &Arc<io::Context>,
    ) -> Result<Self, RecipeError> {
        memory::allow(limits.memory_bytes);
        let opened: Vec<Result<Opened, InputError>> = recipe
            .inputs
            .par_iter()
            .map(|input| open_input(input, &recipe.selection, context))
            .collect();
        let (mut inputs, mut identities) = (Vec::new(), Vec::new());
        let (mut others, mut matched, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for opened in all_or_failure(opened)? {
            unknown.push((opened.input.path.display().to_string(), opened.unknown_parts));
            inputs.push(opened.input);
            identities.push(opened.identity);
            others.extend(opened.others);
            matched.push(opened.matched);
        }
        let mut plan = concat::plan(&inputs, &recipe.options)?;
        anndata::check_tables(&plan.merged)?;
        plan.notices.extend(notices::unused_patterns(&recipe.selection, &matched));
        plan.notices.extend(notices::unknown_parts(&unknown));
        let unused_fill = notices::unused_fill(&recipe.options, &inputs, &plan);
        plan.notices.extend(unused_fill);
        Ok(Self { recipe: recipe.clone(), inputs, identities, others, plan, limits })
    }

    /// Observations and variables of the result.
    #[must_use]
    pub const fn shape(&self) -> [u64; 2] {
        [self.plan.merged.n_obs, self.plan.merged.n_vars]
    }

    /// Number of inputs.
    #[must_use]
    pub const fn num_inputs(&self) -> usize {
        self.inputs.len()
    }

    /// What is dropped, converted or replaced.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.plan.notices
    }

    /// What the result will be.
    #[must_use]
    pub fn report(&self) -> Report {
        self.plan.report()
    }

    /// What tells whether the names of the result are unique; running it reads them.
    #[must_use]
    pub fn name_check(&self) -> NameCheck {
        self.plan.name_check()
    }

    /// The plan of the concatenation, with the merged AnnData as it will be.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What each input was when it was opened, in order.
    #[must_use]
    pub fn identities(&self) -> &[io::Identity] {
        &self.identities
    }

    /// All files that something is read of: no output may take the place of one.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        files_of(&self.identities, &self.others)
    }

    /// When the newest input was last changed.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        self.identities
            .iter()
            .filter_map(|identity| u64::try_from(identity.mtime_ns).ok())
            .max()
            .map(|nanos| SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos))
    }

    /// The recipe, with the identity that each input has now: what a plan holds.
    ///
    /// # Errors
    /// An input that has changed since it was opened, or that cannot be read.
    pub fn pinned(&self) -> Result<Recipe, RecipeError> {
        let pinned = self.recipe.inputs.par_iter().zip(&self.identities).map(|(input, opened)| {
            let identity = ContentIdentity::of(opened)?;
            let expected = Some(Expected { identity, path: opened.path.clone() });
            Ok(Input { expected, ..input.clone() })
        });
        let inputs = all_or_failure(pinned.collect())?;
        Ok(Recipe { inputs, ..self.recipe.clone() })
    }

    /// Takes the censuses and makes the conversions that the result needs, and gives its tree.
    ///
    /// # Errors
    /// An input that cannot be read or has changed, or a file that cannot be written.
    pub fn compile(&self, progress: &dyn Progress) -> Result<Merged, RecipeError> {
        let env = CensusEnv::from_environment(self.limits.memory_bytes);
        let compiled = self.plan.compile(&env, progress)?;
        let mut notices = self.plan.notices.clone();
        notices.extend(compiled.notices);
        Ok(Merged {
            root: anndata::encode(&compiled.merged)?,
            notices,
            report: self.report(),
            identities: self.identities.clone(),
            others: self.others.clone(),
            modified: self.modified(),
        })
    }
}

impl Merged {
    /// Bytes of all numbers of the result, as they are when nothing is compressed.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.root.numbers_bytes()
    }

    /// All files that something is read of: no output may take the place of one.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        files_of(&self.identities, &self.others)
    }

    /// What is to be told of a file of it that is not compressed, if it is much larger than the
    /// inputs.
    #[must_use]
    pub fn plain_output(&self) -> Option<Notice> {
        let input_bytes = self.identities.iter().map(|identity| identity.len).sum();
        notices::plain_output(self.plain_bytes(), input_bytes)
    }

    /// Opens and plans a recipe, and compiles it.
    ///
    /// # Errors
    /// As [`Planned::open`] and [`Planned::compile`].
    pub fn open(
        recipe: &Recipe,
        limits: Limits,
        progress: &dyn Progress,
    ) -> Result<Self, RecipeError> {
        Planned::open(recipe, limits)?.compile(progress)
    }

    /// An element (`X`, `layers/counts`, `obsm/X_pca`) as a matrix in memory, from which
    /// `sprs::CsMat` or `ndarray::Array2` is had without copying.
    ///
    /// # Errors
    /// There is no such element, it holds no numbers, or an input failed.
    pub fn matrix(&self, element: &str) -> Result<Matrix, MatrixError> {
        Matrix::read(&self.root, element, &AtomicBool::new(false))
    }

    /// A reader of the rows of an element: what to keep when many batches are read.
    ///
    /// # Errors
    /// There is no such element, or its rows cannot be read one by one.
    pub fn row_reader(&self, element: &str) -> Result<RowReader, MatrixError> {
        RowReader::new(&self.root, element)
    }

    /// The rows of these numbers, in this order, of an element.
    ///
    /// # Errors
    /// As [`Self::row_reader`]; a row that is not there, or an input failed.
    pub fn rows(&self, element: &str, rows: &[u64]) -> Result<Matrix, MatrixError> {
        self.row_reader(element)?.read(rows)
    }
}

/// All files that something is read of.
fn files_of(inputs: &[io::Identity], others: &[PathBuf]) -> Vec<PathBuf> {
    inputs.iter().map(|identity| &identity.path).chain(others).cloned().collect()
}

fn open_input(
    input: &Input,
    selection: &Selection,
    context: &Arc<io::Context>,
) -> Result<Opened, InputError> {
    let mut source = match &input.place.group {
        None => input::open(&input.place.path, context)?,
        Some(group) => input::open_group(&input.place.path, group, context)?,
    };
    let shown = input.place.shown();
    if let Some(expected) = &input.expected {
        expected.check(&shown, &source.identity)?;
    }
    let matched = selection.apply(&mut source.root);
    let unknown_parts = anndata::unknown_parts(&source.root);
    let mut identity = source.identity.clone();
    if let Some(group) = &input.place.group {
        // What is kept of one group of a file says nothing of another.
        identity.digest ^= xxhash_rust::xxh3::xxh3_64(group.as_bytes());
    }
    let adata = anndata::decode(&source.root, &shown)?;
    let notices = source.notes.iter().map(|note| notice(&shown, note)).collect();
    let others = source.notes.into_iter().filter_map(|note| match note {
        input::Note::OtherFile(other) => Some(other),
        input::Note::OpenForWriting(_) => None,
    });
    Ok(Opened {
        input: concat::Input { key: input.key.clone(), path: shown, identity, notices, adata },
        identity: source.identity,
        others: others.collect(),
        matched,
        unknown_parts,
    })
}

/// What is told of an opened input.
fn notice(path: &Path, note: &input::Note) -> Notice {
    let file = path.display().to_string();
    match note {
        input::Note::OpenForWriting(written) => {
            Notice::OpenForWriting { file: written.display().to_string() }
        }
        input::Note::OtherFile(other) => {
            Notice::OtherFile { file, other: other.display().to_string() }
        }
    }
}

/// All inputs, or why those that failed did.
fn all_or_failure<T>(opened: Vec<Result<T, InputError>>) -> Result<Vec<T>, RecipeError> {
    let mut inputs = Vec::with_capacity(opened.len());
    let mut failures = Vec::new();
    for opened in opened {
        match opened {
            Ok(input) => inputs.push(input),
            Err(error) => failures.push(error),
        }
    }
    if failures.is_empty() {
        return Ok(inputs);
    }
    let first = Box::new(failures.remove(0));
    Err(RecipeError::Inputs { first, others: failures })
}
