//! What is not aligned to the concatenated axis: the other axis's frame, mapping and pairwise
//! elements. A strategy chooses among the inputs' values.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::anndata::{Elem, Frame, Mapping, Sparse, SparseBody, SparseFormat};
use crate::array::Filled;
use crate::base::{DType, Indexer, ReadError};
use crate::concat::arrays::Brought;
use crate::concat::awkward::{awkward_equal, reindex_awkward};
use crate::concat::frames::{
    ColumnType, reindex_array, reindex_column, reindex_frame, reindex_rows_of_text,
};
use crate::concat::names::{JoinedAxis, union_keys};
use crate::concat::options::Merge;
use crate::concat::planner::Planner;
use crate::concat::sparse;
use crate::concat::sparse::{Origin, plan_reindexed};
use crate::concat::told::{Notice, PlanError};

use super::equal;
use super::strategy::{choose, keys};

/// The merged elements of the other axis.
#[derive(Debug)]
pub struct OtherAxis {
    /// Its frame.
    pub frame: Frame,
    /// `varm` (`obsm` along var).
    pub mapping: Mapping,
    /// `varp` (`obsp` along var).
    pub pairwise: Mapping,
}

/// One input's value of an element of the other axis.
#[derive(Debug, Clone, Copy)]
struct Value<'v> {
    elem: &'v Elem,
    input: usize,
    indexer: &'v Indexer,
}

impl Value<'_> {
    /// Whether pandas makes an object array of it, which is like no array of numbers: booleans
    /// among which some are missing. (What has no rows is filled anew, with numbers.)
    fn becomes_objects(self) -> bool {
        let is_bool = matches!(self.elem, Elem::Dense(array) if array.dtype() == DType::Bool);
        is_bool && self.indexer.introduces() && self.indexer.source_len() > 0
    }
}

/// How many leading axes of an element are the other axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aligned {
    Rows,
    Both,
}

impl Aligned {
    const fn axes(self) -> usize {
        match self {
            Self::Rows => 1,
            Self::Both => 2,
        }
    }
}

