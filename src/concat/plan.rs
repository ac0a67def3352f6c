//! The whole of `anndata.concat`, decided: each part of the result in its turn.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::anndata::{AnnData, Categorical, Elem, Frame, Mapping, Raw, code_dtype};
use crate::array::cast::cast_bytes;
use crate::array::{
    Filled, MemoryArray, MemoryText, SharedArray, SharedText, Stacked, StackedText, SuffixedText,
    TextBuf,
};
use crate::base::DType;
use crate::io;

use super::frames::{FrameShare, concat_columns};
use super::input::Input;
use super::names::{JoinedAxis, index_text, shared_name};
use super::options::{Axis, ConcatOptions, LabelValues, Pairwise};
use super::planner::{DroppedNames, Planner, Source};
use super::sparse::PlannedSparse;
use super::texts::PlannedText;
use super::told::{AxisReport, InputJoin, Notice, PlanError, Report};
use super::unique::{NameCheck, NamedAxis};

/// What a concatenation will be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The result; sparse matrices that need work are [`crate::anndata::SparseBody::Planned`].
    pub merged: AnnData,
    /// The sparse matrices that the result refers to by number.
    pub sparse: Vec<PlannedSparse>,
    /// Columns of text that become categorical once their values were read.
    pub texts: Vec<PlannedText>,
    /// What is dropped, converted or replaced.
    pub notices: Vec<Notice>,
    /// How the axis that is not concatenated is joined.
    pub axis: AxisReport,
    /// The names that an inner join drops, axis by axis.
    pub dropped: Vec<DroppedNames>,
}

impl Plan {
    /// Tells the plan. Reads nothing.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::of(&self.merged, &self.sparse, &self.texts, &self.notices, &self.axis)
    }

    /// What tells whether the names of the result are unique. Reads nothing yet.
    #[must_use]
    pub fn name_check(&self) -> NameCheck {
        let joined = &self.axis.inputs;
        let is_along_obs = self.axis.axis == Axis::Var.name();
        let (along, other) = match is_along_obs {
            true => (&self.merged.obs, &self.merged.var),
            false => (&self.merged.var, &self.merged.obs),
        };
        let named = |axis: &str, frame: &Frame, inputs| match &*frame.index {
            Elem::Text(names) => {
                Some(NamedAxis { element: format!("/{axis}"), names: Arc::clone(names), inputs })
            }
            _ => None,
        };
        let ends = joined.iter().scan(0, |end, input| {
            *end += input.concatenated;
            Some((*end, input.file.clone()))
        });
        let along = named(if is_along_obs { "obs" } else { "var" }, along, ends.collect());
        // Names that had to be joined are unique; names that all inputs have alike need not be.
        let is_joined = joined.iter().any(|input| input.dropped + input.introduced > 0);
        let other = (!is_joined)
            .then(|| named(self.axis.axis, other, vec![(other.len, "every input".to_owned())]))
            .flatten();
        NameCheck { axes: along.into_iter().chain(other).collect() }
    }
}

/// Plans the concatenation of `inputs`. Reads names of axes, categories and what merging has to
/// compare; never a column or matrix of the concatenated axis (except to learn whether all of a
/// column is missing, when pandas' result depends on it).
///
/// # Errors
/// Inputs that contradict each other, or that cannot be read.
pub fn plan(inputs: &[Input], options: &ConcatOptions) -> Result<Plan, PlanError> {
    if inputs.is_empty() {
        return Err(PlanError::NoInputs);
    }
    check_keys(inputs)?;
    let sources: Vec<Source<'_>> = inputs
        .iter()
        .map(|input| Source {
            key: &input.key,
            file: Arc::new(input.path.clone()),
            identity: input.identity.hex().into(),
            adata: Cow::Borrowed(&input.adata),
        })
        .collect();
    let mut planner = Planner::new(&sources, options, "");
    planner.notices.extend(inputs.iter().flat_map(|input| input.notices.iter().cloned()));
    planner.notices.extend(same_inputs(inputs));
    planner.notices.extend(unused_keys(inputs, options));
    let (mut merged, axis) = planner.concat()?;
    merged.raw = planner.concat_raw()?;
    if merged.n_obs == 0 && merged.raw.take().is_some() {
        // AnnData takes a `raw` without observations for none.
        let reason = "the result has no observations".to_owned();
        planner.notices.push(Notice::LeftOut { element: "/raw".to_owned(), reason });
    }
    let Planner { notices, sparse, texts, dropped, .. } = planner;
    Ok(Plan { merged, sparse, texts: texts.planned, notices, axis, dropped })
}

fn check_keys(inputs: &[Input]) -> Result<(), PlanError> {
    let mut seen: HashMap<&str, &Input> = HashMap::new();
    for input in inputs {
        if let Some(first) = seen.insert(&input.key, input) {
            return Err(PlanError::DuplicateKey {
                key: input.key.clone(),
                first: first.path.clone(),
                second: input.path.clone(),
            });
        }
    }
    Ok(())
}

