//! Buffers into memory: `ak.from_buffers`, packing on the way.

use super::error::AwkwardError;
use super::form::{self, Form, Kind};
use super::layout::{Content, Layout};
use super::merge::simplified_union;
use super::option::simplified_option;
use crate::anndata::Awkward;
use crate::array::{cast, read_all};
use crate::base::DType;

/// So many elements are always allowed, whatever an array stores.
const FEW: u64 = 1 << 20;

/// Reads an array.
pub(super) fn read(array: &Awkward) -> Result<Content, AwkwardError> {
    let form = form::parse(&array.form)?;
    let len = usize::try_from(array.len)
        .map_err(|_| AwkwardError::Form("the array is too long".to_owned()))?;
    let stored_elements: u64 = array
        .buffers
        .values()
        .map(|buffer| buffer.shape().iter().product::<u64>())
        .fold(0, u64::saturating_add);
    let most_elements = stored_elements.saturating_add(array.len).saturating_mul(64).max(FEW);
    let most_elements = i64::try_from(most_elements).unwrap_or(i64::MAX);
    Reader { array, most_elements }.content(&form, len)
}

struct Reader<'a> {
    array: &'a Awkward,
    /// More elements than this no node holds, or the array is damaged. Matters where elements take no
    /// bytes, as records without fields do, so that no buffer is found to be too short.
    most_elements: i64,
}