impl Planner<'_> {
    /// Merges the other axis; without a strategy only its names remain.
    pub fn merge_other_axis(
        &mut self,
        joined: &JoinedAxis,
        mut frame: Frame,
    ) -> Result<OtherAxis, PlanError> {
        let other = self.options.axis.other();
        let sources = self.sources;
        let columns: Vec<&IndexMap<String, Elem>> =
            sources.iter().map(|source| &other.frame(&source.adata).columns).collect();
        let mappings: Vec<&Mapping> =
            sources.iter().map(|source| other.mapping(&source.adata)).collect();
        let pairwises: Vec<&Mapping> =
            sources.iter().map(|source| other.pairwise(&source.adata)).collect();
        let groups = [
            (other.name(), &columns),
            (other.mapping_name(), &mappings),
            (other.pairwise_name(), &pairwises),
        ];
        let Some(strategy) = self.options.merge else {
            let elements: Vec<String> = groups
                .into_iter()
                .flat_map(|(group, mappings)| {
                    union_keys(mappings).into_iter().map(move |key| (group, key))
                })
                .map(|(group, key)| self.at(&format!("{group}/{key}")))
                .collect();
            if !elements.is_empty() {
                self.notices.push(Notice::NotMerged { elements, option: "--merge" });
            }
            return Ok(OtherAxis { frame, mapping: Mapping::new(), pairwise: Mapping::new() });
        };
        for key in keys(strategy, &columns) {
            let path = self.at(&format!("{}/{key}", other.name()));
            let same = |a, b| {
                same_column(a, b).map_err(|error| match error {
                    PlanError::Read(error) => PlanError::Read(error.within(&path)),
                    error => error,
                })
            };
            let chosen = choose(strategy, &values(&columns, key, joined), same)?;
            let Some(value) = chosen else { continue };
            match reindex_column(value.elem, value.indexer) {
                Some(column) => {
                    self.plan_missing_text(&column, &path)?;
                    self.tell_gaps(value, &column, &path)?;
                    frame.columns.insert(key.to_owned(), column);
                }
                None => self.notices.push(Notice::LeftOut {
                    element: path,
                    reason: "it cannot be aligned to the joined axis".to_owned(),
                }),
            }
        }
        let mapping = self.merge_aligned(strategy, &mappings, joined, &frame, Aligned::Rows)?;
        let pairwise = self.merge_aligned(strategy, &pairwises, joined, &frame, Aligned::Both)?;
        let kept = [&frame.columns, &mapping, &pairwise];
        let mut elements = Vec::new();
        for ((group, mappings), kept) in groups.into_iter().zip(kept) {
            let gone = union_keys(mappings).into_iter().filter(|&key| !kept.contains_key(key));
            elements.extend(gone.map(|key| self.at(&format!("{group}/{key}"))));
        }
        self.tell_disagreement(elements, "--merge");
        Ok(OtherAxis { frame, mapping, pairwise })
    }

    /// Tells what a strategy does not keep, unless another notice says why.
    pub(super) fn tell_disagreement(&mut self, mut elements: Vec<String>, option: &'static str) {
        elements.retain(|path| {
            let told = |notice: &Notice| matches!(notice, Notice::LeftOut { element, .. } if element == path);
            !self.notices.iter().any(told)
        });
        if !elements.is_empty() {
            self.notices.push(Notice::NotAgreed { elements, option });
        }
    }

    fn merge_aligned(
        &mut self,
        strategy: Merge,
        mappings: &[&Mapping],
        joined: &JoinedAxis,
        frame: &Frame,
        aligned: Aligned,
    ) -> Result<Mapping, PlanError> {
        let other = self.options.axis.other();
        let group = match aligned {
            Aligned::Rows => other.mapping_name(),
            Aligned::Both => other.pairwise_name(),
        };
        let index = crate::concat::frames::frame_without_columns(frame);
        let mut out = Mapping::new();
        for key in keys(strategy, mappings) {
            let values = values(mappings, key, joined);
            let path = format!("{group}/{key}");
            let origin = |value: Value<'_>| self.sources[value.input].origin(self.at(&path));
            let same = |a: Value<'_>, b: Value<'_>| match (a.elem, b.elem) {
                _ if a.becomes_objects() != b.becomes_objects() => Ok(false),
                (Elem::Sparse(x), Elem::Sparse(y)) => {
                    let x = realign_sparse(x, a.indexer, aligned, origin(a))?;
                    let y = realign_sparse(y, b.indexer, aligned, origin(b))?;
                    Ok(sparse::equal((&x.0, &x.1), (&y.0, &y.1))?)
                }
                (Elem::Dense(x), Elem::Sparse(y)) => {
                    let x = Elem::Dense(reindex_array(x, aligned.axes(), a.indexer));
                    let (y, _) = realign_sparse(y, b.indexer, aligned, origin(b))?;
                    Ok(equal::equal_of((&x, &origin(a)), (&Elem::Sparse(y), &origin(b)))?)
                }
                _ => same_aligned(a, b, &index, aligned),
            };
            let named = |a, b| {
                same(a, b).map_err(|error| match error {
                    PlanError::Read(error) => PlanError::Read(error.within(&self.at(&path))),
                    error => error,
                })
            };
            let Some(value) = choose(strategy, &values, named)? else { continue };
            match self.realign(value, &index, aligned, &path)? {
                Some(elem) => {
                    self.tell_gaps(value, &elem, &self.at(&path))?;
                    out.insert(key.to_owned(), elem);
                }
                None => self.notices.push(Notice::LeftOut {
                    element: self.at(&path),
                    reason: "it cannot be aligned to the joined axis".to_owned(),
                }),
            }
        }
        Ok(out)
    }

    /// Tells where an element has missing values under the joined names, and what it became for
    /// that. (Sparse matrices have zeros there.)
    fn tell_gaps(&mut self, value: Value<'_>, to: &Elem, path: &str) -> Result<(), PlanError> {
        if !value.indexer.introduces() {
            return Ok(());
        }
        let mut tell = |from: &Elem, to: &Elem, path: &str| -> Result<(), PlanError> {
            let describe = |elem| describe(elem).map_err(|error| error.within(path));
            if let (Some(from), Some(mut to)) = (describe(from)?, describe(to)?) {
                if self.texts.planned.iter().any(|text| text.path == path) {
                    to = "categories of strings".to_owned();
                }
                let elements = vec![path.to_owned()];
                Notice::MergedWithGaps { elements, from, to }.tell(&mut self.notices);
            }
            Ok(())
        };
        match (value.elem, to) {
            (Elem::Frame(from), Elem::Frame(to)) => {
                to.columns.iter().try_for_each(|(name, column)| match from.columns.get(name) {
                    Some(from) => tell(from, column, &format!("{path}/{name}")),
                    None => Ok(()),
                })
            }
            (from, to) => tell(from, to, path),
        }
    }

    /// An element under the joined names. `None` for what cannot be aligned.
    fn realign(
        &mut self,
        value: Value<'_>,
        index: &Frame,
        aligned: Aligned,
        path: &str,
    ) -> Result<Option<Elem>, PlanError> {
        let Value { elem, input, indexer } = value;
        Ok(match elem {
            Elem::Frame(frame) => {
                let frame = reindex_frame(frame, indexer, index);
                for (name, column) in &frame.columns {
                    self.plan_missing_text(column, &self.at(&format!("{path}/{name}")))?;
                }
                Some(Elem::Frame(frame))
            }
            Elem::Sparse(sparse) if sparse.dtype == DType::F16 => {
                // No sparse matrix of half precision can be read.
                let origin = self.sources[input].origin(self.at(path));
                let [rows, columns] = matrix_indexers(sparse, indexer, aligned);
                let planned = plan_reindexed(sparse, &rows, &columns, &origin)?;
                let mut brought = vec![Brought::NOTHING; self.sources.len()];
                brought[input] = Brought { own: Some(sparse.dtype), dtype: planned.dtype() };
                self.tell_conversion(&brought, planned.dtype(), path);
                Some(Elem::Sparse(self.add_sparse(planned, path)?))
            }
            _ if indexer.is_identity() => Some(elem.clone()),
            Elem::Dense(array) => Some(Elem::Dense(reindex_array(array, aligned.axes(), indexer))),
            // `_apply_to_sparse` makes a new matrix of what has no rows.
            Elem::Sparse(sparse) if sparse.shape[0] == 0 => {
                let columns = match aligned {
                    Aligned::Rows => sparse.shape[1],
                    Aligned::Both => indexer.target_len(),
                };
                Some(Elem::Sparse(empty_csr([indexer.target_len(), columns])))
            }
            Elem::Sparse(sparse) => {
                let origin = self.sources[input].origin(self.at(path));
                let [rows, columns] = matrix_indexers(sparse, indexer, aligned);
                let planned = plan_reindexed(sparse, &rows, &columns, &origin)?;
                Some(Elem::Sparse(self.add_sparse(planned, path)?))
            }
            Elem::Text(text) if aligned == Aligned::Rows => reindex_rows_of_text(text, indexer),
            Elem::Awkward(array) if aligned == Aligned::Rows => {
                let array = reindex_awkward(array, indexer)
                    .map_err(|source| PlanError::Awkward { element: self.at(path), source })?;
                Some(Elem::Awkward(array))
            }
            _ => None,
        })
    }
}

