//! What stands for names in a file, as text: an index or categories of any kind.

use std::sync::Arc;

use crate::anndata::{Elem, Frame};
use crate::array::{
    FormattedText, LookupText, SharedText, TextBuf, push_python_str, read_all, read_all_text,
};
use crate::base::ReadError;

/// The index of a frame as text, as anndata reads it: numbers become Python's `str` of them.
pub fn index_text(frame: &Frame) -> Result<SharedText, ReadError> {
    text_of(&frame.index)
}

fn text_of(elem: &Elem) -> Result<SharedText, ReadError> {
    match elem {
        Elem::Text(text) => Ok(Arc::clone(text)),
        Elem::Dense(numbers) => Ok(FormattedText::shared(Arc::clone(numbers))),
        Elem::Categorical(categorical) => Ok(LookupText::shared(
            Arc::clone(&categorical.codes),
            Arc::new(category_text(&categorical.categories)?),
            "nan",
        )),
        Elem::Nullable(nullable) => text_of(&nullable.values),
        _ => Err(ReadError::unsupported("", "", "an index of this kind is not read")),
    }
}

/// A column of text; `None` for one of another kind.
pub fn column_text(column: &Elem) -> Result<Option<SharedText>, ReadError> {
    match column {
        Elem::Text(_) => text_of(column).map(Some),
        Elem::Nullable(nullable) => column_text(&nullable.values),
        Elem::Categorical(categorical) => match &*categorical.categories {
            Elem::Text(_) | Elem::Nullable(_) => text_of(column).map(Some),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The categories as text: numbers as Python's `str` writes them.
pub fn category_text(elem: &Elem) -> Result<TextBuf, ReadError> {
    match elem {
        Elem::Text(text) => read_all_text(&**text),
        Elem::Nullable(nullable) => category_text(&nullable.values),
        Elem::Dense(numbers) => {
            let dtype = numbers.dtype();
            let bytes = read_all(&**numbers)?;
            let mut out = TextBuf::new();
            let mut text = String::new();
            for element in bytes.chunks_exact(dtype.size_bytes()) {
                text.clear();
                push_python_str(dtype, element, &mut text);
                out.push(&text);
            }
            Ok(out)
        }
        _ => Err(ReadError::unsupported("", "", "categories of this kind are not read")),
    }
}
