//! The index of `obs`, `var` and `raw.var`, which `AnnData` makes strings
//! (`_core.aligned_df._gen_dataframe_df`).

use std::ops::Range;
use std::sync::Arc;

use super::error::{DecodeError, Place};
use super::{Elem, Frame};
use crate::array::{
    FormattedText, LookupText, MemoryText, SharedText, TextBuf, TextSource, push_python_str,
    read_all, read_all_text,
};
use crate::base::{DType, ReadError};

/// The table with an index of strings, plain or nullable; other values as Python's `str` has them.
pub(super) fn with_string_index(mut frame: Frame, at: &Place<'_>) -> Result<Frame, DecodeError> {
    let index = match *frame.index {
        Elem::Dense(numbers) => Elem::Text(FormattedText::shared(numbers)),
        Elem::Categorical(categorical) => {
            let categories = texts(&categorical.categories, at)?;
            // `str` of a missing category.
            Elem::Text(LookupText::shared(categorical.codes, Arc::new(categories), "nan"))
        }
        Elem::Nullable(nullable) if !matches!(*nullable.values, Elem::Text(_)) => {
            let values = texts(&nullable.values, at)?;
            let mask = read_all(nullable.mask.as_ref())?;
            let texts: TextBuf = values
                .iter()
                .zip(&mask)
                .map(|(text, &missing)| if missing == 0 { text } else { "<NA>" })
                .collect();
            Elem::Text(MemoryText::line(texts))
        }
        Elem::Nullable(nullable) => {
            // A join of names has no place for a missing one, and anndata cannot write it.
            let mask = read_all(nullable.mask.as_ref())?;
            if let Some(row) = mask.iter().position(|&missing| missing != 0) {
                return Err(at.fail(format!(
                    "the name of row {row} is missing; every row needs a name\n  hint: give it one \
                     (adata.obs_names, adata.var_names) and write the file again"
                )));
            }
            Elem::Nullable(nullable)
        }
        index => index,
    };
    *frame.index = index;
    Ok(frame)
}

/// `"0"`, `"1"`, …: the names `AnnData` gives when a file has none.
pub(super) fn range(len: u64) -> SharedText {
    Arc::new(Numbered { shape: [len] })
}

/// The decimal numbers from 0 on, made when they are asked for: how many a file claims says nothing
/// of its size.
#[derive(Debug)]
struct Numbered {
    shape: [u64; 1],
}

impl TextSource for Numbered {
    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        for number in range {
            out.push(&number.to_string());
        }
        Ok(())
    }
}

/// A table of no columns over [`range`].
pub(super) fn unnamed_frame(len: u64) -> Frame {
    let index = Box::new(Elem::Text(range(len)));
    Frame { len, index_name: None, index, columns: indexmap::IndexMap::new() }
}

fn texts(elem: &Elem, at: &Place<'_>) -> Result<TextBuf, DecodeError> {
    match elem {
        Elem::Text(text) => Ok(read_all_text(text.as_ref())?),
        Elem::Dense(array) => {
            let dtype: DType = array.dtype();
            let bytes = read_all(array.as_ref())?;
            let mut texts = TextBuf::new();
            let mut text = String::new();
            for element in bytes.chunks_exact(dtype.size_bytes()) {
                text.clear();
                push_python_str(dtype, element, &mut text);
                texts.push(&text);
            }
            Ok(texts)
        }
        Elem::Nullable(nullable) => texts(&nullable.values, at),
        _ => Err(at.fail("the index holds neither strings nor numbers")),
    }
}