/// What a person calls an element that can have missing values.
fn describe(elem: &Elem) -> Result<Option<String>, ReadError> {
    Ok(match elem {
        Elem::Dense(array) => Some(array.dtype().name().to_owned()),
        Elem::Awkward(_) => Some("awkward arrays".to_owned()),
        Elem::Text(_) => Some("strings".to_owned()),
        Elem::Categorical(_) | Elem::Nullable(_) => Some(ColumnType::of(elem)?.describe()),
        _ => None,
    })
}

/// `scipy.sparse.csr_matrix(shape)`.
fn empty_csr(shape: [u64; 2]) -> Sparse {
    Sparse {
        format: SparseFormat::Csr,
        shape,
        dtype: DType::F64,
        body: SparseBody::Stored {
            data: Filled::shared(DType::F64, &[0], &[0; 8]),
            indices: Filled::shared(DType::I32, &[0], &[0; 4]),
            indptr: Filled::shared(DType::I32, &[shape[0] + 1], &[0; 4]),
        },
    }
}

fn values<'v>(
    mappings: &[&'v IndexMap<String, Elem>],
    key: &str,
    joined: &'v JoinedAxis,
) -> Vec<Value<'v>> {
    mappings
        .iter()
        .zip(&joined.indexers)
        .enumerate()
        .filter_map(|(input, (mapping, indexer))| {
            Some(Value { elem: mapping.get(key)?, input, indexer })
        })
        .collect()
}

