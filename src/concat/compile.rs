//! From a plan to a result that can be read.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;

use crate::anndata::{AnnData, Elem, Frame, Sparse, SparseBody};
use crate::base::{Fault, Kind, Progress, ReadError};

use super::frames::{KnownPart, categorical_of};
use super::plan::Plan;
use super::sparse::{CensusEnv, resolve};
use super::texts::{PlannedText, STRING_BYTES, TextCensus, TextPart};
use super::told::Notice;

/// Why the census of a plan could not be taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CensusError {
    /// An input could not be read, or a file of the census not written.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Fault for CensusError {
    fn kind(&self) -> Kind {
        let Self::Read(error) = self;
        error.kind()
    }

    fn file(&self) -> Option<&Path> {
        let Self::Read(error) = self;
        error.file()
    }

    fn element(&self) -> Option<&str> {
        let Self::Read(error) = self;
        error.element()
    }
}

/// A result that can be read.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The result. Every sparse matrix in it is [`SparseBody::Stored`].
    pub merged: AnnData,
    /// What only its data told, beside the notices of the plan.
    pub notices: Vec<Notice>,
}

impl Plan {
    /// Takes the censuses, and makes the conversions that sparse matrices need.
    ///
    /// # Errors
    /// An input that cannot be read, or a file that cannot be written.
    pub fn compile(
        &self,
        env: &CensusEnv,
        progress: &dyn Progress,
    ) -> Result<Compiled, CensusError> {
        let resolved = self
            .sparse
            .iter()
            .map(|planned| resolve(planned, env, progress))
            .collect::<Result<Vec<Sparse>, ReadError>>()?;
        let mut merged = self.merged.clone();
        fill_sparse(&mut merged, &resolved);
        let mut notices = Vec::new();
        let columns = categoricals(&self.texts, env, progress, &mut notices)?;
        fill_columns(&mut merged, columns);
        Ok(Compiled { merged, notices })
    }
}

fn fill_sparse(merged: &mut AnnData, resolved: &[Sparse]) {
    let mut slots: Vec<&mut Elem> = Vec::new();
    slots.extend(&mut merged.x);
    let mut mappings = vec![
        &mut merged.layers,
        &mut merged.obsm,
        &mut merged.varm,
        &mut merged.obsp,
        &mut merged.varp,
    ];
    if let Some(raw) = &mut merged.raw {
        slots.push(&mut raw.x);
        mappings.push(&mut raw.varm);
    }
    slots.extend(mappings.into_iter().flat_map(|mapping| mapping.values_mut()));
    for slot in slots {
        fill(slot, resolved);
    }
}

fn fill(slot: &mut Elem, resolved: &[Sparse]) {
    if let Elem::Sparse(Sparse { body: SparseBody::Planned(number), .. }) = slot
        && let Some(sparse) = resolved.get(*number)
    {
        *slot = Elem::Sparse(sparse.clone());
    }
}

/// The categoricals of columns of text, by their paths. All shares of all columns are read at once.
fn categoricals<'p>(
    planned: &'p [PlannedText],
    env: &CensusEnv,
    progress: &dyn Progress,
    notices: &mut Vec<Notice>,
) -> Result<HashMap<&'p str, Elem>, ReadError> {
    let num_strings: u64 = planned.iter().map(PlannedText::num_strings).sum();
    if num_strings > 0 {
        progress.begin("finding the categories of text", num_strings * STRING_BYTES);
    }
    let parts: Result<Vec<Option<Vec<KnownPart>>>, ReadError> = planned
        .par_iter()
        .map(|text| {
            let known = text.parts.par_iter().map(|part| match part {
                TextPart::Missing(len) => Ok(Some(KnownPart::Missing(*len))),
                TextPart::Present(share) => {
                    let census = TextCensus::take(share, text.most_bytes, env, progress)
                        .map_err(|error| error.within(&text.path))?;
                    Ok(census.map(KnownPart::Present))
                }
            });
            known.collect()
        })
        .collect();
    if num_strings > 0 {
        progress.end();
    }
    let mut columns = HashMap::new();
    for (text, parts) in planned.iter().zip(parts?) {
        match parts.and_then(|parts| categorical_of(parts, text.most_bytes)) {
            Some(column) => {
                columns.insert(text.path.as_str(), column);
            }
            None => notices.push(Notice::TooManyCategories {
                element: text.path.clone(),
                most_bytes: text.most_bytes,
            }),
        }
    }
    Ok(columns)
}

/// Puts columns in the places of those that stood for them.
fn fill_columns(merged: &mut AnnData, mut columns: HashMap<&str, Elem>) {
    let mut frames =
        vec![("/obs".to_owned(), &mut merged.obs), ("/var".to_owned(), &mut merged.var)];
    let mut mappings = vec![("/obsm", &mut merged.obsm), ("/varm", &mut merged.varm)];
    if let Some(raw) = &mut merged.raw {
        frames.push(("/raw/var".to_owned(), &mut raw.var));
        mappings.push(("/raw/varm", &mut raw.varm));
    }
    for (group, mapping) in mappings {
        for (key, elem) in mapping {
            if let Elem::Frame(frame) = elem {
                frames.push((format!("{group}/{key}"), frame));
            }
        }
    }
    for (path, frame) in frames {
        let Frame { columns: slots, .. } = frame;
        for (name, slot) in slots {
            if let Some(column) = columns.remove(format!("{path}/{name}").as_str()) {
                *slot = column;
            }
        }
    }
}
