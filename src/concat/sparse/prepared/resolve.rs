//! From a planned matrix to one that can be read.

use std::sync::Arc;

use rayon::prelude::*;

use crate::anndata::{Sparse, SparseBody, SparseFormat};
use crate::array::{Cast, Gathered, SharedArray, cast_bytes};
use crate::base::{DType, Indexer, Progress, ReadError, Silent};
use crate::concat::kept::{CensusKey, Offsets};
use crate::concat::numpy::FillValue;
use crate::concat::sparse::planned::{
    Layout, Origin, PartSource, PlannedPart, PlannedSparse, Treatment,
};
use crate::concat::sparse::served::{
    Arrays, Common, Direct, Interleaved, MinorPart, Part, Remapped, Stack, Uniform, UniformValues,
};
use crate::concat::sparse::stored::{ColumnMap, ColumnMaps, Compressed};

use super::census::count_kept;
use super::convert::{dense_to_rows, transposed};
use super::env::CensusEnv;

/// Takes the censuses and makes the conversions that `planned` needs; the result is
/// [`SparseBody::Stored`].
///
/// # Errors
/// A source that cannot be read or contradicts itself, or a spill file that cannot be written.
pub fn resolve(
    planned: &PlannedSparse,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Sparse, ReadError> {
    let opened = convert_parts(planned, env, progress)?;
    let fill = planned.fill.map(|fill| fill_bytes(fill, planned.dtype));
    let arrays = match planned.layout {
        Layout::Minor => interleave(planned, opened, fill, env)?,
        Layout::Major | Layout::Diagonal => stack(planned, opened, fill.as_deref(), env, progress)?,
    };
    let Arrays { data, indices, indptr } = arrays;
    Ok(Sparse {
        format: planned.format,
        shape: planned.shape,
        dtype: planned.dtype,
        body: SparseBody::Stored { data, indices, indptr },
    })
}

impl PlannedSparse {
    fn too_many_entries(&self) -> ReadError {
        let what = "the merged matrix has more entries than 64 bits can count";
        match self.parts.first() {
            Some(part) => part.part.origin.corrupt("", what),
            None => ReadError::corrupt("", "", what),
        }
    }
}

/// A part in the format of the result.
struct Opened<'a> {
    planned: &'a PlannedPart,
    /// From the merged other axis to the matrix's.
    other: Indexer,
    body: OpenedBody,
}

enum OpenedBody {
    Matrix(Compressed),
    /// A block of a diagonal.
    Dense(SharedArray),
    Empty,
}

/// Brings every part into the format of the result.
fn convert_parts<'a>(
    planned: &'a PlannedSparse,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Vec<Opened<'a>>, ReadError> {
    let bytes = planned.report().conversion_bytes();
    if bytes == 0 {
        return planned
            .parts
            .par_iter()
            .map(|part| open_part(planned, part, env, progress))
            .collect();
    }
    let what = match planned.format {
        SparseFormat::Csr => "converting to CSR",
        SparseFormat::Csc => "converting to CSC",
    };
    progress.begin(what, bytes);
    // One conversion at a time: each may take all of the memory that there is for them.
    let opened = planned.parts.iter().map(|part| open_part(planned, part, env, progress)).collect();
    progress.end();
    opened
}

fn open_part<'a>(
    planned: &PlannedSparse,
    part: &'a PlannedPart,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Opened<'a>, ReadError> {
    let mut origin = part.part.origin.clone();
    if part.treatment == Treatment::Converted || matches!(part.part.source, PartSource::Planned(_))
    {
        // Nothing is kept on disk about what is not in the file itself.
        origin.identity = "".into();
    }
    let origin = Arc::new(origin);
    let mut other = part.part.other.clone();
    let body = match &part.part.source {
        PartSource::Empty => OpenedBody::Empty,
        PartSource::Dense(array) if planned.layout == Layout::Diagonal => {
            OpenedBody::Dense(Cast::shared(Arc::clone(array), planned.dtype))
        }
        PartSource::Dense(array) => {
            let matrix = convert_dense(planned, array, &mut other, &origin, env, progress)?;
            OpenedBody::Matrix(matrix)
        }
        PartSource::Sparse(sparse) => {
            OpenedBody::Matrix(open_sparse(planned, sparse, &origin, env, progress)?)
        }
        PartSource::Planned(inner) => {
            let sparse = resolve(inner, env, &Silent)?;
            OpenedBody::Matrix(open_sparse(planned, &sparse, &origin, env, progress)?)
        }
    };
    Ok(Opened { planned: part, other, body })
}