/// What becomes of the rows and the columns of a sparse matrix.
fn matrix_indexers(sparse: &Sparse, indexer: &Indexer, aligned: Aligned) -> [Indexer; 2] {
    match aligned {
        Aligned::Rows => [indexer.clone(), Indexer::identity(sparse.shape[1])],
        Aligned::Both => [indexer.clone(), indexer.clone()],
    }
}

/// A sparse matrix under the joined names, to be looked at now, with its name for errors.
fn realign_sparse(
    sparse: &Sparse,
    indexer: &Indexer,
    aligned: Aligned,
    origin: Origin,
) -> Result<(Sparse, Origin), PlanError> {
    let [rows, columns] = matrix_indexers(sparse, indexer, aligned);
    Ok((sparse::reindexed(sparse, &rows, &columns, &origin)?, origin))
}

/// `Series.equals` of two reindexed columns.
fn same_column(a: Value<'_>, b: Value<'_>) -> Result<bool, PlanError> {
    // Text and booleans with missing values are `object` to pandas, and so unlike nullable columns.
    let becomes_object =
        |value: &Value<'_>| !matches!(value.elem, Elem::Nullable(_)) && value.indexer.introduces();
    let nullable = |value: &Value<'_>| matches!(value.elem, Elem::Nullable(_));
    if (becomes_object(&a) && nullable(&b)) || (nullable(&a) && becomes_object(&b)) {
        return Ok(false);
    }
    match (reindex_column(a.elem, a.indexer), reindex_column(b.elem, b.indexer)) {
        (Some(a), Some(b)) => Ok(equal::columns(&a, &b)?),
        _ => Ok(false),
    }
}

/// `equal` of two reindexed elements that are not both sparse.
fn same_aligned(
    a: Value<'_>,
    b: Value<'_>,
    index: &Frame,
    aligned: Aligned,
) -> Result<bool, PlanError> {
    if a.indexer.is_identity() && b.indexer.is_identity() {
        return Ok(equal::equal(a.elem, b.elem)?);
    }
    let realigned = |value: Value<'_>| match value.elem {
        Elem::Dense(array) => {
            Some(Elem::Dense(reindex_array(array, aligned.axes(), value.indexer)))
        }
        Elem::Frame(frame) => Some(Elem::Frame(reindex_frame(frame, value.indexer, index))),
        Elem::Text(text) => reindex_rows_of_text(text, value.indexer),
        _ => None,
    };
    Ok(match (a.elem, b.elem) {
        (Elem::Dense(x), Elem::Dense(y)) => {
            if Arc::ptr_eq(x, y) && a.indexer == b.indexer {
                return Ok(true);
            }
            let axes = aligned.axes();
            let (x, y) = (reindex_array(x, axes, a.indexer), reindex_array(y, axes, b.indexer));
            equal::dense(&*x, &*y)?
        }
        (Elem::Frame(x), Elem::Frame(y)) => {
            equal::frames(&reindex_frame(x, a.indexer, index), &reindex_frame(y, b.indexer, index))?
        }
        (Elem::Awkward(x), Elem::Awkward(y)) => {
            let same = reindex_awkward(x, a.indexer)
                .and_then(|x| Ok((x, reindex_awkward(y, b.indexer)?)))
                .and_then(|(x, y)| awkward_equal(&x, &y));
            equal::readable(same)?
        }
        (Elem::Dense(_) | Elem::Text(_), _) => match (realigned(a), realigned(b)) {
            (Some(x), Some(y)) => equal::equal(&x, &y)?,
            _ => false,
        },
        _ => false,
    })
}