/// What is there more than once, under whatever paths.
fn same_inputs(inputs: &[Input]) -> impl Iterator<Item = Notice> {
    let mut places: IndexMap<(u64, u64, u64), Vec<&Input>> = IndexMap::new();
    for input in inputs {
        let io::Identity { dev, ino, digest, .. } = input.identity;
        places.entry((dev, ino, digest)).or_default().push(input);
    }
    places.into_values().filter(|same| same.len() > 1).map(|same| Notice::SameInput {
        files: same.iter().map(|input| input.path.display().to_string()).collect(),
    })
}

/// Keys that somebody chose, and that the result does not hold.
fn unused_keys(inputs: &[Input], options: &ConcatOptions) -> Option<Notice> {
    let is_chosen = inputs.iter().enumerate().any(|(n, input)| input.key != n.to_string());
    let is_used = options.label.is_some() || options.index_unique.is_some();
    (is_chosen && !is_used).then(|| Notice::KeysUnused {
        keys: inputs.iter().map(|input| input.key.clone()).collect(),
    })
}

impl<'a> Planner<'a> {
    /// Everything but `raw`.
    fn concat(&mut self) -> Result<(AnnData, AxisReport), PlanError> {
        let axis = self.options.axis;
        let joined = self.join_other_axis()?;
        let other_frame = self.other_index(&joined);
        let mut frame = self.concat_index()?;

        let x = self.concat_x(&joined.indexers)?;
        let layers = self.concat_layers(&joined.indexers)?;
        let mapping = self.concat_mapping(&frame)?;
        frame.columns = self.concat_annotation()?;
        let pairwise = match self.options.pairwise {
            Pairwise::Keep => self.concat_pairwise()?,
            Pairwise::Drop => self.pairwise_left_out(),
        };
        let other = self.merge_other_axis(&joined, other_frame)?;
        let uns = self.merge_uns()?;

        let report = self.report(&joined);
        let merged = match axis {
            Axis::Obs => AnnData {
                n_obs: frame.len,
                n_vars: other.frame.len,
                x,
                obs: frame,
                var: other.frame,
                layers,
                obsm: mapping,
                varm: other.mapping,
                obsp: pairwise,
                varp: other.pairwise,
                raw: None,
                uns,
                uns_unread: Vec::new(),
            },
            Axis::Var => AnnData {
                n_obs: other.frame.len,
                n_vars: frame.len,
                x,
                obs: other.frame,
                var: frame,
                layers,
                obsm: other.mapping,
                varm: mapping,
                obsp: other.pairwise,
                varp: pairwise,
                raw: None,
                uns,
                uns_unread: Vec::new(),
            },
        };
        Ok((merged, report))
    }

    /// The frame of the other axis, without columns.
    fn other_index(&self, joined: &JoinedAxis) -> Frame {
        let other = self.options.axis.other();
        Frame {
            len: joined.names.len() as u64,
            index_name: self.index_name(other),
            index: Box::new(Elem::Text(MemoryText::line(Arc::clone(&joined.names)))),
            columns: IndexMap::new(),
        }
    }

    fn index_name(&self, axis: Axis) -> Option<String> {
        shared_name(self.sources.iter().map(|source| axis.frame(&source.adata).index_name.as_ref()))
    }

    /// The frame of the concatenated axis, without columns.
    fn concat_index(&self) -> Result<Frame, PlanError> {
        let axis = self.options.axis;
        let parts = self
            .sources
            .iter()
            .map(|source| {
                let names = index_text(axis.frame(&source.adata))
                    .map_err(|error| error.within(&self.at(axis.name())).of_file(&source.file))?;
                Ok(match &self.options.index_unique {
                    Some(separator) => {
                        SuffixedText::shared(names, &format!("{separator}{}", source.key))
                    }
                    None => names,
                })
            })
            .collect::<Result<Vec<SharedText>, PlanError>>()?;
        Ok(Frame {
            len: self.sources.iter().map(|source| axis.len(&source.adata)).sum(),
            index_name: self.index_name(axis),
            index: Box::new(Elem::Text(StackedText::shared(parts))),
            columns: IndexMap::new(),
        })
    }

    /// The columns of the concatenated axis, and the label.
    fn concat_annotation(&mut self) -> Result<IndexMap<String, Elem>, PlanError> {
        let axis = self.options.axis;
        let path = self.at(axis.name());
        let origins = self.origins(&path);
        let shares: Vec<FrameShare<'_>> = self
            .sources
            .iter()
            .zip(&origins)
            .map(|(source, origin)| {
                let frame = axis.frame(&source.adata);
                FrameShare { frame: Some(frame), len: frame.len, origin: Some(origin) }
            })
            .collect();
        let mut columns =
            concat_columns(&shares, self.options.join, &path, &mut self.notices, &mut self.texts)?;
        if let Some(label) = &self.options.label
            && columns.insert(label.clone(), self.label_column()).is_some()
        {
            let element = self.at(&format!("{}/{label}", axis.name()));
            self.texts.planned.retain(|text| text.path != element);
            self.notices.push(Notice::LabelReplacesColumn { element });
        }
        Ok(columns)
    }