/// A sparse part in the format of the result.
fn open_sparse(
    planned: &PlannedSparse,
    sparse: &Sparse,
    origin: &Arc<Origin>,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Compressed, ReadError> {
    let matrix = Compressed::open(sparse, origin)?;
    if sparse.format == planned.format {
        return Ok(matrix);
    }
    transposed(&matrix, env.memory_bytes, &env.spill_dir, progress)
}

/// A dense part as a compressed one. Its other axis is joined on the way, while that is free.
fn convert_dense(
    planned: &PlannedSparse,
    array: &SharedArray,
    other: &mut Indexer,
    origin: &Arc<Origin>,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Compressed, ReadError> {
    let other_axis = 1 - planned.axis.index();
    let array = Cast::shared(Arc::clone(array), planned.dtype);
    let fill = planned.fill.map_or_else(
        || vec![0; planned.dtype.size_bytes()],
        |fill| fill_bytes(fill, planned.dtype),
    );
    let joined = Gathered::shared(array, other_axis, other, &fill);
    *other = Indexer::identity(other.target_len());
    let rows = dense_to_rows(&joined, origin, &env.spill_dir, progress)?;
    match planned.format {
        SparseFormat::Csr => Ok(rows),
        SparseFormat::Csc => transposed(&rows, env.memory_bytes, &env.spill_dir, &Silent),
    }
}

/// Parts one after another.
fn stack(
    planned: &PlannedSparse,
    opened: Vec<Opened<'_>>,
    fill: Option<&[u8]>,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Arrays, ReadError> {
    let mut maps = ColumnMaps::default();
    let mapped: Vec<(Opened<'_>, Option<Arc<ColumnMap>>)> = opened
        .into_iter()
        .map(|part| {
            let map = (!part.other.is_identity()).then(|| maps.get(&part.other));
            (part, map)
        })
        .collect();
    let counted_bytes: u64 =
        mapped.iter().map(|(part, map)| census_bytes(part, map.as_deref())).sum();
    if counted_bytes > 0 {
        progress.begin("counting what the join keeps", counted_bytes);
    }
    let parts: Result<Vec<Arc<dyn Part>>, ReadError> = mapped
        .into_par_iter()
        .map(|(part, map)| stack_part(planned, part, map, fill, env, progress))
        .collect();
    if counted_bytes > 0 {
        progress.end();
    }
    let max_len = planned.shape[0].max(planned.shape[1]);
    Stack::arrays(parts?, planned.dtype, max_len).ok_or_else(|| planned.too_many_entries())
}

fn census_bytes(part: &Opened<'_>, map: Option<&ColumnMap>) -> u64 {
    match (&part.body, map) {
        (OpenedBody::Matrix(matrix), Some(map)) if map.num_dropped > 0 => {
            matrix.nnz * matrix.index_bytes() as u64
        }
        _ => 0,
    }
}

fn stack_part(
    planned: &PlannedSparse,
    part: Opened<'_>,
    map: Option<Arc<ColumnMap>>,
    fill: Option<&[u8]>,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Arc<dyn Part>, ReadError> {
    let diagonal = planned.layout == Layout::Diagonal;
    let shift = if diagonal { part.planned.start } else { 0 };
    let num_major = part.planned.part.extent;
    let matrix = match part.body {
        OpenedBody::Matrix(matrix) => matrix,
        OpenedBody::Dense(array) => {
            let values = UniformValues::Dense(array);
            return uniform(planned, Uniform { num_major, width: num_major, shift, values });
        }
        OpenedBody::Empty => {
            return match fill {
                Some(fill) if !diagonal => {
                    let width = part.other.target_len();
                    let values = UniformValues::Same(fill.to_vec());
                    uniform(planned, Uniform { num_major, width, shift, values })
                }
                _ => Ok(Arc::new(Uniform::blank(num_major))),
            };
        }
    };
    let values = Cast::shared(Arc::clone(&matrix.data), planned.dtype);
    let Some(map) = map else {
        return Ok(Arc::new(Direct { matrix, values, shift, map: None }));
    };
    let fills = fill.is_some() && !map.introduced.is_empty();
    if map.num_dropped == 0 && map.rising && !fills {
        return Ok(Arc::new(Direct { matrix, values, shift, map: Some(map) }));
    }
    let kept = match map.num_dropped {
        0 => None,
        _ => Some(census(&matrix, &map, env, progress)?),
    };
    let fill = fill.map(<[u8]>::to_vec);
    let blocks = Arc::clone(&env.blocks);
    Ok(Arc::new(Remapped::new(matrix, values, map, fill, kept, blocks)?))
}

fn uniform(planned: &PlannedSparse, part: Uniform) -> Result<Arc<dyn Part>, ReadError> {
    match part.num_major.checked_mul(part.width) {
        Some(_) => Ok(Arc::new(part)),
        None => Err(planned.too_many_entries()),
    }
}

/// The census of one part: kept from before, or taken and kept.
fn census(
    matrix: &Compressed,
    map: &ColumnMap,
    env: &CensusEnv,
    progress: &dyn Progress,
) -> Result<Offsets, ReadError> {
    let Origin { identity, element, .. } = &*matrix.origin;
    let numbers = [matrix.num_major, matrix.num_minor, matrix.nnz];
    let key = CensusKey::new(identity, element, &numbers, &map.kept_mask());
    let is_whole = |offsets: &Offsets| offsets.len() == matrix.num_major + 1;
    if let Some(offsets) = env.kept(key, Some(matrix.num_major + 1)).filter(is_whole) {
        progress.advance(matrix.nnz * matrix.index_bytes() as u64);
        return Ok(offsets);
    }
    let offsets = count_kept(matrix, map, &env.spill_dir, progress)?;
    env.keep(key, &offsets);
    Ok(offsets)
}

/// Parts side by side in every major slice.
fn interleave(
    planned: &PlannedSparse,
    opened: Vec<Opened<'_>>,
    fill: Option<Vec<u8>>,
    env: &CensusEnv,
) -> Result<Arrays, ReadError> {
    let num_major = match planned.format {
        SparseFormat::Csr => planned.shape[0],
        SparseFormat::Csc => planned.shape[1],
    };
    let parts = opened
        .into_iter()
        .map(|part| MinorPart {
            shift: part.planned.start,
            extent: part.planned.part.extent,
            majors: part.other,
            source: match part.body {
                OpenedBody::Matrix(matrix) => {
                    let values = Cast::shared(Arc::clone(&matrix.data), planned.dtype);
                    Some((matrix, values))
                }
                OpenedBody::Dense(_) | OpenedBody::Empty => None,
            },
        })
        .collect();
    let common = Common {
        num_major,
        dtype: planned.dtype,
        max_len: planned.shape[0].max(planned.shape[1]),
        fill,
        spill_dir: env.spill_dir.clone(),
        cache: Arc::clone(&env.blocks),
    };
    Interleaved::arrays(parts, common)
}

/// The bytes of the fill value as an element of the result.
fn fill_bytes(fill: FillValue, dtype: DType) -> Vec<u8> {
    let bytes = match fill {
        FillValue::Int(value) => value.to_le_bytes(),
        FillValue::Float(value) => value.to_le_bytes(),
    };
    let mut out = vec![0; dtype.size_bytes()];
    cast_bytes(fill.dtype(), &bytes, dtype, &mut out);
    out
}