impl Reader<'_> {
    /// The first `len` elements of a node.
    fn content(&self, form: &Form, len: usize) -> Result<Content, AwkwardError> {
        if i64::try_from(len).map_or(true, |len| len > self.most_elements) {
            let what = format!("holds {len} elements, expected {} at most", self.most_elements);
            return Err(AwkwardError::Buffer { buffer: form.key.clone(), what });
        }
        let with = |layout| Content { params: form.params.clone(), layout };
        match &form.kind {
            Kind::Empty if len == 0 => Ok(with(Layout::Empty)),
            Kind::Empty => Err(AwkwardError::Form("an EmptyArray of some length".to_owned())),
            Kind::Numpy { dtype, inner_shape } => {
                let mut content = with(Layout::Empty);
                let mut total = len;
                for extent in inner_shape {
                    total = usize::try_from(*extent)
                        .ok()
                        .and_then(|extent| total.checked_mul(extent))
                        .filter(|&total| total as u64 <= self.most_elements as u64)
                        .ok_or_else(|| AwkwardError::Form("inner_shape is too large".to_owned()))?;
                }
                content.layout = self.numpy(form, *dtype, total)?;
                // awkward's `to_RegularArray`: parameters stay outermost.
                Ok(self.regular(content, inner_shape, len))
            }
            Kind::ListOffset(inner) => {
                let offsets = self.integers(form, "offsets", len, 1)?;
                self.list(form, &offsets[..len], &offsets[1..], inner)
            }
            Kind::List(inner) => {
                let starts = self.integers(form, "starts", len, 0)?;
                let stops = self.integers(form, "stops", len, 0)?;
                self.list(form, &starts, &stops, inner)
            }
            Kind::Regular { size, content } => {
                let size = *size as usize;
                let total = len
                    .checked_mul(size)
                    .ok_or_else(|| AwkwardError::Form("a RegularArray is too large".to_owned()))?;
                let content = Box::new(self.content(content, total)?);
                Ok(with(Layout::Regular { size, len, content }))
            }
            Kind::Record { fields, contents } => {
                let contents = contents
                    .iter()
                    .map(|content| self.content(content, len))
                    .collect::<Result<_, _>>()?;
                Ok(with(Layout::Record { fields: fields.clone(), contents, len }))
            }
            Kind::Indexed(inner) => {
                let index = self.integers(form, "index", len, 0)?;
                let content = self.content(inner, self.reach(form, "index", &index, false)?)?;
                let indexed = with(Layout::Indexed { index, content: Box::new(content) });
                match &indexed.layout {
                    Layout::Indexed { index, content } if !indexed.is_categorical() => {
                        let mut plain = content.carry(index)?;
                        plain.params.extend(form.params.clone());
                        Ok(plain)
                    }
                    _ => Ok(indexed),
                }
            }
            Kind::IndexedOption(inner) => {
                let index = self.integers(form, "index", len, 0)?;
                let content = self.content(inner, self.reach(form, "index", &index, true)?)?;
                simplified_option(index, content, form.params.clone())
            }
            Kind::ByteMasked { valid_when, content } => {
                let mask = self.integers(form, "mask", len, 0)?;
                let valid = mask.iter().map(|&byte| (byte != 0) == *valid_when);
                self.masked(form, valid, content, len)
            }
            Kind::BitMasked { valid_when, lsb_order, content } => {
                let mask = self.integers(form, "mask", len.div_ceil(8), 0)?;
                let valid = (0..len).map(|at| {
                    let bit = if *lsb_order { at % 8 } else { 7 - at % 8 };
                    ((mask[at / 8] >> bit) & 1 == 1) == *valid_when
                });
                self.masked(form, valid, content, len)
            }
            Kind::Unmasked(content) => {
                self.masked(form, std::iter::repeat_n(true, len), content, len)
            }
            Kind::Union(inner) => self.union(form, inner, len),
        }
    }

    fn masked(
        &self,
        form: &Form,
        valid: impl Iterator<Item = bool>,
        inner: &Form,
        len: usize,
    ) -> Result<Content, AwkwardError> {
        let index = valid.enumerate().map(|(at, valid)| if valid { at as i64 } else { -1 });
        simplified_option(index.collect(), self.content(inner, len)?, form.params.clone())
    }

    /// Lists `starts[i]..stops[i]` of a content, packed.
    fn list(
        &self,
        form: &Form,
        starts: &[i64],
        stops: &[i64],
        inner: &Form,
    ) -> Result<Content, AwkwardError> {
        let mut offsets = Vec::with_capacity(starts.len() + 1);
        offsets.push(0);
        let (mut total, mut reach, mut packed) = (0_i64, 0_i64, true);
        for (&start, &stop) in starts.iter().zip(stops) {
            if start < 0 || stop < start {
                let what = format!("a list begins at {start} and ends at {stop}");
                return Err(AwkwardError::Buffer { buffer: form.key.clone(), what });
            }
            packed &= start == total;
            total = total.saturating_add(stop - start);
            reach = reach.max(stop);
            if total > self.most_elements {
                let what = format!("lists hold more than {} elements", self.most_elements);
                return Err(AwkwardError::Buffer { buffer: form.key.clone(), what });
            }
            offsets.push(total);
        }
        let mut content = self.content(inner, reach as usize)?;
        if !packed || reach != total {
            let rows: Vec<i64> =
                starts.iter().zip(stops).flat_map(|(&start, &stop)| start..stop).collect();
            content = content.carry(&rows)?;
        }
        let layout = Layout::List { offsets, content: Box::new(content) };
        Ok(Content { params: form.params.clone(), layout })
    }

    fn union(&self, form: &Form, inner: &[Form], len: usize) -> Result<Content, AwkwardError> {
        let stored_tags = self.integers(form, "tags", len, 0)?;
        let index = self.integers(form, "index", len, 0)?;
        let mut reach = vec![0_i64; inner.len()];
        let mut tags = Vec::with_capacity(len);
        for (&tag, &at) in stored_tags.iter().zip(&index) {
            let target = usize::try_from(tag).ok().and_then(|tag| reach.get_mut(tag));
            match (i8::try_from(tag), target) {
                (Ok(tag), Some(reach)) if at >= 0 => {
                    *reach = (*reach).max(at + 1);
                    tags.push(tag);
                }
                _ => {
                    let what = format!("tag {tag} with index {at} points nowhere");
                    return Err(AwkwardError::Buffer { buffer: form.key.clone(), what });
                }
            }
        }
        let contents = inner
            .iter()
            .zip(&reach)
            .map(|(inner, &reach)| self.content(inner, reach as usize))
            .collect::<Result<_, _>>()?;
        simplified_union(&tags, &index, contents, form.params.clone(), false)
    }

    /// How long a content must be for an index into it.
    fn reach(
        &self,
        form: &Form,
        name: &str,
        index: &[i64],
        allows_missing: bool,
    ) -> Result<usize, AwkwardError> {
        if !allows_missing && index.iter().any(|&at| at < 0) {
            let what = "a negative index where nothing may be missing".to_owned();
            return Err(AwkwardError::Buffer { buffer: format!("{}-{name}", form.key), what });
        }
        Ok(index.iter().map(|&at| at.saturating_add(1)).max().unwrap_or(0).max(0) as usize)
    }

    fn numpy(&self, form: &Form, dtype: DType, len: usize) -> Result<Layout, AwkwardError> {
        let name = format!("{}-data", form.key);
        let mut bytes = self.bytes(&name)?.1;
        let needed = len.checked_mul(dtype.size_bytes()).filter(|&needed| needed <= bytes.len());
        let needed = needed.ok_or_else(|| AwkwardError::Buffer {
            buffer: name,
            what: format!("holds {} bytes, but {len} elements of {dtype}", bytes.len()),
        })?;
        bytes.truncate(needed);
        Ok(Layout::Numpy { dtype, bytes })
    }

    /// Wraps a flat array into the regular lists of `inner_shape`.
    fn regular(&self, flat: Content, inner_shape: &[u64], len: usize) -> Content {
        if inner_shape.is_empty() {
            return flat;
        }
        let params = flat.params;
        let mut content = Content::plain(flat.layout);
        for (depth, &size) in inner_shape.iter().enumerate().rev() {
            let size = size as usize;
            let outer = inner_shape[..depth].iter().fold(len, |n, &extent| n * extent as usize);
            let layout = Layout::Regular { size, len: outer, content: Box::new(content) };
            content = Content::plain(layout);
        }
        content.params = params;
        content
    }

    /// The first `len + extra` integers of a buffer. A buffer of offsets may be empty when there is
    /// nothing to list.
    fn integers(
        &self,
        form: &Form,
        attribute: &str,
        len: usize,
        extra: usize,
    ) -> Result<Vec<i64>, AwkwardError> {
        let name = format!("{}-{attribute}", form.key);
        let (dtype, bytes) = self.bytes(&name)?;
        let needed = len + extra;
        let mut values: Vec<i64> = cast::read_i64(dtype, &bytes).take(needed).collect();
        if values.is_empty() && len == 0 {
            values.resize(extra, 0);
        }
        if values.len() < needed {
            let what = format!("holds {} numbers, expected {needed}", values.len());
            return Err(AwkwardError::Buffer { buffer: name, what });
        }
        Ok(values)
    }

    fn bytes(&self, name: &str) -> Result<(DType, Vec<u8>), AwkwardError> {
        match self.array.buffers.get(name) {
            Some(buffer) => Ok((buffer.dtype(), read_all(buffer.as_ref())?)),
            None => {
                Err(AwkwardError::Buffer { buffer: name.to_owned(), what: "is missing".to_owned() })
            }
        }
    }
}
