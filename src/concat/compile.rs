//! From a plan to a result that can be read.

use std::path::Path;

use crate::anndata::{AnnData, Elem, Sparse, SparseBody};
use crate::base::{Fault, Kind, Progress, ReadError};

use super::plan::Plan;
use super::sparse::{CensusEnv, resolve};

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

impl Plan {
    /// Takes the censuses and makes the conversions that sparse matrices need. In what it returns
    /// every matrix is [`SparseBody::Stored`].
    ///
    /// # Errors
    /// An input that cannot be read, or a file that cannot be written.
    pub fn compile(
        &self,
        env: &CensusEnv,
        progress: &dyn Progress,
    ) -> Result<AnnData, CensusError> {
        let resolved = self
            .sparse
            .iter()
            .map(|planned| resolve(planned, env, progress))
            .collect::<Result<Vec<Sparse>, ReadError>>()?;
        let mut merged = self.merged.clone();
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
            fill(slot, &resolved);
        }
        Ok(merged)
    }
}

fn fill(slot: &mut Elem, resolved: &[Sparse]) {
    if let Elem::Sparse(Sparse { body: SparseBody::Planned(number), .. }) = slot
        && let Some(sparse) = resolved.get(*number)
    {
        *slot = Elem::Sparse(sparse.clone());
    }
}