    /// The key of each row's input, as a categorical over all keys.
    fn label_column(&self) -> Elem {
        let axis = self.options.axis;
        let dtype = code_dtype(self.sources.len() as u64);
        let parts: Vec<SharedArray> = self
            .sources
            .iter()
            .enumerate()
            .map(|(number, source)| {
                let mut code = vec![0; dtype.size_bytes()];
                cast_bytes(DType::I64, &(number as i64).to_le_bytes(), dtype, &mut code);
                Filled::shared(dtype, &[axis.len(&source.adata)], &code)
            })
            .collect();
        let keys = || self.sources.iter().map(|source| source.key);
        let integers: Option<Vec<i64>> = match self.options.label_values {
            LabelValues::Integers => keys().map(|key| key.parse().ok()).collect(),
            LabelValues::Text => None,
        };
        let categories = match integers {
            Some(integers) => {
                let bytes: &[u8] = bytemuck::cast_slice(&integers);
                Elem::Dense(MemoryArray::shared(DType::I64, &[integers.len() as u64], bytes))
            }
            None => Elem::Text(MemoryText::line(keys().collect::<TextBuf>())),
        };
        Elem::Categorical(Categorical {
            codes: Stacked::shared(parts, 0),
            categories: Box::new(categories),
            ordered: false,
        })
    }

    fn pairwise_left_out(&mut self) -> Mapping {
        let axis = self.options.axis;
        let mappings: Vec<&Mapping> =
            self.sources.iter().map(|source| axis.pairwise(&source.adata)).collect();
        let elements: Vec<String> = super::names::union_keys(&mappings)
            .into_iter()
            .map(|key| self.at(&format!("{}/{key}", axis.pairwise_name())))
            .collect();
        if !elements.is_empty() {
            self.notices.push(Notice::PairwiseNotKept { elements });
        }
        Mapping::new()
    }

    /// `raw`, when every input has one: a concatenation of its own, in which nothing of the other
    /// axis is merged.
    fn concat_raw(&mut self) -> Result<Option<Raw>, PlanError> {
        let missing_in: Vec<String> = self
            .sources
            .iter()
            .filter(|source| source.adata.raw.is_none())
            .map(|source| source.file.display().to_string())
            .collect();
        if missing_in.len() == self.sources.len() {
            return Ok(None);
        }
        if !missing_in.is_empty() {
            self.notices.push(Notice::RawLeftOut { missing_in });
            return Ok(None);
        }
        let sources: Vec<Source<'_>> = self
            .sources
            .iter()
            .filter_map(|source| {
                let adata = Cow::Owned(raw_as_adata(&source.adata)?);
                Some(Source { adata, ..source.clone() })
            })
            .collect();
        let options = ConcatOptions {
            merge: None,
            uns_merge: None,
            pairwise: Pairwise::Drop,
            ..self.options.clone()
        };
        let mut planner = Planner::new(&sources, &options, "/raw");
        // Numbers of sparse matrices go on.
        planner.sparse = std::mem::take(&mut self.sparse);
        planner.texts = std::mem::take(&mut self.texts);
        let merged = planner.concat();
        self.sparse = planner.sparse;
        self.texts = planner.texts;
        self.dropped.extend(planner.dropped);
        self.notices.extend(planner.notices.into_iter().map(|notice| match notice {
            // There is no option that would keep them.
            Notice::NotMerged { elements, .. } => Notice::RawNotMerged { elements },
            notice => notice,
        }));
        let (merged, _) = merged?;
        Ok(merged.x.map(|x| Raw { x, var: merged.var, varm: merged.varm }))
    }

    fn report(&self, joined: &JoinedAxis) -> AxisReport {
        let other = self.options.axis.other();
        AxisReport {
            axis: other.name(),
            len: joined.names.len() as u64,
            inputs: self
                .sources
                .iter()
                .zip(&joined.indexers)
                .map(|(source, indexer)| {
                    let concatenated = self.options.axis.len(&source.adata);
                    InputJoin::new(&source.file, source.key, concatenated, indexer)
                })
                .collect(),
        }
    }
}

/// `raw` as an object of its own: its observations have names and nothing else.
fn raw_as_adata(adata: &AnnData) -> Option<AnnData> {
    let raw = adata.raw.as_ref()?;
    Some(AnnData {
        n_obs: adata.n_obs,
        n_vars: raw.var.len,
        x: Some(raw.x.clone()),
        obs: super::frames::frame_without_columns(&adata.obs),
        var: raw.var.clone(),
        layers: Mapping::new(),
        obsm: Mapping::new(),
        varm: raw.varm.clone(),
        obsp: Mapping::new(),
        varp: Mapping::new(),
        raw: None,
        uns: Mapping::new(),
        uns_unread: Vec::new(),
    })
}
