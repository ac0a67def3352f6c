//! Stacking arrays of one form without reading them: each buffer of the result is the parts' buffers
//! one after another, with offsets shifted. Read at once are only the ends of lists (two numbers a
//! part and list) and the indices of options.

use std::ops::Range;

use indexmap::IndexMap;
use serde_json::Value;

use super::error::AwkwardError;
use super::form::{self, Form, Kind};
use super::part::AwkwardPart;
use crate::anndata::Awkward;
use crate::array::{MemoryArray, SharedArray, Shifted, Slice, Stacked, cast, read_vec};
use crate::base::{DType, Region};

/// The stack of the parts, or `None` when they differ in form, or the form holds what has to be
/// merged in memory (unions, categoricals, bit masks, lists by starts and stops).
pub(super) fn stack(parts: &[AwkwardPart<'_>]) -> Result<Option<Awkward>, AwkwardError> {
    let mut arrays = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            AwkwardPart::Present(array) => arrays.push(*array),
            AwkwardPart::Missing(_) => return Ok(None),
        }
    }
    let Some(first) = arrays.first() else { return Ok(None) };
    let shape = form::parse(&first.form)?;
    for array in &arrays {
        if array.form != first.form && form::parse(&array.form)? != shape {
            return Ok(None);
        }
    }
    let mut stacker = Stacker { arrays: &arrays, buffers: IndexMap::new() };
    let rows: Vec<Range<u64>> = arrays.iter().map(|array| 0..array.len).collect();
    if !stacker.node(&shape, &rows)? {
        return Ok(None);
    }
    let len = arrays.iter().map(|array| array.len).sum();
    Ok(Some(Awkward { len, form: with_wide_indices(&first.form), buffers: stacker.buffers }))
}

struct Stacker<'a> {
    arrays: &'a [&'a Awkward],
    buffers: IndexMap<String, SharedArray>,
}

