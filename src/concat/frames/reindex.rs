//! Elements of the other axis under its joined names: `Reindexer.__call__(el, axis=0)` and
//! `DataFrame.reindex`.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::anndata::{Categorical, Elem, Frame, Nullable};
use crate::array::{
    Cast, Filled, FilledText, Gathered, GatheredText, ReshapedText, SharedArray, SharedText,
};
use crate::base::{DType, Indexer};
use crate::concat::arrays::reindex_dense;
use crate::concat::numpy::{FillValue, fill_bytes, promote_fill};

/// What pandas introduces.
const NAN: FillValue = FillValue::Float(f64::NAN);

/// A column under new rows. Text and booleans that get missing values become nullable; `None` for
/// what is no column.
pub fn reindex_column(column: &Elem, indexer: &Indexer) -> Option<Elem> {
    if indexer.is_identity() {
        return Some(column.clone());
    }
    let introduces = indexer.introduces();
    Some(match column {
        Elem::Dense(array) if array.dtype() == DType::Bool && introduces => {
            Elem::Nullable(Nullable {
                values: Box::new(Elem::Dense(gather(array, indexer, &[0]))),
                mask: introduced_mask(indexer),
                na_value: None,
            })
        }
        Elem::Dense(array) => {
            let dtype = array.dtype();
            let dtype = if introduces { promote_fill(dtype, NAN).dtype() } else { dtype };
            let cast = Cast::shared(Arc::clone(array), dtype);
            Elem::Dense(gather(&cast, indexer, &fill_bytes(dtype, NAN)))
        }
        Elem::Text(text) => {
            let values = Elem::Text(gather_text(text, indexer));
            if !introduces {
                return Some(values);
            }
            Elem::Nullable(Nullable {
                values: Box::new(values),
                mask: introduced_mask(indexer),
                na_value: None,
            })
        }
        Elem::Categorical(categorical) => {
            let missing = vec![0xff; categorical.codes.dtype().size_bytes()];
            Elem::Categorical(Categorical {
                codes: gather(&categorical.codes, indexer, &missing),
                categories: categorical.categories.clone(),
                ordered: categorical.ordered,
            })
        }
        Elem::Nullable(nullable) => {
            let values = match &*nullable.values {
                Elem::Dense(array) => {
                    let zero = vec![0; array.dtype().size_bytes()];
                    Elem::Dense(gather(array, indexer, &zero))
                }
                Elem::Text(text) => Elem::Text(gather_text(text, indexer)),
                _ => return None,
            };
            Elem::Nullable(Nullable {
                values: Box::new(values),
                mask: gather(&nullable.mask, indexer, &[1]),
                na_value: nullable.na_value,
            })
        }
        _ => return None,
    })
}

/// A frame under new rows, whose index `index` is.
pub fn reindex_frame(frame: &Frame, indexer: &Indexer, index: &Frame) -> Frame {
    let columns: IndexMap<String, Elem> = frame
        .columns
        .iter()
        .filter_map(|(name, column)| Some((name.clone(), reindex_column(column, indexer)?)))
        .collect();
    Frame {
        len: index.len,
        index_name: index.index_name.clone(),
        index: index.index.clone(),
        columns,
    }
}

/// A frame with the same rows and no columns.
pub fn frame_without_columns(frame: &Frame) -> Frame {
    Frame {
        len: frame.len,
        index_name: frame.index_name.clone(),
        index: frame.index.clone(),
        columns: IndexMap::new(),
    }
}

/// Rows (and columns too, for pairwise elements) of an array under new names.
pub fn reindex_array(array: &SharedArray, axes: usize, indexer: &Indexer) -> SharedArray {
    let mut array = Arc::clone(array);
    for axis in 0..axes {
        array = reindex_dense(&array, axis, indexer, NAN).0;
    }
    array
}

/// Rows of an array of strings of any rank under new names; `None` when some would have to be filled,
/// or there are too many to number.
/// What has no rows becomes numbers, as in anndata: nothing tells that it would have held strings.
pub fn reindex_rows_of_text(text: &SharedText, indexer: &Indexer) -> Option<Elem> {
    if indexer.is_identity() {
        return Some(Elem::Text(Arc::clone(text)));
    }
    let mut shape = text.shape().to_vec();
    shape[0] = indexer.target_len();
    if indexer.source_len() == 0 {
        return Some(Elem::Dense(Filled::shared(DType::F64, &shape, &fill_bytes(DType::F64, NAN))));
    }
    let row_len = shape.iter().skip(1).product::<u64>();
    if row_len == 0 {
        return Some(Elem::Text(FilledText::shared(&shape, "")));
    }
    if indexer.introduces() {
        return None;
    }
    let len = text.num_elements();
    // Positions are numbers of 32 bits.
    u32::try_from(len).ok()?;
    let positions: Vec<u32> = (0..indexer.target_len())
        .filter_map(|target| indexer.get(target))
        .flat_map(|row| (row * row_len..(row + 1) * row_len).map(|at| at as u32))
        .collect();
    let flat = ReshapedText::shared(Arc::clone(text), &[len]);
    let taken = GatheredText::shared(flat, &Indexer::new(len, positions), "");
    Some(Elem::Text(ReshapedText::shared(taken, &shape)))
}

fn gather(array: &SharedArray, indexer: &Indexer, fill: &[u8]) -> SharedArray {
    if indexer.source_len() == 0 {
        return Filled::shared(array.dtype(), &[indexer.target_len()], fill);
    }
    Gathered::shared(Arc::clone(array), 0, indexer, fill)
}

fn gather_text(text: &SharedText, indexer: &Indexer) -> SharedText {
    GatheredText::shared(Arc::clone(text), indexer, "")
}

/// True where a position of the target has no source.
fn introduced_mask(indexer: &Indexer) -> SharedArray {
    let present = Filled::shared(DType::Bool, &[indexer.source_len()], &[0]);
    gather(&present, indexer, &[1])
}
