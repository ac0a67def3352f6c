//! One element of all inputs, concatenated: `concat_arrays`, whatever the inputs hold.

use std::sync::Arc;

use indexmap::IndexSet;

use crate::anndata::{Elem, Sparse};
use crate::array::{Cast, Filled, Gathered, SharedArray, Stacked};
use crate::base::{DType, Indexer};

use super::dtype::{Filled as Promoted, fill_bytes, promote_fill, result_type};
use super::error::PlanError;
use super::input::Source;
use super::notice::Notice;
use super::options::ConcatOptions;
use super::records::stack_records;
use super::sparse::{
    Axis, FillValue, PartSource, PlannedSparse, SparsePart, StackOptions, Treatment, plan_stack,
};
use super::text_arrays::stack_text;

/// What planning gathers besides the result.
#[derive(Debug)]
pub(super) struct Planner<'a> {
    /// The inputs.
    pub sources: &'a [Source<'a>],
    /// What the user asked.
    pub options: &'a ConcatOptions,
    /// Where the objects lie in their files: empty, or `/raw`.
    pub prefix: &'static str,
    /// What was dropped or converted.
    pub notices: Vec<Notice>,
    /// Sparse matrices that are resolved later.
    pub sparse: Vec<PlannedSparse>,
}

/// One input's share of an element.
#[derive(Debug, Clone)]
pub(super) struct ArrayShare<'a> {
    /// The element; `None` where the input does not have it.
    pub elem: Option<&'a Elem>,
    /// Extent along the concatenated axis.
    pub extent: u64,
    /// From the joined other axis to this input's.
    pub other: Indexer,
}

/// What an element is, as far as concatenation cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers.
    Dense,
    /// Text.
    Text,
    /// A sparse matrix.
    Sparse,
    /// A frame.
    Frame,
    /// An awkward array.
    Awkward,
    /// A record array.
    Record,
    /// Nothing that can be concatenated.
    Other,
}

impl Kind {
    /// The kind of an element.
    pub const fn of(elem: &Elem) -> Self {
        match elem {
            Elem::Dense(_) => Self::Dense,
            Elem::Text(_) => Self::Text,
            Elem::Sparse(_) => Self::Sparse,
            Elem::Frame(_) => Self::Frame,
            Elem::Awkward(_) => Self::Awkward,
            Elem::Record(_) => Self::Record,
            _ => Self::Other,
        }
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::Dense => "a dense array",
            Self::Text => "an array of strings",
            Self::Sparse => "a sparse matrix",
            Self::Frame => "a data frame",
            Self::Awkward => "an awkward array",
            Self::Record => "a record array",
            Self::Other => "an element that is no array",
        }
    }
}

