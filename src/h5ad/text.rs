//! Short text, and the text of records: written through the library.

use std::ffi::c_char;

use hdf5::types::TypeDescriptor;
use hdf5::{Dataset, Datatype};

use super::error::LayoutError;
use super::raw;
use crate::array::{TextBuf, TextSource};
use crate::base::ReadError;
use crate::tree::ElementError;

/// Why strings could not be written.
pub(super) enum TextError {
    /// The source failed.
    Read(ReadError),
    /// A string holds a NUL, which HDF5 takes for its end.
    Nul,
    /// The library refused.
    Hdf5(hdf5::Error),
}

impl From<hdf5::Error> for TextError {
    fn from(error: hdf5::Error) -> Self {
        Self::Hdf5(error)
    }
}

impl TextError {
    /// The same at an element.
    pub fn at(self, element: &str) -> LayoutError {
        match self {
            Self::Read(source) => ElementError::read(element)(source).into(),
            Self::Nul => LayoutError::nul(element),
            Self::Hdf5(error) => LayoutError::hdf5(element)(error),
        }
    }
}

/// Writes all strings of `source` to `dataset`, which has its shape.
pub(super) fn write_text(dataset: &Dataset, source: &dyn TextSource) -> Result<(), TextError> {
    let mut strings = TextBuf::new();
    source.read_range(0..source.num_elements(), &mut strings).map_err(TextError::Read)?;
    let memory_type = Datatype::from_descriptor(&TypeDescriptor::VarLenUnicode)?;
    let mut terminated = Vec::new();
    let pointers = terminated_pointers(&strings, &mut terminated)?;
    // SAFETY: one pointer a string, each to one that ends in NUL and that `terminated` keeps.
    unsafe { raw::write_all(dataset, &memory_type, pointers.as_ptr().cast())? };
    Ok(())
}

/// Copies strings into `terminated`, each with a NUL after it, and points to each.
pub(super) fn terminated_pointers(
    strings: &TextBuf,
    terminated: &mut Vec<u8>,
) -> Result<Vec<*const c_char>, TextError> {
    terminated.clear();
    terminated.reserve(strings.len_bytes() + strings.len());
    for text in strings.iter() {
        terminated.extend_from_slice(text.as_bytes());
        terminated.push(0);
    }
    // One NUL a string: any more are inside of strings.
    let num_nul = terminated.iter().filter(|&&byte| byte == 0).count();
    if num_nul != strings.len() {
        return Err(TextError::Nul);
    }
    let mut at = 0;
    Ok(strings
        .iter()
        .map(|text| {
            let start = at;
            at += text.len() + 1;
            terminated[start..].as_ptr().cast()
        })
        .collect())
}
