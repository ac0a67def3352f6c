//! One element of all inputs, concatenated: `concat_arrays`, whatever the inputs hold.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::anndata::{Elem, Sparse, SparseFormat};
use crate::base::DType;
use crate::concat::planner::Planner;
use crate::concat::sparse::{Axis, FormatChoice, PartSource, SparsePart, StackOptions, plan_stack};
use crate::concat::told::{Notice, PlanError, first_of};

use super::records::stack_records;
use super::share::{ArrayShare, Brought, Kind};
use super::text::stack_text;

impl Planner<'_> {
    /// Concatenates an element that is all numbers, sparse or text. `None` when nothing can combine
    /// it, with a notice.
    pub fn concat_arrays(
        &mut self,
        shares: &[ArrayShare<'_>],
        axis: Axis,
        path: &str,
    ) -> Result<Option<Elem>, PlanError> {
        let kinds: Vec<Kind> = shares.iter().filter_map(|share| share.elem).map(Kind::of).collect();
        if kinds.contains(&Kind::Sparse) {
            self.reject_mixture(shares, path, |kind| matches!(kind, Kind::Sparse | Kind::Dense))?;
            return self.stack_sparse(shares, axis, path).map(|sparse| Some(Elem::Sparse(sparse)));
        }
        if kinds.iter().all(|&kind| kind == Kind::Dense) {
            return self.stack_dense(shares, axis, path).map(|array| Some(Elem::Dense(array)));
        }
        if kinds.iter().all(|&kind| kind == Kind::Text)
            && let Some(text) = stack_text(shares, axis)
        {
            return Ok(Some(Elem::Text(text)));
        }
        if kinds.iter().all(|&kind| kind == Kind::Record)
            && let Some(records) = stack_records(shares, axis)
        {
            return Ok(Some(Elem::Record(Arc::new(records))));
        }
        let kind = kinds.iter().find(|&&kind| kind != Kind::Dense).unwrap_or(&Kind::Other);
        self.notices.push(Notice::LeftOut {
            element: self.at(path),
            reason: format!("{} cannot be combined here", kind.describe()),
        });
        Ok(None)
    }

    /// An error that names two inputs unless all kinds are `allowed`.
    pub fn reject_mixture(
        &self,
        shares: &[ArrayShare<'_>],
        path: &str,
        allowed: impl Fn(Kind) -> bool,
    ) -> Result<(), PlanError> {
        let mut present = self
            .sources
            .iter()
            .zip(shares)
            .filter_map(|(source, share)| share.elem.map(|elem| (source, Kind::of(elem))));
        let Some((other_source, other_kind)) = present.clone().find(|&(_, kind)| !allowed(kind))
        else {
            return Ok(());
        };
        let (source, kind) =
            present.find(|&(_, kind)| allowed(kind)).unwrap_or((other_source, other_kind));
        Err(PlanError::MixedKinds {
            element: self.at(path),
            kind: kind.describe(),
            file: source.file.to_path_buf(),
            other_kind: other_kind.describe(),
            other_file: other_source.file.to_path_buf(),
        })
    }

    fn stack_sparse(
        &mut self,
        shares: &[ArrayShare<'_>],
        axis: Axis,
        path: &str,
    ) -> Result<Sparse, PlanError> {
        let parts: Vec<SparsePart> = self
            .sources
            .iter()
            .zip(shares)
            .map(|(source, share)| SparsePart {
                source: match share.elem {
                    Some(Elem::Sparse(sparse)) => PartSource::Sparse(sparse.clone()),
                    Some(Elem::Dense(array)) => PartSource::Dense(Arc::clone(array)),
                    _ => PartSource::Empty,
                },
                extent: share.extent,
                other: share.other.clone(),
                origin: source.origin(self.at(path)),
            })
            .collect();
        let options =
            StackOptions { fill: self.options.fill_value, format: self.options.sparse_format };
        let brought: Vec<Brought> = parts
            .iter()
            .map(|part| Brought { own: part.source.dtype(), dtype: part.stacked_dtype(&options) })
            .collect();
        let planned = plan_stack(parts, axis, &options)?;
        let sparse = self.add_sparse(planned, path)?;
        self.tell_conversion(&brought, sparse.dtype, path);
        let is_matrix = self.prefix.is_empty() && (path == "X" || path.starts_with("layers/"));
        let is_own = self.options.sparse_format == FormatChoice::Auto;
        if sparse.format == SparseFormat::Csc && axis == Axis::Rows && is_matrix && is_own {
            Notice::StaysCsc { elements: vec![self.at(path)] }.tell(&mut self.notices);
        }
        Ok(sparse)
    }

    /// Tells when arrays become of another dtype.
    pub fn tell_conversion(&mut self, brought: &[Brought], to: DType, path: &str) {
        let own = || brought.iter().filter_map(|brought| brought.own);
        if own().all(|dtype| dtype == to) {
            return;
        }
        let from: IndexSet<&str> = own().map(DType::name).collect();
        let notice = Notice::ArraysConverted {
            elements: vec![self.at(path)],
            from: from.into_iter().map(str::to_owned).collect(),
            to: to.name().to_owned(),
            because: self.because(brought, to),
        };
        notice.tell(&mut self.notices);
    }

    /// What makes a result of this dtype: who brings it, or else all that are promoted to it.
    fn because(&self, brought: &[Brought], to: DType) -> Vec<String> {
        let is_brought = brought.iter().any(|brought| brought.dtype == to);
        let mut files: IndexMap<&Brought, Vec<String>> = IndexMap::new();
        for (source, brought) in self.sources.iter().zip(brought) {
            if !is_brought || brought.dtype == to {
                files.entry(brought).or_default().push(source.file.display().to_string());
            }
        }
        let told = files.into_iter().map(|(brought, files)| {
            let dtype = brought.dtype.name();
            let files = first_of(&files);
            match brought.own {
                None => format!("{dtype} fills {files}, without it"),
                // There are no sparse matrices of half precision.
                Some(own @ DType::F16) if brought.dtype == DType::F32 => {
                    format!("{dtype} for {own} in {files}")
                }
                Some(own) if own != brought.dtype => format!("{dtype} fills gaps in {files}"),
                Some(_) => format!("{dtype} in {files}"),
            }
        });
        told.collect()
    }
}