impl Stacker<'_> {
    /// Stacks `rows` of each part's node. False when this cannot be done lazily.
    fn node(&mut self, form: &Form, rows: &[Range<u64>]) -> Result<bool, AwkwardError> {
        match &form.kind {
            Kind::Empty => Ok(true),
            Kind::Numpy { dtype, inner_shape } if inner_shape.is_empty() => {
                let Some(slices) = self.slices(&format!("{}-data", form.key), rows, 0) else {
                    return Ok(false);
                };
                if slices.iter().any(|slice| slice.dtype() != *dtype) {
                    return Ok(false);
                }
                self.put(form, "data", slices);
                Ok(true)
            }
            Kind::ListOffset(content) => self.list(form, content, rows),
            Kind::Regular { size, content } => {
                let mut inner = Vec::with_capacity(rows.len());
                for range in rows {
                    match (range.start.checked_mul(*size), range.end.checked_mul(*size)) {
                        (Some(start), Some(end)) => inner.push(start..end),
                        _ => return Ok(false),
                    }
                }
                self.node(content, &inner)
            }
            Kind::Record { contents, .. } => {
                for content in contents {
                    if !self.node(content, rows)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Kind::IndexedOption(content) if !form.params.contains_key("__array__") => {
                self.option(form, content, rows)
            }
            Kind::ByteMasked { content, .. } => {
                let Some(slices) = self.slices(&format!("{}-mask", form.key), rows, 0) else {
                    return Ok(false);
                };
                // The stack has one type.
                let mut dtypes = slices.iter().map(|slice| slice.dtype());
                let first = dtypes.next();
                if dtypes.any(|dtype| Some(dtype) != first) {
                    return Ok(false);
                }
                self.put(form, "mask", slices);
                self.node(content, rows)
            }
            Kind::Unmasked(content) => self.node(content, rows),
            Kind::Numpy { .. }
            | Kind::List(_)
            | Kind::Indexed(_)
            | Kind::IndexedOption(_)
            | Kind::BitMasked { .. }
            | Kind::Union(_) => Ok(false),
        }
    }

    fn list(
        &mut self,
        form: &Form,
        content: &Form,
        rows: &[Range<u64>],
    ) -> Result<bool, AwkwardError> {
        let name = format!("{}-offsets", form.key);
        let Some(slices) = self.slices(&name, rows, 1) else { return Ok(false) };
        let mut inner = Vec::with_capacity(rows.len());
        let mut stacked = Vec::with_capacity(rows.len());
        let mut base = 0_i64;
        for (position, offsets) in slices.into_iter().enumerate() {
            let last_at = offsets.shape()[0] - 1;
            let (first, last) = (number(&offsets, 0)?, number(&offsets, last_at)?);
            let (Ok(start), Ok(end)) = (u64::try_from(first), u64::try_from(last)) else {
                return Ok(false);
            };
            if end < start {
                return Ok(false);
            }
            inner.push(start..end);
            // Only the first part gives its leading offset.
            let window = Region::line(u64::from(position > 0)..last_at + 1);
            let shifted = Slice::shared(offsets, window);
            stacked.push(Shifted::shared(shifted, base - first, DType::I64));
            let Some(next) = base.checked_add(last - first) else { return Ok(false) };
            base = next;
        }
        self.put(form, "offsets", stacked);
        self.node(content, &inner)
    }

    /// Indices are rewritten in memory, for -1 has to stay as it is.
    fn option(
        &mut self,
        form: &Form,
        content: &Form,
        rows: &[Range<u64>],
    ) -> Result<bool, AwkwardError> {
        let name = format!("{}-index", form.key);
        let Some(slices) = self.slices(&name, rows, 0) else { return Ok(false) };
        let mut inner = Vec::with_capacity(rows.len());
        let mut bytes = Vec::new();
        let mut base = 0_i64;
        for index in slices {
            let stored = read_vec(index.as_ref(), &Region::whole(index.shape()))?;
            let (mut low, mut high) = (i64::MAX, -1);
            for at in cast::read_i64(index.dtype(), &stored).filter(|&at| at >= 0) {
                low = low.min(at);
                high = high.max(at);
            }
            let low = low.min(high.saturating_add(1));
            for at in cast::read_i64(index.dtype(), &stored) {
                let shifted = if at < 0 { -1 } else { at - low + base };
                bytes.extend_from_slice(&shifted.to_le_bytes());
            }
            let end = high.saturating_add(1);
            inner.push(low as u64..end as u64);
            let Some(next) = base.checked_add(end - low) else { return Ok(false) };
            base = next;
        }
        let len = bytes.len() as u64 / 8;
        self.put(form, "index", vec![MemoryArray::shared(DType::I64, &[len], bytes)]);
        self.node(content, &inner)
    }

    /// `rows` of a buffer of each part, and `extra` more elements; `None` when one is missing,
    /// too short or no vector.
    fn slices(&self, name: &str, rows: &[Range<u64>], extra: u64) -> Option<Vec<SharedArray>> {
        self.arrays
            .iter()
            .zip(rows)
            .map(|(array, range)| {
                let buffer = array.buffers.get(name)?;
                let window = Region::line(range.start..range.end.checked_add(extra)?);
                window.fits(buffer.shape()).then(|| Slice::shared(buffer.clone(), window))
            })
            .collect()
    }

    fn put(&mut self, form: &Form, attribute: &str, parts: Vec<SharedArray>) {
        self.buffers.insert(format!("{}-{attribute}", form.key), Stacked::shared(parts, 0));
    }
}

fn number(array: &SharedArray, at: u64) -> Result<i64, AwkwardError> {
    let bytes = read_vec(array.as_ref(), &Region::line(at..at + 1))?;
    Ok(cast::read_i64(array.dtype(), &bytes).next().unwrap_or(0))
}

/// The form with offsets and indices of 64 bits, which is what was written.
fn with_wide_indices(form: &str) -> String {
    fn widen(value: &mut Value) {
        match value {
            Value::Object(node) => {
                for key in ["offsets", "index"] {
                    if let Some(width) = node.get_mut(key).filter(|width| width.is_string()) {
                        *width = Value::String("i64".to_owned());
                    }
                }
                for key in ["content", "contents"] {
                    if let Some(inner) = node.get_mut(key) {
                        widen(inner);
                    }
                }
            }
            Value::Array(nodes) => nodes.iter_mut().for_each(widen),
            _ => {}
        }
    }
    match serde_json::from_str::<Value>(form) {
        Ok(mut value) => {
            widen(&mut value);
            value.to_string()
        }
        Err(_) => form.to_owned(),
    }
}
