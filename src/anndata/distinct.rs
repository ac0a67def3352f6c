//! Categories, checked to be unique and not missing when they are first read, as pandas'
//! `Categorical.from_codes` checks them: opening a file reads none.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use foldhash::{HashSet, HashSetExt as _};

use super::error::Place;
use super::{Elem, Nullable};
use crate::array::{
    ArraySource, IsMissing, SharedArray, SharedText, StoredChunk, TextBuf, TextSource,
    push_python_str, read_all, read_all_text,
};
use crate::base::dtype::Kind;
use crate::base::{DType, ReadError, Region};

/// The same categories; reading any of them is an error when two are equal, or one is missing.
pub(super) fn distinct(categories: Elem, at: &Place<'_>) -> Elem {
    match categories {
        Elem::Nullable(nullable) => {
            let Nullable { values, mask, na_value } = nullable;
            let values = Box::new(checked(*values, Some(Arc::clone(&mask)), at));
            Elem::Nullable(Nullable { values, mask, na_value })
        }
        Elem::Dense(numbers) if matches!(numbers.dtype().kind(), Kind::Float | Kind::Complex) => {
            let missing = IsMissing::of_numbers(Arc::clone(&numbers));
            checked(Elem::Dense(numbers), Some(missing), at)
        }
        other => checked(other, None, at),
    }
}

fn checked(categories: Elem, missing: Option<SharedArray>, at: &Place<'_>) -> Elem {
    let place = FoundAt { file: at.file.to_path_buf(), element: at.element(), missing };
    let verdict = OnceLock::new();
    match categories {
        Elem::Text(text) => Elem::Text(Arc::new(DistinctText { text, place, verdict })),
        Elem::Dense(numbers) => Elem::Dense(Arc::new(DistinctNumbers { numbers, place, verdict })),
        other => other,
    }
}

#[derive(Debug)]
struct FoundAt {
    file: PathBuf,
    element: String,
    /// Which categories are missing, where some may be.
    missing: Option<SharedArray>,
}

impl FoundAt {
    fn of(&self, error: ReadError) -> ReadError {
        error.of_file(&self.file).within(&self.element)
    }

    /// Fails where there are more categories than numbers of their type, whatever they are.
    fn can_differ(&self, numbers: &dyn ArraySource) -> Result<(), ReadError> {
        let dtype = numbers.dtype();
        let values = match dtype {
            DType::Bool => 2,
            dtype => 1_u64.checked_shl(8 * dtype.size_bytes() as u32).unwrap_or(u64::MAX),
        };
        let count = numbers.shape().iter().product::<u64>();
        if count <= values {
            return Ok(());
        }
        let what =
            format!("{count} categories of type {dtype} cannot all be different, as they must");
        Err(ReadError::corrupt(self.file.clone(), self.element.clone(), what))
    }

    fn none_is_missing(&self) -> Result<(), ReadError> {
        let Some(missing) = &self.missing else { return Ok(()) };
        let mask = read_all(missing.as_ref()).map_err(|error| self.of(error))?;
        match mask.iter().position(|&is_missing| is_missing != 0) {
            Some(at) => Err(self.no_categories(&format!(
                "category {at} is missing; what is missing in a categorical has no category"
            ))),
            None => Ok(()),
        }
    }

    fn twice(&self, category: &str) -> ReadError {
        self.no_categories(&format!(
            "the category {category} stands twice; categories must be unique"
        ))
    }

    fn no_categories(&self, what: &str) -> ReadError {
        let what = format!(
            "{what}\n  hint: make the column a categorical anew (astype(str).astype(\"category\")) \
             and write the file again"
        );
        ReadError::corrupt(self.file.clone(), self.element.clone(), what)
    }
}

#[derive(Debug)]
struct DistinctText {
    text: SharedText,
    place: FoundAt,
    verdict: OnceLock<Result<(), ReadError>>,
}

impl DistinctText {
    fn judge(&self, texts: &TextBuf) -> Result<(), ReadError> {
        self.place.none_is_missing()?;
        let mut met = HashSet::new();
        match texts.iter().find(|text| !met.insert(*text)) {
            Some(text) => Err(self.place.twice(&format!("{text:?}"))),
            None => Ok(()),
        }
    }
}

impl TextSource for DistinctText {
    fn shape(&self) -> &[u64] {
        self.text.shape()
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        if let Some(verdict) = self.verdict.get() {
            verdict.clone()?;
            return self.text.read_range(range, out);
        }
        // What cannot be read is told by the read itself, here and each time.
        let all = read_all_text(self.text.as_ref()).map_err(|error| self.place.of(error))?;
        self.verdict.get_or_init(|| self.judge(&all)).clone()?;
        if out.is_empty() && range == (0..self.num_elements()) {
            *out = all;
            return Ok(());
        }
        self.text.read_range(range, out)
    }

    fn is_fixed_ascii(&self) -> bool {
        self.text.is_fixed_ascii()
    }
}

#[derive(Debug)]
struct DistinctNumbers {
    numbers: SharedArray,
    place: FoundAt,
    verdict: OnceLock<Result<(), ReadError>>,
}

