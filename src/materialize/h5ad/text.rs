//! Text: variable-length UTF-8 datasets, written through the library in bounded runs.

use std::ffi::c_char;

use hdf5::types::TypeDescriptor;
use hdf5::{Dataset, Datatype};

use super::raw;
use super::types::Failed;
use crate::array::{TextBuf, TextSource};
use crate::base::ReadError;
use crate::materialize::MaterializeError;

/// Strings written at once.
const RUN_STRINGS: u64 = 1 << 14;

/// Why a run of strings could not be written.
pub enum TextError {
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
    pub fn at(self, element: &str, failed: &Failed) -> MaterializeError {
        match self {
            Self::Read(source) => MaterializeError::Read { element: element.to_owned(), source },
            Self::Nul => MaterializeError::Unrepresentable {
                element: element.to_owned(),
                why:
                    "a string holds a NUL character, which HDF5 cannot store\n  hint: write a .zarr"
                        .into(),
            },
            Self::Hdf5(error) => failed(element, error),
        }
    }
}

/// A text dataset that waits for its strings.
pub struct TextWriter<'a> {
    dataset: &'a Dataset,
    source: &'a dyn TextSource,
    memory_type: Datatype,
    next_row: u64,
    strings: TextBuf,
    terminated: Vec<u8>,
}

impl<'a> TextWriter<'a> {
    /// Writes `source` to `dataset`, which has its shape.
    pub fn new(dataset: &'a Dataset, source: &'a dyn TextSource) -> hdf5::Result<Self> {
        Ok(Self {
            dataset,
            source,
            memory_type: Datatype::from_descriptor(&TypeDescriptor::VarLenUnicode)?,
            next_row: 0,
            strings: TextBuf::new(),
            terminated: Vec::new(),
        })
    }

    /// Writes the next run; the number of strings in it, 0 at the end.
    pub fn write_run(&mut self, max_strings: u64) -> Result<u64, TextError> {
        let shape = self.source.shape();
        let num_rows = shape.first().copied().unwrap_or(1);
        let row_strings: u64 = shape.iter().skip(1).product();
        if self.next_row >= num_rows || row_strings == 0 {
            return Ok(0);
        }
        let run_rows = (RUN_STRINGS.min(max_strings) / row_strings).max(1);
        let rows = self.next_row..num_rows.min(self.next_row + run_rows);
        self.strings.clear();
        self.source
            .read_range(rows.start * row_strings..rows.end * row_strings, &mut self.strings)
            .map_err(TextError::Read)?;
        let pointers = terminated_pointers(&self.strings, &mut self.terminated)?;
        let data = pointers.as_ptr().cast();
        // SAFETY: one pointer a string of the rows selected, each to a string that ends in NUL and
        // that `self.terminated` keeps.
        unsafe {
            if shape.is_empty() {
                raw::write_all(self.dataset, &self.memory_type, data)?;
            } else {
                raw::write_rows(self.dataset, &self.memory_type, rows.clone(), shape, data)?;
            }
        }
        self.next_row = rows.end;
        Ok(self.strings.len() as u64)
    }
}

/// Copies strings into `terminated`, each with a NUL after it, and points to each.
pub fn terminated_pointers(
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
