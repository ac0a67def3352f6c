//! Text arrays computed from text arrays, categories and numbers. All but the stacked one are
//! one-dimensional.

use std::ops::Range;
use std::sync::Arc;

use super::cast::read_i64;
use super::python_str::push_python_str;
use super::{SharedArray, SharedText, TextBuf, TextSource, read_vec};
use crate::base::{Dims, Indexer, ReadError, Region};

/// Text arrays one after another along the first axis.
#[derive(Debug)]
pub struct StackedText {
    shape: Dims,
    /// Flat start of each part, and one past the last.
    starts: Vec<u64>,
    parts: Vec<SharedText>,
}

impl StackedText {
    /// Stacks `parts` (at least one; other extents agree).
    #[must_use]
    pub fn shared(mut parts: Vec<SharedText>) -> SharedText {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let mut starts = vec![0];
        for part in &parts {
            starts.push(starts[starts.len() - 1] + part.num_elements());
        }
        let mut shape: Dims = parts[0].shape().into();
        shape[0] = parts.iter().map(|part| part.shape()[0]).sum();
        Arc::new(Self { shape, starts, parts })
    }

    /// The parts that a range touches, each with its own range.
    fn shares(&self, range: Range<u64>) -> impl Iterator<Item = (&SharedText, Range<u64>)> {
        let first = self.starts.partition_point(|&start| start <= range.start).saturating_sub(1);
        let places = self.parts.iter().zip(self.starts.windows(2)).skip(first);
        let (start, end) = (range.start, range.end);
        places
            .take_while(move |(_, ends)| ends[0] < end)
            .map(move |(part, ends)| {
                (part, start.max(ends[0]) - ends[0]..end.min(ends[1]) - ends[0])
            })
            .filter(|(_, range)| !range.is_empty())
    }
}

impl TextSource for StackedText {
    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        self.shares(range).try_for_each(|(part, range)| part.read_range(range, out))
    }

    fn len_bounds(&self, range: Range<u64>) -> Result<Option<Vec<u64>>, ReadError> {
        let mut bounds = Vec::new();
        for (part, range) in self.shares(range) {
            match part.len_bounds(range)? {
                Some(of_part) => bounds.extend(of_part),
                None => return Ok(None),
            }
        }
        Ok(Some(bounds))
    }
}

/// Text reordered, thinned, or widened with a fill.
#[derive(Debug)]
pub struct GatheredText {
    source: SharedText,
    indexer: Indexer,
    shape: [u64; 1],
    fill: String,
}

impl GatheredText {
    /// `source` taken by `indexer`, `fill` where a position is missing.
    #[must_use]
    pub fn shared(source: SharedText, indexer: &Indexer, fill: &str) -> SharedText {
        if indexer.is_identity() {
            return source;
        }
        Arc::new(Self {
            source,
            shape: [indexer.target_len()],
            indexer: indexer.clone(),
            fill: fill.to_owned(),
        })
    }
}

impl TextSource for GatheredText {
    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let positions = range.clone().filter_map(|target| self.indexer.get(target));
        let Some((low, high)) = positions.fold(None, |cover: Option<(u64, u64)>, position| {
            Some(cover.map_or((position, position), |(l, h)| (l.min(position), h.max(position))))
        }) else {
            range.for_each(|_| out.push(&self.fill));
            return Ok(());
        };
        let mut source = TextBuf::new();
        self.source.read_range(low..high + 1, &mut source)?;
        for target in range {
            match self.indexer.get(target) {
                Some(position) => out.push(source.get((position - low) as usize)),
                None => out.push(&self.fill),
            }
        }
        Ok(())
    }
}

/// Text with something appended to each string.
#[derive(Debug)]
pub struct SuffixedText {
    source: SharedText,
    suffix: String,
}

impl SuffixedText {
    /// `source + suffix`.
    #[must_use]
    pub fn shared(source: SharedText, suffix: &str) -> SharedText {
        if suffix.is_empty() {
            source
        } else {
            Arc::new(Self { source, suffix: suffix.to_owned() })
        }
    }
}

impl TextSource for SuffixedText {
    fn shape(&self) -> &[u64] {
        self.source.shape()
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let mut source = TextBuf::new();
        self.source.read_range(range, &mut source)?;
        source.iter().for_each(|text| out.push_parts(&[text, &self.suffix]));
        Ok(())
    }

    fn len_bounds(&self, range: Range<u64>) -> Result<Option<Vec<u64>>, ReadError> {
        if self.suffix.contains('\0') {
            return Ok(None);
        }
        let mut bounds = self.source.len_bounds(range)?;
        bounds.iter_mut().flatten().for_each(|bound| *bound += self.suffix.len() as u64);
        Ok(bounds)
    }
}

/// One string many times.
#[derive(Debug)]
pub struct FilledText {
    shape: Dims,
    text: String,
}

impl FilledText {
    /// An array of this shape of copies of `text`.
    #[must_use]
    pub fn shared(shape: &[u64], text: &str) -> SharedText {
        Arc::new(Self { shape: shape.into(), text: text.to_owned() })
    }
}

impl TextSource for FilledText {
    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        range.for_each(|_| out.push(&self.text));
        Ok(())
    }
}

/// Category codes as the text of their categories.
#[derive(Debug)]
pub struct LookupText {
    codes: SharedArray,
    categories: Arc<TextBuf>,
    missing: String,
}

impl LookupText {
    /// `categories[code]`, `missing` for negative codes. A code past the categories is
    /// [`ReadError::Corrupt`] when read.
    #[must_use]
    pub fn shared(codes: SharedArray, categories: Arc<TextBuf>, missing: &str) -> SharedText {
        Arc::new(Self { codes, categories, missing: missing.to_owned() })
    }
}

impl TextSource for LookupText {
    fn shape(&self) -> &[u64] {
        self.codes.shape()
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let codes = read_vec(&*self.codes, &Region::line(range))?;
        for code in read_i64(self.codes.dtype(), &codes) {
            if code < 0 {
                out.push(&self.missing);
            } else if (code as usize) < self.categories.len() {
                out.push(self.categories.get(code as usize));
            } else {
                let what = format!(
                    "category code {code} is past the list of {} categories",
                    self.categories.len()
                );
                return Err(ReadError::corrupt("", "", what));
            }
        }
        Ok(())
    }
}

/// Numbers as Python's `str` writes them.
#[derive(Debug)]
pub struct FormattedText {
    numbers: SharedArray,
}

impl FormattedText {
    /// `str(number)` of each element.
    #[must_use]
    pub fn shared(numbers: SharedArray) -> SharedText {
        Arc::new(Self { numbers })
    }
}

impl TextSource for FormattedText {
    fn shape(&self) -> &[u64] {
        self.numbers.shape()
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let dtype = self.numbers.dtype();
        let bytes = read_vec(&*self.numbers, &Region::line(range))?;
        let mut text = String::new();
        for element in bytes.chunks_exact(dtype.size_bytes()) {
            text.clear();
            push_python_str(dtype, element, &mut text);
            out.push(&text);
        }
        Ok(())
    }
}
