//! What a stack will be: format, shape, dtype and treatment of each part. Pure; reads nothing.
//!
//! The dtype follows `Reindexer._apply_to_sparse` and `scipy.sparse.vstack`.

use crate::anndata::SparseFormat;
use crate::base::{DType, Indexer, ReadError};
use crate::concat::numpy::{FillValue, result_type};

use super::matrix::{
    Axis, FormatChoice, Layout, PartSource, PlannedPart, PlannedSparse, SparsePart, StackOptions,
    Treatment,
};

/// Plans the stack of `parts` along `axis`. All parts must agree on the length of the merged other
/// axis.
///
/// # Errors
/// [`ReadError::Corrupt`] when the shape of a part contradicts its extent or its indexer.
pub fn plan_stack(
    parts: Vec<SparsePart>,
    axis: Axis,
    options: &StackOptions,
) -> Result<PlannedSparse, ReadError> {
    let other_len = parts.first().map_or(0, |part| part.other.target_len());
    for part in &parts {
        check_part(part, axis, other_len)?;
    }
    let format = choose_format(&parts, options.format);
    let aligned = matches!(
        (format, axis),
        (SparseFormat::Csr, Axis::Rows) | (SparseFormat::Csc, Axis::Columns)
    );
    let fill = options.fill.filter(|fill| !fill.is_zero());
    let dtype = result_type(parts.iter().map(|part| dtype_of(part, fill))).unwrap_or(DType::F64);

    let mut start = 0_u64;
    let mut planned = Vec::with_capacity(parts.len());
    for part in parts {
        let extent = part.extent;
        let treatment = treatment_of(&part, format, aligned);
        let end = start.checked_add(extent).ok_or_else(|| too_long(&part))?;
        planned.push(PlannedPart { part, start, treatment });
        start = end;
    }
    let shape = match axis {
        Axis::Rows => [start, other_len],
        Axis::Columns => [other_len, start],
    };
    let layout = if aligned { Layout::Major } else { Layout::Minor };
    Ok(PlannedSparse { format, shape, dtype, axis, layout, fill, parts: planned })
}

/// Plans the block-diagonal CSR matrix of square `parts` (`scipy.sparse.block_diag`, as
/// `concat_pairwise_mapping` calls it). A missing part is an empty boolean block; a dense one keeps
/// its zeros as explicit entries.
///
/// # Errors
/// [`ReadError::Corrupt`] when a part is not square.
pub fn plan_pairwise(parts: Vec<SparsePart>) -> Result<PlannedSparse, ReadError> {
    let mut start = 0_u64;
    let mut planned = Vec::with_capacity(parts.len());
    let dtype = result_type(parts.iter().map(|part| source_dtype(&part.source)));
    for mut part in parts {
        part.other = Indexer::identity(part.extent);
        check_part(&part, Axis::Rows, part.extent)?;
        let treatment = match &part.source {
            PartSource::Empty => Treatment::Empty,
            source => match source.header() {
                Some((SparseFormat::Csc, ..)) => Treatment::Converted,
                _ => Treatment::Identity,
            },
        };
        let end = start.checked_add(part.extent).ok_or_else(|| too_long(&part))?;
        planned.push(PlannedPart { part, start, treatment });
        start = end;
    }
    Ok(PlannedSparse {
        format: SparseFormat::Csr,
        shape: [start, start],
        dtype: dtype.unwrap_or(DType::F64),
        axis: Axis::Rows,
        layout: Layout::Diagonal,
        fill: None,
        parts: planned,
    })
}

impl SparsePart {
    /// The dtype that the part brings to a stack.
    #[must_use]
    pub fn stacked_dtype(&self, options: &StackOptions) -> DType {
        dtype_of(self, options.fill.filter(|fill| !fill.is_zero()))
    }
}

fn choose_format(parts: &[SparsePart], choice: FormatChoice) -> SparseFormat {
    if let FormatChoice::Always(format) = choice {
        return format;
    }
    let mut formats = parts.iter().filter_map(|part| match &part.source {
        PartSource::Dense(_) => Some(SparseFormat::Csr),
        source => source.header().map(|(format, ..)| format),
    });
    match formats.next() {
        Some(SparseFormat::Csc) if formats.all(|format| format == SparseFormat::Csc) => {
            SparseFormat::Csc
        }
        _ => SparseFormat::Csr,
    }
}

fn treatment_of(part: &SparsePart, format: SparseFormat, aligned: bool) -> Treatment {
    let own_format = match &part.source {
        PartSource::Empty => return Treatment::Empty,
        source => source.header().map(|(format, ..)| format),
    };
    if own_format != Some(format) {
        return Treatment::Converted;
    }
    if part.other.is_identity() {
        return Treatment::Identity;
    }
    // Minor-aligned, whole major slices move: their lengths are in indptr.
    if !aligned || part.other.num_dropped() == 0 {
        return Treatment::Remapped;
    }
    Treatment::Census
}

/// The dtype of a part once `Reindexer._apply_to_sparse` has been over it.
fn dtype_of(part: &SparsePart, fill: Option<FillValue>) -> DType {
    let own = source_dtype(&part.source);
    // anndata stands `zeros((extent, 0), bool)` in for an element that an input does not have.
    let (source_len, unchanged) = match part.source {
        PartSource::Empty => (0, part.other.target_len() == 0),
        _ => (part.other.source_len(), part.other.is_identity()),
    };
    if unchanged {
        return own;
    }
    match fill {
        // `csr_matrix(shape)` is float64.
        None if source_len == 0 => DType::F64,
        Some(fill) if source_len == 0 => fill.dtype(),
        Some(fill) if part.other.introduces() => own.promote(fill.dtype()),
        _ => own,
    }
}

fn source_dtype(source: &PartSource) -> DType {
    // scipy has no sparse matrices of half precision, and no reader expects them.
    match source {
        PartSource::Dense(array) => readable(array.dtype()),
        source => source.header().map_or(DType::Bool, |(_, _, dtype)| readable(dtype)),
    }
}

fn readable(dtype: DType) -> DType {
    if dtype == DType::F16 { DType::F32 } else { dtype }
}

fn check_part(part: &SparsePart, axis: Axis, other_len: u64) -> Result<(), ReadError> {
    let corrupt = |what: String| {
        Err(ReadError::corrupt(part.origin.file.as_path(), part.origin.element.as_str(), what))
    };
    let target_len = part.other.target_len();
    if target_len != other_len {
        return corrupt(format!("is joined to {target_len} positions, the others to {other_len}"));
    }
    let shape: [u64; 2] = match &part.source {
        PartSource::Dense(array) => match *array.shape() {
            [rows, columns] => [rows, columns],
            ref shape => return corrupt(format!("has the shape {shape:?}, expected two axes")),
        },
        source => match source.header() {
            Some((_, shape, _)) => shape,
            None => return Ok(()),
        },
    };
    let expected = match axis {
        Axis::Rows => [part.extent, part.other.source_len()],
        Axis::Columns => [part.other.source_len(), part.extent],
    };
    if shape == expected {
        return Ok(());
    }
    corrupt(format!("has the shape {shape:?}, expected {expected:?}"))
}

fn too_long(part: &SparsePart) -> ReadError {
    ReadError::unsupported(
        part.origin.file.as_path(),
        part.origin.element.as_str(),
        "the concatenated axis does not fit 64 bits",
    )
}
