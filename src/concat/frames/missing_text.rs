//! Text of which some is missing becomes categorical, as anndata's `strings_to_categoricals` makes it
//! whenever an AnnData is written: the categories in natural order, -1 where nothing is there.

use std::sync::Arc;

use crate::anndata::{Categorical, Elem, Nullable, code_dtype};
use crate::array::{Filled, Recoded, Stacked, TextBuf};
use crate::base::ReadError;
use crate::concat::options::MissingText;
use crate::concat::planner::Planner;
use crate::concat::texts::{PlannedText, TextCensus, TextPart, TextShare};

use super::categories::{Categories, Recoder};
use super::missing::any_missing;

/// What is known of a part once it was read.
pub enum KnownPart {
    /// So many rows in which the column is missing.
    Missing(u64),
    /// Codes and values.
    Present(TextCensus),
}

/// The categorical of parts one after another; `None` when the distinct values take more than
/// `most_bytes` in all.
pub fn categorical_of(parts: Vec<KnownPart>, most_bytes: u64) -> Option<Elem> {
    let mut all: Vec<&str> = parts
        .iter()
        .flat_map(|part| match part {
            KnownPart::Missing(_) => None,
            KnownPart::Present(census) => Some(census.values.iter()),
        })
        .flatten()
        .collect();
    // `pd.Categorical` sorts by code point; the natural order leaves what it takes for equal so.
    all.sort_unstable();
    all.dedup();
    if all.iter().map(|value| value.len() as u64).sum::<u64>() > most_bytes {
        return None;
    }
    let categories = Categories::of_text(all.into_iter()).natsorted();
    let dtype = code_dtype(categories.len() as u64);
    let recoder = Recoder::new(&categories);
    let missing = vec![0xff; dtype.size_bytes()];
    let codes = parts
        .into_iter()
        .map(|part| match part {
            KnownPart::Missing(len) => Filled::shared(dtype, &[len], &missing),
            KnownPart::Present(TextCensus { codes, values }) => {
                let values: Arc<TextBuf> = Arc::new(values);
                Recoded::shared(codes, recoder.table(&Categories::Text(values)), dtype)
            }
        })
        .collect();
    Some(Elem::Categorical(Categorical {
        codes: Stacked::shared(codes, 0),
        categories: Box::new(categories.elem()),
        ordered: false,
    }))
}

impl Planner<'_> {
    /// Plans the census of a column that is not concatenated, if it is text of which some is missing.
    pub fn plan_missing_text(&mut self, column: &Elem, path: &str) -> Result<(), ReadError> {
        let Elem::Nullable(Nullable { values, mask, .. }) = column else { return Ok(()) };
        let Elem::Text(text) = &**values else { return Ok(()) };
        if self.texts.choice != MissingText::Nullable && any_missing(column)? {
            let share =
                TextShare { text: Arc::clone(text), mask: Some(Arc::clone(mask)), origin: None };
            let parts = vec![TextPart::Present(share)];
            self.texts.planned.push(PlannedText::new(path, parts, self.texts.choice));
        }
        Ok(())
    }
}
