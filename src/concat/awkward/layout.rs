//! Arrays in memory: awkward's layouts, reduced to one kind each of list, option and index.
//!
//! What always holds: lists are packed (offsets start at 0, content ends at the last), a record's
//! contents are as long as it is, indices are in range. All option layouts are held as
//! IndexedOptionArray; an IndexedArray stays one only as a categorical.

use super::error::AwkwardError;
use crate::array::beyond_memory;
use crate::base::DType;

/// Parameters of a layout, without nulls.
pub(super) type Params = serde_json::Map<String, serde_json::Value>;

/// An array with its parameters.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) params: Params,
    pub(super) layout: Layout,
}

#[derive(Debug, Clone)]
pub(super) enum Layout {
    Empty,
    Numpy {
        dtype: DType,
        bytes: Vec<u8>,
    },
    List {
        offsets: Vec<i64>,
        content: Box<Content>,
    },
    Regular {
        size: usize,
        len: usize,
        content: Box<Content>,
    },
    /// `fields` is `None` for tuples.
    Record {
        fields: Option<Vec<String>>,
        contents: Vec<Content>,
        len: usize,
    },
    /// A categorical.
    Indexed {
        index: Vec<i64>,
        content: Box<Content>,
    },
    /// -1 (or any negative number) is a missing value.
    Option {
        index: Vec<i64>,
        content: Box<Content>,
    },
    Union {
        tags: Vec<i8>,
        index: Vec<i64>,
        contents: Vec<Content>,
    },
}

impl Content {
    /// An array without parameters.
    pub(super) fn plain(layout: Layout) -> Self {
        Self { params: Params::new(), layout }
    }

    /// `len` missing values of unknown type.
    pub(super) fn missing(len: usize) -> Self {
        let content = Box::new(Self::plain(Layout::Empty));
        Self::plain(Layout::Option { index: vec![-1; len], content })
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        match &self.layout {
            Layout::Empty => 0,
            Layout::Numpy { dtype, bytes } => bytes.len() / dtype.size_bytes(),
            Layout::List { offsets, .. } => offsets.len() - 1,
            Layout::Regular { len, .. } | Layout::Record { len, .. } => *len,
            Layout::Indexed { index, .. } | Layout::Option { index, .. } => index.len(),
            Layout::Union { tags, .. } => tags.len(),
        }
    }

    pub(super) fn is_option(&self) -> bool {
        matches!(self.layout, Layout::Option { .. })
    }

    /// Whether there is nothing but missing values of unknown type.
    pub(super) fn is_missing(&self) -> bool {
        matches!(&self.layout, Layout::Option { content, .. } if content.is_empty_type())
    }

    pub(super) fn is_union(&self) -> bool {
        matches!(self.layout, Layout::Union { .. })
    }

    pub(super) fn is_empty_type(&self) -> bool {
        matches!(self.layout, Layout::Empty)
    }

    /// The index and content of an option or categorical.
    pub(super) fn indexed(&self) -> Option<(&[i64], &Self)> {
        match &self.layout {
            Layout::Indexed { index, content } | Layout::Option { index, content } => {
                Some((index, content))
            }
            _ => None,
        }
    }

    /// Whether an index stands for categories.
    pub(super) fn is_categorical(&self) -> bool {
        self.params.get("__array__").is_some_and(|value| value == "categorical")
    }

    /// The same values as an option type.
    pub(super) fn into_option(self) -> Self {
        match self.layout {
            Layout::Option { .. } => self,
            Layout::Indexed { index, content } => {
                Self { params: self.params, layout: Layout::Option { index, content } }
            }
            _ => {
                let index = (0..self.len() as i64).collect();
                Self::plain(Layout::Option { index, content: Box::new(self) })
            }
        }
    }

    /// The elements at `rows`, which are in range and not negative. Where rows repeat there can be
    /// far more elements than a file stores.
    ///
    /// # Errors
    /// The system has no memory for so many.
    pub(super) fn carry(&self, rows: &[i64]) -> Result<Self, AwkwardError> {
        let layout = match &self.layout {
            Layout::Empty => Layout::Empty,
            Layout::Numpy { dtype, bytes } => {
                let width = dtype.size_bytes();
                let mut out = with_room(rows.len().saturating_mul(width))?;
                for &row in rows {
                    let at = row as usize * width;
                    out.extend_from_slice(&bytes[at..at + width]);
                }
                Layout::Numpy { dtype: *dtype, bytes: out }
            }
            Layout::List { offsets, content } => {
                let lists =
                    || rows.iter().map(|&row| offsets[row as usize]..offsets[row as usize + 1]);
                let total =
                    lists().fold(0_i64, |sum, list| sum.saturating_add(list.end - list.start));
                let mut inner = with_room(total as usize)?;
                let mut next = Vec::with_capacity(rows.len() + 1);
                next.push(0);
                for list in lists() {
                    inner.extend(list);
                    next.push(inner.len() as i64);
                }
                Layout::List { offsets: next, content: Box::new(content.carry(&inner)?) }
            }
            Layout::Regular { size, content, .. } => {
                let size_rows = *size as i64;
                let mut inner = with_room(rows.len().saturating_mul(*size))?;
                inner.extend(rows.iter().flat_map(|&row| row * size_rows..(row + 1) * size_rows));
                let content = Box::new(content.carry(&inner)?);
                Layout::Regular { size: *size, len: rows.len(), content }
            }
            Layout::Record { fields, contents, .. } => Layout::Record {
                fields: fields.clone(),
                contents: contents
                    .iter()
                    .map(|content| content.carry(rows))
                    .collect::<Result<_, _>>()?,
                len: rows.len(),
            },
            Layout::Indexed { index, content } => {
                Layout::Indexed { index: taken(index, rows), content: content.clone() }
            }
            Layout::Option { index, content } => {
                Layout::Option { index: taken(index, rows), content: content.clone() }
            }
            Layout::Union { tags, index, contents } => Layout::Union {
                tags: rows.iter().map(|&row| tags[row as usize]).collect(),
                index: taken(index, rows),
                contents: contents.clone(),
            },
        };
        Ok(Self { params: self.params.clone(), layout })
    }
}

/// An empty vector with room for `len` elements.
fn with_room<T>(len: usize) -> Result<Vec<T>, AwkwardError> {
    let mut out = Vec::new();
    out.try_reserve_exact(len).map_err(|_| {
        let len_bytes = (len as u128) * size_of::<T>() as u128;
        beyond_memory(&format!("{len_bytes} bytes of an awkward array"))
    })?;
    Ok(out)
}

fn taken(index: &[i64], rows: &[i64]) -> Vec<i64> {
    rows.iter().map(|&row| index[row as usize]).collect()
}