impl DistinctNumbers {
    fn check(&self) -> Result<(), ReadError> {
        if let Some(verdict) = self.verdict.get() {
            return verdict.clone();
        }
        self.place.can_differ(self.numbers.as_ref())?;
        // What cannot be read is told by the read itself, here and each time.
        let bytes = read_all(self.numbers.as_ref()).map_err(|error| self.place.of(error))?;
        self.verdict.get_or_init(|| self.judge(bytes)).clone()
    }

    fn judge(&self, mut bytes: Vec<u8>) -> Result<(), ReadError> {
        self.place.none_is_missing()?;
        let dtype = self.numbers.dtype();
        let each = dtype.size_bytes();
        if matches!(dtype.kind(), Kind::Float) {
            positive_zeros(dtype, &mut bytes);
        }
        let mut met = HashSet::new();
        match bytes.chunks_exact(each).find(|element| !met.insert(*element)) {
            Some(element) => {
                let mut text = String::new();
                push_python_str(dtype, element, &mut text);
                Err(self.place.twice(&text))
            }
            None => Ok(()),
        }
    }
}

/// Both zeros are one value.
fn positive_zeros(dtype: DType, bytes: &mut [u8]) {
    let each = dtype.size_bytes();
    for element in bytes.chunks_exact_mut(each) {
        if let Some((last, rest)) = element.split_last_mut()
            && *last == 0x80
            && rest.iter().all(|&byte| byte == 0)
        {
            *last = 0;
        }
    }
}

impl ArraySource for DistinctNumbers {
    fn dtype(&self) -> DType {
        self.numbers.dtype()
    }

    fn shape(&self) -> &[u64] {
        self.numbers.shape()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.check()?;
        self.numbers.read_into(region, out)
    }

    fn grain(&self) -> Option<&[u64]> {
        self.numbers.grain()
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        self.numbers.decoded_with(element)
    }

    fn is_stored_as_is(&self) -> bool {
        self.numbers.is_stored_as_is()
    }

    fn stored_chunk(&self, region: &Region) -> Result<Option<StoredChunk>, ReadError> {
        self.check()?;
        self.numbers.stored_chunk(region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{MemoryArray, MemoryText};
    use crate::tree::Group;

    fn num_bytes(categories: Elem) -> Result<usize, ReadError> {
        let root = Group::default();
        let place = Place::root(&root, std::path::Path::new("a.h5ad")).child("obs").child("kind");
        match distinct(categories, &place) {
            Elem::Nullable(nullable) => read(&nullable.values),
            other => read(&other),
        }
    }

    fn read(categories: &Elem) -> Result<usize, ReadError> {
        match categories {
            Elem::Text(text) => read_all_text(text.as_ref()).map(|texts| texts.len()),
            Elem::Dense(numbers) => read_all(numbers.as_ref()).map(|bytes| bytes.len()),
            _ => Ok(0),
        }
    }

    fn text(categories: &[&str]) -> Elem {
        Elem::Text(MemoryText::line(categories.iter().copied().collect::<TextBuf>()))
    }

    fn floats(values: &[f64]) -> Elem {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Elem::Dense(MemoryArray::shared(DType::F64, &[values.len() as u64], bytes))
    }

    #[test]
    fn equal_categories_are_an_error_when_they_are_read() {
        assert_eq!(num_bytes(text(&["a", "b", ""])).unwrap(), 3);
        assert_eq!(num_bytes(floats(&[0.0, 1.0])).unwrap(), 16);
        let error = num_bytes(text(&["a", "b", "a"])).unwrap_err().to_string();
        assert!(error.starts_with("a.h5ad: /obs/kind: the category \"a\" stands twice"), "{error}");
        assert!(num_bytes(floats(&[1.0, 2.5, 2.5])).unwrap_err().to_string().contains(" 2.5 "));
        assert!(num_bytes(floats(&[0.0, -0.0])).is_err());
        let many = crate::array::Filled::shared(DType::U8, &[1 << 40], &[0]);
        let root = Group::default();
        let place = Place::root(&root, std::path::Path::new("a.h5ad"));
        let Elem::Dense(many) = distinct(Elem::Dense(many), &place) else { panic!() };
        let error = many.read_into(&Region::line(0..1), &mut [0]).unwrap_err().to_string();
        assert!(error.contains("1099511627776 categories of type uint8 cannot"), "{error}");
    }

    #[test]
    fn a_category_that_is_missing_is_an_error() {
        let error = num_bytes(floats(&[1.0, f64::NAN])).unwrap_err().to_string();
        assert!(error.starts_with("a.h5ad: /obs/kind: category 1 is missing"), "{error}");
        for (mask, is_fine) in [([0, 0], true), ([0, 1], false)] {
            for values in [text(&["a", "b"]), floats(&[1.0, 2.0])] {
                let mask = MemoryArray::shared(DType::Bool, &[2], mask.to_vec());
                let nullable = Nullable { values: Box::new(values), mask, na_value: None };
                assert_eq!(num_bytes(Elem::Nullable(nullable)).is_ok(), is_fine);
            }
        }
    }

    #[test]
    fn a_part_is_checked_with_all_of_them() {
        let root = Group::default();
        let place = Place::root(&root, std::path::Path::new("a.h5ad"));
        let Elem::Text(text) = distinct(text(&["a", "b", "b"]), &place) else { panic!() };
        let mut out = TextBuf::new();
        assert!(text.read_range(0..1, &mut out).is_err());
        assert!(text.read_range(0..1, &mut out).is_err());
    }
}
