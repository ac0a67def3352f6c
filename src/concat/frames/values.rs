//! Columns and arrays as plain values and a mask, whatever they are stored as.

use std::sync::Arc;

use crate::anndata::Elem;
use crate::array::{Lookup, LookupText, SharedArray, SharedText, read_all};
use crate::base::ReadError;

use super::categories::Categories;
use super::missing::mask_of;

/// The values of a column or array, whether they are there or not.
pub enum Plain {
    /// Strings.
    Text(SharedText),
    /// Numbers.
    Numbers(SharedArray),
}

/// A column or array as values and a mask.
pub struct Values {
    /// The values; of those that are missing, anything.
    pub plain: Plain,
    mask: Option<SharedArray>,
}

impl Values {
    /// Of an element; `None` for what is neither column nor array.
    pub fn of(elem: &Elem) -> Result<Option<Self>, ReadError> {
        let mask = mask_of(elem);
        let plain = match elem {
            Elem::Text(text) => Plain::Text(Arc::clone(text)),
            Elem::Dense(array) => Plain::Numbers(Arc::clone(array)),
            Elem::Nullable(nullable) => match &*nullable.values {
                Elem::Text(text) => Plain::Text(Arc::clone(text)),
                Elem::Dense(array) => Plain::Numbers(Arc::clone(array)),
                _ => return Ok(None),
            },
            Elem::Categorical(categorical) => {
                let categories = Categories::read(&categorical.categories)?;
                let codes = Arc::clone(&categorical.codes);
                match categories.dtype() {
                    None => Plain::Text(LookupText::shared(codes, categories.text(), "")),
                    Some(dtype) => {
                        let table = categories.numbers(dtype).unwrap_or_default();
                        let zero = vec![0; dtype.size_bytes()];
                        Plain::Numbers(Lookup::shared(codes, dtype, table, &zero))
                    }
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { plain, mask }))
    }

    /// The shape.
    pub fn shape(&self) -> &[u64] {
        match &self.plain {
            Plain::Text(text) => text.shape(),
            Plain::Numbers(array) => array.shape(),
        }
    }

    /// Which values are missing.
    pub fn missing(&self) -> Result<Vec<bool>, ReadError> {
        let len = self.shape().iter().product::<u64>() as usize;
        match &self.mask {
            Some(mask) => Ok(read_all(&**mask)?.iter().map(|&byte| byte != 0).collect()),
            None => Ok(vec![false; len]),
        }
    }
}
