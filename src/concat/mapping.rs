//! `X`, layers, and the concatenated axis's mapping: keys joined, each element concatenated.

use crate::anndata::{Elem, Frame, Mapping};
use crate::base::{DType, Indexer};

use super::arrays::{ArrayShare, Brought, Kind};
use super::awkward::{AwkwardPart, Concatenated, Fields, concat_awkward};
use super::frames::{FrameShare, concat_columns, frame_without_columns};
use super::names::{intersect_keys, union_keys};
use super::options::{Axis, Join};
use super::planner::Planner;
use super::sparse::{Axis as MatrixAxis, PartSource, SparsePart, plan_pairwise};
use super::told::{Notice, PlanError};

impl Planner<'_> {
    /// The keys of a result, and each input's element under them. What an inner join drops of
    /// `group` is told.
    fn joined_elements<'m>(
        &mut self,
        mappings: &[&'m Mapping],
        group: &str,
    ) -> Vec<(&'m str, Vec<Option<&'m Elem>>)> {
        let all = union_keys(mappings);
        let keys = match self.options.join {
            Join::Inner => intersect_keys(mappings),
            Join::Outer => all.clone(),
        };
        let dropped = all.into_iter().filter(|key| !keys.contains(key));
        let elements: Vec<String> = dropped.map(|key| self.at(&format!("{group}/{key}"))).collect();
        if !elements.is_empty() {
            Notice::NotInAll { elements }.tell(&mut self.notices);
        }
        keys.into_iter()
            .map(|key| (key, mappings.iter().map(|mapping| mapping.get(key)).collect()))
            .collect()
    }

    /// `X`: what all have; what some have is filled along an outer join, else left out.
    pub fn concat_x(&mut self, indexers: &[Indexer]) -> Result<Option<Elem>, PlanError> {
        let sources = self.sources;
        let elems: Vec<Option<&Elem>> =
            sources.iter().map(|source| source.adata.x.as_ref()).collect();
        if elems.iter().all(Option::is_none) {
            return Ok(None);
        }
        let missing_in: Vec<String> = sources
            .iter()
            .zip(&elems)
            .filter(|(_, elem)| elem.is_none())
            .map(|(source, _)| source.file.display().to_string())
            .collect();
        if !missing_in.is_empty() {
            if self.options.join == Join::Inner {
                self.notices.push(Notice::XLeftOut { missing_in });
                return Ok(None);
            }
            self.notices.push(Notice::XFilled { missing_in });
        }
        self.concat_matrix(&elems, indexers, "X")
    }

    /// The layers.
    pub fn concat_layers(&mut self, indexers: &[Indexer]) -> Result<Mapping, PlanError> {
        let sources = self.sources;
        let mappings: Vec<&Mapping> = sources.iter().map(|source| &source.adata.layers).collect();
        let mut out = Mapping::new();
        for (key, elems) in self.joined_elements(&mappings, "layers") {
            if let Some(elem) = self.concat_matrix(&elems, indexers, &format!("layers/{key}"))? {
                out.insert(key.to_owned(), elem);
            }
        }
        Ok(out)
    }

    fn concat_matrix(
        &mut self,
        elems: &[Option<&Elem>],
        indexers: &[Indexer],
        path: &str,
    ) -> Result<Option<Elem>, PlanError> {
        let axis = self.options.axis;
        let shares: Vec<ArrayShare<'_>> = elems
            .iter()
            .zip(self.sources)
            .zip(indexers)
            .map(|((elem, source), other)| ArrayShare {
                elem: *elem,
                extent: axis.len(&source.adata),
                other: other.clone(),
            })
            .collect();
        self.concat_arrays(&shares, axis.of_matrix(), path)
    }

    /// `obsm` (`varm` along var). `index` becomes the index of frames in it.
    pub fn concat_mapping(&mut self, index: &Frame) -> Result<Mapping, PlanError> {
        let (axis, sources) = (self.options.axis, self.sources);
        let mappings: Vec<&Mapping> =
            sources.iter().map(|source| axis.mapping(&source.adata)).collect();
        let mut out = Mapping::new();
        for (key, elems) in self.joined_elements(&mappings, axis.mapping_name()) {
            let path = format!("{}/{key}", axis.mapping_name());
            if let Some(elem) = self.concat_aligned(&elems, index, &path)? {
                out.insert(key.to_owned(), elem);
            }
        }
        Ok(out)
    }

    fn concat_aligned(
        &mut self,
        elems: &[Option<&Elem>],
        index: &Frame,
        path: &str,
    ) -> Result<Option<Elem>, PlanError> {
        let axis = self.options.axis;
        let present = || elems.iter().flatten().copied();
        let shares: Vec<ArrayShare<'_>> = elems
            .iter()
            .zip(self.sources)
            .zip(self.widths(elems))
            .map(|((elem, source), other)| ArrayShare {
                elem: *elem,
                extent: axis.len(&source.adata),
                other,
            })
            .collect();
        if present().any(|elem| Kind::of(elem) == Kind::Frame) {
            self.reject_mixture(&shares, path, |kind| kind == Kind::Frame)?;
            return self.concat_frames(&shares, index, path).map(|frame| Some(Elem::Frame(frame)));
        }
        if present().any(|elem| Kind::of(elem) == Kind::Awkward) {
            self.reject_mixture(&shares, path, |kind| kind == Kind::Awkward)?;
            return self.concat_awkward(&shares, path).map(Some);
        }
        if let Some(cut) = shares.iter().find(|share| share.other.num_dropped() > 0) {
            let kept = cut.other.target_len();
            self.notices.push(Notice::ColumnsCut { element: self.at(path), kept });
        }
        self.concat_arrays(&shares, MatrixAxis::Rows, path)
    }

    /// `gen_inner_reindexers` and `gen_outer_reindexers` over arrays: the first columns that all
    /// have, or as many as any has.
    fn widths(&self, elems: &[Option<&Elem>]) -> Vec<Indexer> {
        let widths: Vec<Option<u64>> = elems.iter().map(|elem| elem.and_then(width)).collect();
        let present = widths.iter().flatten().copied();
        let target = match self.options.join {
            Join::Inner => present.min(),
            Join::Outer => present.max(),
        };
        let target = target.unwrap_or(0);
        widths.into_iter().map(|width| Indexer::prefix(width.unwrap_or(0), target)).collect()
    }

    fn concat_frames(
        &mut self,
        shares: &[ArrayShare<'_>],
        index: &Frame,
        path: &str,
    ) -> Result<Frame, PlanError> {
        let path = self.at(path);
        let origins = self.origins(&path);
        let shares: Vec<FrameShare<'_>> = shares
            .iter()
            .zip(&origins)
            .map(|(share, origin)| FrameShare {
                frame: match share.elem {
                    Some(Elem::Frame(frame)) => Some(frame),
                    _ => None,
                },
                len: share.extent,
                origin: Some(origin),
            })
            .collect();
        let columns =
            concat_columns(&shares, self.options.join, &path, &mut self.notices, &mut self.texts)?;
        Ok(Frame { columns, ..frame_without_columns(index) })
    }

    fn concat_awkward(&mut self, shares: &[ArrayShare<'_>], path: &str) -> Result<Elem, PlanError> {
        let parts: Vec<AwkwardPart<'_>> = shares
            .iter()
            .map(|share| match share.elem {
                Some(Elem::Awkward(array)) => AwkwardPart::Present(array),
                _ => AwkwardPart::Missing(share.extent),
            })
            .collect();
        let fields = match self.options.join {
            Join::Inner => Fields::Common,
            Join::Outer => Fields::Own,
        };
        let element = self.at(path);
        let Concatenated { array, lost_fields } = concat_awkward(&parts, fields)
            .map_err(|source| PlanError::Awkward { element: element.clone(), source })?;
        if !lost_fields.is_empty() {
            self.notices.push(Notice::FieldsNotInAll { element, fields: lost_fields });
        }
        Ok(Elem::Awkward(array))
    }

    /// `obsp` (`varp` along var): block-diagonal.
    pub fn concat_pairwise(&mut self) -> Result<Mapping, PlanError> {
        let (axis, sources) = (self.options.axis, self.sources);
        let mappings: Vec<&Mapping> =
            sources.iter().map(|source| axis.pairwise(&source.adata)).collect();
        let mut out = Mapping::new();
        for (key, elems) in self.joined_elements(&mappings, axis.pairwise_name()) {
            let path = format!("{}/{key}", axis.pairwise_name());
            let Some(parts) = self.pairwise_parts(axis, &elems, &path) else { continue };
            let brought = |part: &SparsePart| {
                let own = part.source.dtype();
                // There are no sparse matrices of half precision.
                let dtype = own.map(|own| if own == DType::F16 { DType::F32 } else { own });
                dtype.map_or(Brought::NOTHING, |dtype| Brought { own, dtype })
            };
            let brought: Vec<Brought> = parts.iter().map(brought).collect();
            let sparse = self.add_sparse(plan_pairwise(parts)?, &path)?;
            if brought.iter().any(|brought| brought.own == Some(DType::F16)) {
                self.tell_conversion(&brought, sparse.dtype, &path);
            }
            out.insert(key.to_owned(), Elem::Sparse(sparse));
        }
        Ok(out)
    }

    fn pairwise_parts(
        &mut self,
        axis: Axis,
        elems: &[Option<&Elem>],
        path: &str,
    ) -> Option<Vec<SparsePart>> {
        let mut parts = Vec::with_capacity(elems.len());
        for (source, elem) in self.sources.iter().zip(elems) {
            let part = match elem {
                Some(Elem::Sparse(sparse)) => PartSource::Sparse(sparse.clone()),
                Some(Elem::Dense(array)) => PartSource::Dense(std::sync::Arc::clone(array)),
                None => PartSource::Empty,
                Some(_) => {
                    self.notices.push(Notice::LeftOut {
                        element: self.at(path),
                        reason: "only matrices can be made block-diagonal".to_owned(),
                    });
                    return None;
                }
            };
            let extent = axis.len(&source.adata);
            let origin = source.origin(self.at(path));
            parts.push(SparsePart {
                source: part,
                extent,
                other: Indexer::identity(extent),
                origin,
            });
        }
        Some(parts)
    }
}

fn width(elem: &Elem) -> Option<u64> {
    match elem {
        Elem::Dense(array) => array.shape().get(1).copied(),
        Elem::Text(text) => text.shape().get(1).copied(),
        Elem::Sparse(sparse) => Some(sparse.shape[1]),
        _ => None,
    }
}