impl Planner<'_> {
    /// The path of an element in a file.
    pub fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.prefix)
    }

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
        let dtypes: Vec<DType> = parts.iter().filter_map(|part| part.source.dtype()).collect();
        let planned = plan_stack(parts, axis, &options)?;
        let sparse = self.add_sparse(planned, path)?;
        self.tell_conversion(&dtypes, sparse.dtype, path);
        Ok(sparse)
    }

    /// Tells when arrays become of another dtype.
    fn tell_conversion(&mut self, dtypes: &[DType], to: DType, path: &str) {
        if dtypes.iter().any(|&dtype| dtype != to) {
            let from: IndexSet<&str> = dtypes.iter().map(|dtype| dtype.name()).collect();
            let notice = Notice::ArraysConverted {
                elements: vec![self.at(path)],
                from: from.into_iter().map(str::to_owned).collect(),
                to: to.name().to_owned(),
            };
            notice.tell(&mut self.notices);
        }
    }

    /// Takes a planned matrix in, with the notice of what it converts.
    pub fn add_sparse(&mut self, planned: PlannedSparse, path: &str) -> Result<Sparse, PlanError> {
        let files: Vec<String> = planned
            .report()
            .parts
            .iter()
            .filter(|part| part.treatment == Treatment::Converted)
            .map(|part| part.origin.file.display().to_string())
            .collect();
        if !files.is_empty() {
            let to = match planned.format() {
                crate::anndata::SparseFormat::Csr => "csr_matrix",
                crate::anndata::SparseFormat::Csc => "csc_matrix",
            };
            self.notices.push(Notice::SparseConverted { element: self.at(path), to, files });
        }
        let header = planned.header(self.sparse.len());
        self.sparse.push(planned);
        Ok(header)
    }

    fn stack_dense(
        &mut self,
        shares: &[ArrayShare<'_>],
        axis: Axis,
        path: &str,
    ) -> Result<SharedArray, PlanError> {
        let fill = self.options.fill_value.unwrap_or(FillValue::Float(f64::NAN));
        let (stacked, other) = (axis.index(), 1 - axis.index());
        let mut model: Option<&[u64]> = None;
        let mut parts = Vec::with_capacity(shares.len());
        let (mut has_object, mut has_nan, mut dtypes) = (false, false, Vec::new());
        for (source, share) in self.sources.iter().zip(shares) {
            let Some(Elem::Dense(array)) = share.elem else { continue };
            check_shape(array.shape(), share, stacked, other)
                .and_then(|()| check_rest(array.shape(), model.get_or_insert(array.shape())))
                .map_err(|what| PlanError::Shape {
                    file: source.file.to_path_buf(),
                    element: self.at(path),
                    what,
                })?;
        }
        let model: Vec<u64> = model.map_or_else(|| vec![0, 0], <[u64]>::to_vec);
        let absent_in = shares.iter().position(|share| share.elem.is_none());
        if let Some(number) = absent_in.filter(|_| model.len() > 2) {
            let what = format!(
                "is not there, and an array of {} axes cannot be filled, only a matrix",
                model.len()
            );
            let file = self.sources[number].file.to_path_buf();
            return Err(PlanError::Shape { file, element: self.at(path), what });
        }
        for share in shares {
            let mut shape = model.clone();
            shape[stacked] = share.extent;
            shape[other] = share.other.target_len();
            let (part, promoted) = match share.elem {
                Some(Elem::Dense(array)) => {
                    dtypes.push(array.dtype());
                    has_nan |= share.other.introduces() && share.extent > 0;
                    reindex_dense(array, other, &share.other, fill)
                }
                _ => {
                    has_nan |= !shape.contains(&0);
                    absent(&shape, other, fill)
                }
            };
            has_object |= promoted == Promoted::InsteadOfObject;
            parts.push(part);
        }
        let floor = has_object.then_some(DType::F64);
        let promoted = parts.iter().map(|part| part.dtype()).chain(floor);
        let dtype = result_type(promoted).unwrap_or(DType::F64);
        if has_object {
            let notice = Notice::BoolBecomesNumber {
                element: self.at(path),
                dtype: dtype.name().to_owned(),
            };
            self.notices.push(notice);
        } else {
            self.tell_conversion(&dtypes, dtype, path);
        }
        if has_nan && self.options.fill_value.is_none() {
            Notice::FilledWithNan { elements: vec![self.at(path)] }.tell(&mut self.notices);
        }
        let parts = parts.into_iter().map(|part| Cast::shared(part, dtype)).collect();
        Ok(Stacked::shared(parts, stacked))
    }
}

/// `Reindexer._apply_to_array`.
pub(super) fn reindex_dense(
    array: &SharedArray,
    axis: usize,
    indexer: &Indexer,
    fill: FillValue,
) -> (SharedArray, Promoted) {
    let dtype = array.dtype();
    if indexer.is_identity() {
        return (Arc::clone(array), Promoted::As(dtype));
    }
    if array.shape()[axis] == 0 {
        let mut shape = array.shape().to_vec();
        shape[axis] = indexer.target_len();
        return (filled(&shape, fill), Promoted::As(fill.dtype()));
    }
    let promoted =
        if indexer.introduces() { promote_fill(dtype, fill) } else { Promoted::As(dtype) };
    let cast = Cast::shared(Arc::clone(array), promoted.dtype());
    let element = fill_bytes(promoted.dtype(), fill);
    (Gathered::shared(cast, axis, indexer, &element), promoted)
}

/// `missing_element`, reindexed: boolean if it has no extent, else all fill.
fn absent(shape: &[u64], axis: usize, fill: FillValue) -> (SharedArray, Promoted) {
    if shape[axis] == 0 {
        return (Filled::shared(DType::Bool, shape, &[0]), Promoted::As(DType::Bool));
    }
    (filled(shape, fill), Promoted::As(fill.dtype()))
}

fn filled(shape: &[u64], fill: FillValue) -> SharedArray {
    Filled::shared(fill.dtype(), shape, &fill_bytes(fill.dtype(), fill))
}

fn check_shape(
    shape: &[u64],
    share: &ArrayShare<'_>,
    stacked: usize,
    other: usize,
) -> Result<(), String> {
    if shape.len() < 2 {
        return Err(format!("has the shape {shape:?}, expected at least two axes"));
    }
    if shape[stacked] != share.extent || shape[other] != share.other.source_len() {
        let mut expected = [0; 2];
        expected[stacked] = share.extent;
        expected[other] = share.other.source_len();
        return Err(format!("has the shape {shape:?}, expected {expected:?}"));
    }
    Ok(())
}

fn check_rest(shape: &[u64], model: &[u64]) -> Result<(), String> {
    if shape.len() == model.len() && shape[2..] == model[2..] {
        return Ok(());
    }
    Err(format!("has the shape {shape:?}, which cannot be concatenated with {model:?}"))
}
