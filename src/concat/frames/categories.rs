//! Values of categories, and what pandas does with lists of them: union, natural order, recoding.

use std::cell::OnceCell;
use std::sync::Arc;

use foldhash::HashMap;
use indexmap::IndexSet;

use crate::anndata::{Elem, Nullable, code_dtype};
use crate::array::cast::cast_bytes;
use crate::array::{
    Filled, MemoryArray, MemoryText, TextBuf, beyond_memory, push_python_str, read_all,
};
use crate::base::dtype::Kind;
use crate::base::{DType, ReadError, memory};
use crate::concat::names::{self, category_text, is_sorted, places_in_sorted};
use crate::concat::numpy::result_type;

use super::natsort;

/// The distinct values of a categorical, as a pandas index would hold them.
#[derive(Debug, Clone)]
pub enum Categories {
    /// Text (`object`).
    Text(Arc<TextBuf>),
    /// Integers of this dtype.
    Int(DType, Vec<i128>),
    /// Floats of this dtype.
    Float(DType, Vec<f64>),
    /// Booleans.
    Bool(Vec<bool>),
}

/// How pandas holds text: as Python's strings, or in its own dtype for text with missing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// `object`
    Object,
    /// `string`
    Str,
}

impl TextKind {
    /// How the categories of a file are held.
    pub const fn of(categories: &Elem) -> Self {
        match categories {
            Elem::Nullable(_) => Self::Str,
            _ => Self::Object,
        }
    }
}

/// A `CategoricalDtype`.
#[derive(Debug, Clone)]
pub struct CategoryType {
    /// The categories.
    pub categories: Categories,
    /// Whether their order means something.
    pub ordered: bool,
    /// How pandas holds categories of text.
    pub text: TextKind,
}

fn unreadable() -> ReadError {
    ReadError::unsupported("", "", "categories of this kind are not read")
}

impl Categories {
    /// Reads the categories of a file.
    pub fn read(elem: &Elem) -> Result<Self, ReadError> {
        let numbers = match elem {
            Elem::Dense(numbers) => numbers,
            Elem::Nullable(nullable) => return Self::read(&nullable.values),
            _ => return Ok(Self::Text(Arc::new(category_text(elem)?))),
        };
        let dtype = numbers.dtype();
        let bytes = read_all(&**numbers)?;
        let wide_bytes = (bytes.len() / dtype.size_bytes()) as u64 * size_of::<i128>() as u64;
        if wide_bytes > memory::most_bytes() {
            return Err(beyond_memory(&format!("categories of {wide_bytes} bytes")));
        }
        let as_wide = |wide: DType| {
            let mut out = vec![0; bytes.len() / dtype.size_bytes() * 8];
            cast_bytes(dtype, &bytes, wide, &mut out);
            out.chunks_exact(8)
                .map(|chunk| chunk.try_into().unwrap_or_default())
                .collect::<Vec<[u8; 8]>>()
        };
        Ok(match dtype.kind() {
            Kind::Bool => Self::Bool(bytes.iter().map(|&byte| byte != 0).collect()),
            Kind::Signed => Self::Int(
                dtype,
                as_wide(DType::I64)
                    .into_iter()
                    .map(|b| i128::from(i64::from_le_bytes(b)))
                    .collect(),
            ),
            Kind::Unsigned => Self::Int(
                dtype,
                as_wide(DType::U64)
                    .into_iter()
                    .map(|b| i128::from(u64::from_le_bytes(b)))
                    .collect(),
            ),
            Kind::Float => Self::Float(
                dtype,
                as_wide(DType::F64).into_iter().map(f64::from_le_bytes).collect(),
            ),
            Kind::Complex => return Err(unreadable()),
        })
    }

    /// Categories of text.
    pub fn of_text<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        Self::Text(Arc::new(texts.collect()))
    }

    /// Number of categories.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(texts) => texts.len(),
            Self::Int(_, values) => values.len(),
            Self::Float(_, values) => values.len(),
            Self::Bool(values) => values.len(),
        }
    }

    /// The numpy dtype, `None` for text (`object`).
    pub const fn dtype(&self) -> Option<DType> {
        match self {
            Self::Text(_) => None,
            Self::Int(dtype, _) | Self::Float(dtype, _) => Some(*dtype),
            Self::Bool(_) => Some(DType::Bool),
        }
    }

    /// The values as text.
    pub fn text(&self) -> Arc<TextBuf> {
        let mut out = TextBuf::new();
        match self {
            Self::Text(texts) => return Arc::clone(texts),
            Self::Int(_, values) => values.iter().for_each(|value| out.push(&value.to_string())),
            Self::Bool(values) => {
                values.iter().for_each(|&value| out.push(if value { "True" } else { "False" }));
            }
            // Python's own floats, whatever the dtype: `astype(object)` widens.
            Self::Float(_, values) => {
                let mut text = String::new();
                for value in values {
                    text.clear();
                    push_python_str(DType::F64, &value.to_le_bytes(), &mut text);
                    out.push(&text);
                }
            }
        }
        Arc::new(out)
    }

    /// The values as elements of a numeric dtype; `None` for text.
    pub fn numbers(&self, dtype: DType) -> Option<Vec<u8>> {
        let (from, bytes): (DType, Vec<u8>) = match self {
            Self::Text(texts) if texts.is_empty() => return Some(Vec::new()),
            Self::Text(_) => return None,
            Self::Int(DType::U64, values) => {
                (DType::U64, values.iter().flat_map(|&v| (v as u64).to_le_bytes()).collect())
            }
            Self::Int(_, values) => {
                (DType::I64, values.iter().flat_map(|&v| (v as i64).to_le_bytes()).collect())
            }
            Self::Float(_, values) => {
                (DType::F64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            Self::Bool(values) => (DType::Bool, values.iter().map(|&v| u8::from(v)).collect()),
        };
        let mut out = vec![0; bytes.len() / from.size_bytes() * dtype.size_bytes()];
        cast_bytes(from, &bytes, dtype, &mut out);
        Some(out)
    }

    /// As an element of a result.
    pub fn elem(&self) -> Elem {
        match (self, self.dtype()) {
            (Self::Text(texts), _) => Elem::Text(MemoryText::line(Arc::clone(texts))),
            (_, dtype) => {
                let dtype = dtype.unwrap_or(DType::Bool);
                let bytes = self.numbers(dtype).unwrap_or_default();
                Elem::Dense(MemoryArray::shared(dtype, &[self.len() as u64], bytes))
            }
        }
    }

    /// One hashable key a value, equal for equal values of any numeric dtype.
    fn keys(&self) -> Vec<Key<'_>> {
        match self {
            Self::Text(texts) => texts.iter().map(Key::Text).collect(),
            Self::Int(_, values) => values.iter().map(|&value| Key::Int(value)).collect(),
            Self::Bool(values) => values.iter().map(|&value| Key::Int(i128::from(value))).collect(),
            Self::Float(_, values) => values.iter().map(|&value| Key::of_float(value)).collect(),
        }
    }

    /// `Index.equals`: the same values in the same order.
    pub fn equals(&self, other: &Self) -> bool {
        self.len() == other.len() && self.keys() == other.keys()
    }

    /// The categories of lists that mix text, booleans and numbers, as text in the natural order of
    /// the values.
    pub fn mixed(lists: &[&Self]) -> Self {
        let mut keys: Vec<natsort::Key<'_>> = Vec::new();
        let mut names: IndexSet<String> = IndexSet::new();
        let (numbers, texts): (Vec<&Self>, Vec<&Self>) =
            lists.iter().partition(|list| !matches!(list, Self::Text(_)));
        for list in numbers.into_iter().chain(texts) {
            let text = list.text();
            let mut fresh: Vec<(natsort::Key<'_>, String)> = text
                .iter()
                .zip(list.sort_keys())
                .filter(|(name, _)| !names.contains(*name))
                .map(|(name, key)| (key, name.to_owned()))
                .collect();
            fresh.sort_by(|a, b| a.1.cmp(&b.1));
            for (key, name) in fresh {
                if names.insert(name) {
                    keys.push(key);
                }
            }
        }
        let names: Vec<String> = names.into_iter().collect();
        Self::of_text(natsort::order(keys).into_iter().map(|at| names[at].as_str()))
    }

    fn sort_keys(&self) -> Vec<natsort::Key<'_>> {
        match self {
            Self::Text(texts) => texts.iter().map(natsort::Key::of_text).collect(),
            Self::Int(_, values) => {
                values.iter().map(|&value| natsort::Key::of_number(value as f64)).collect()
            }
            Self::Float(_, values) => values.iter().copied().map(natsort::Key::of_number).collect(),
            Self::Bool(values) => values
                .iter()
                .map(|&value| natsort::Key::of_number(f64::from(u8::from(value))))
                .collect(),
        }
    }

    /// For each category its place in `target`, -1 where it has none. A target of text takes
    /// numbers by their text.
    pub fn recoding(&self, target: &Self) -> Arc<[i64]> {
        Recoder::new(target).table(self)
    }

    /// The same categories, in any order.
    fn same_set(&self, other: &Self) -> bool {
        self.dtype() == other.dtype()
            && self.len() == other.len()
            && self.recoding(other).iter().all(|&place| place >= 0)
    }

    /// The same numbers in the same order, of whatever dtype.
    fn same_numbers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(_, a), Self::Int(_, b)) => a == b,
            (Self::Float(_, a), Self::Float(_, b)) => a == b,
            (Self::Int(_, ints), Self::Float(_, floats))
            | (Self::Float(_, floats), Self::Int(_, ints)) => {
                ints.iter().map(|&int| int as f64).eq(floats.iter().copied())
            }
            _ => false,
        }
    }

    /// `reduce(Index.union)` over lists. `None` when they mix text, booleans and numbers.
    pub fn union(lists: &[&Self]) -> Option<Self> {
        let filled: Vec<&Self> = lists.iter().copied().filter(|list| list.len() > 0).collect();
        let Some(first) = filled.first() else { return Some(Self::of_text(std::iter::empty())) };
        match first {
            Self::Text(_) => {
                let texts: Vec<&TextBuf> = filled
                    .iter()
                    .map(|list| if let Self::Text(texts) = list { Some(&**texts) } else { None })
                    .collect::<Option<_>>()?;
                Some(Self::Text(Arc::new(names::union(texts.iter().copied()))))
            }
            Self::Bool(_) if filled.iter().all(|list| list.equals(first)) => Some((*first).clone()),
            Self::Bool(_) => filled
                .iter()
                .all(|list| matches!(list, Self::Bool(_)))
                .then(|| Self::Bool(vec![false, true])),
            Self::Int(..) | Self::Float(..) => {
                let mut ints = Vec::new();
                let mut floats = Vec::new();
                for list in &filled {
                    match list {
                        Self::Int(_, values) => {
                            ints.extend(values);
                            floats.extend(values.iter().map(|&value| value as f64));
                        }
                        Self::Float(_, values) => floats.extend(values),
                        Self::Text(_) | Self::Bool(_) => return None,
                    }
                }
                if filled.iter().all(|list| list.same_numbers(first)) {
                    // Equal lists keep their order.
                    ints.truncate(first.len());
                    floats.truncate(first.len());
                } else {
                    ints.sort_unstable();
                    ints.dedup();
                    floats.sort_unstable_by(f64::total_cmp);
                    floats.dedup();
                }
                // An empty list of floats makes floats too: numpy's default for no categories.
                let numbers = lists.iter().filter(|list| matches!(list, Self::Float(..)));
                let dtypes = filled.iter().chain(numbers).filter_map(|list| list.dtype());
                let dtype = result_type(dtypes)?;
                let all_ints = !lists.iter().any(|list| matches!(list, Self::Float(..)));
                Some(if all_ints { Self::Int(dtype, ints) } else { Self::Float(dtype, floats) })
            }
        }
    }

    /// `natsorted` of the values, in the dtypes of an index made from a list of Python's values.
    pub fn natsorted(&self) -> Self {
        match self {
            _ if self.len() == 0 => Self::of_text(std::iter::empty()),
            Self::Text(texts) => {
                let order = natsort::order(texts.iter().map(natsort::Key::of_text));
                if order.is_sorted() {
                    return self.clone();
                }
                Self::of_text(order.into_iter().map(|at| texts.get(at)))
            }
            Self::Int(_, values) => {
                let mut values = values.clone();
                values.sort_unstable();
                if values.iter().all(|&value| i64::try_from(value).is_ok()) {
                    Self::Int(DType::I64, values)
                } else if values.iter().all(|&value| u64::try_from(value).is_ok()) {
                    Self::Int(DType::U64, values)
                } else {
                    // No dtype holds them all: Python's own integers, which are written as text.
                    Self::Text(Self::Int(DType::I64, values).text())
                }
            }
            Self::Float(_, values) => {
                let mut values = values.clone();
                // Categories are never NaN, but in a damaged file.
                values.sort_unstable_by(f64::total_cmp);
                Self::Float(DType::F64, values)
            }
            Self::Bool(values) => {
                let mut values = values.clone();
                values.sort_unstable();
                Self::Bool(values)
            }
        }
    }
}

/// Finds the places of many lists' categories in one list.
pub(super) struct Recoder<'a> {
    target: &'a Categories,
    /// The target, if it is text in order of code points.
    sorted: Option<&'a TextBuf>,
    /// Made when it is needed.
    places: OnceCell<HashMap<Key<'a>, i64>>,
}

impl<'a> Recoder<'a> {
    /// For codes that are to point into `target`.
    pub fn new(target: &'a Categories) -> Self {
        let sorted = match target {
            Categories::Text(texts) if is_sorted(texts) => Some(&**texts),
            _ => None,
        };
        Self { target, sorted, places: OnceCell::new() }
    }

    /// As [`Categories::recoding`].
    pub fn table(&self, list: &Categories) -> Arc<[i64]> {
        let is_text = |list: &Categories| matches!(list, Categories::Text(_));
        if is_text(self.target) && !is_text(list) && list.len() > 0 {
            return self.table(&Categories::Text(list.text()));
        }
        if let (Some(target), Categories::Text(texts)) = (self.sorted, list) {
            return places_in_sorted(target, texts);
        }
        let places = self.places.get_or_init(|| {
            let keys = self.target.keys().into_iter().enumerate();
            keys.map(|(at, key)| (key, at as i64)).collect()
        });
        let place = |key: &Key<'_>| places.get(key).copied().unwrap_or(-1);
        match (self.target, list) {
            // pandas compares them as float64, where large integers are rounded.
            (Categories::Float(..), Categories::Int(_, values)) => {
                values.iter().map(|&value| place(&Key::of_float(value as f64))).collect()
            }
            _ => list.keys().iter().map(place).collect(),
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key<'a> {
    Text(&'a str),
    Int(i128),
    Float(u64),
}

impl Key<'_> {
    fn of_float(value: f64) -> Self {
        if value.fract() == 0.0 && value.abs() < 1e30 {
            Self::Int(value as i128)
        } else {
            Self::Float(value.to_bits())
        }
    }
}

impl CategoryType {
    /// Equality of `CategoricalDtype`s: order counts when either is ordered.
    pub fn equals(&self, other: &Self) -> bool {
        if self.ordered || other.ordered {
            return self.ordered == other.ordered && self.categories.equals(&other.categories);
        }
        self.text == other.text && self.categories.same_set(&other.categories)
    }

    /// The categories as an element of a result.
    pub fn elem(&self) -> Elem {
        let categories = self.categories.elem();
        match (self.text, &self.categories) {
            (TextKind::Str, Categories::Text(texts)) => Elem::Nullable(Nullable {
                values: Box::new(categories),
                mask: Filled::shared(DType::Bool, &[texts.len() as u64], &[0]),
                na_value: None,
            }),
            _ => categories,
        }
    }

    /// The dtype of codes for these categories (`coerce_indexer_dtype`).
    pub fn code_dtype(&self) -> DType {
        code_dtype(self.categories.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_lists_keep_their_order_beside_empty_ones() {
        let floats = |dtype, values: &[f64]| Categories::Float(dtype, values.to_vec());
        let order = |lists: &[&Categories]| match Categories::union(lists) {
            Some(Categories::Float(_, values)) => values,
            other => panic!("{other:?}"),
        };
        let list = floats(DType::F64, &[2.0, 1.0, 10.0]);
        let empty = floats(DType::F64, &[]);
        assert_eq!(order(&[&list, &empty, &list]), [2.0, 1.0, 10.0]);
        assert_eq!(order(&[&floats(DType::F32, &[]), &list]), [2.0, 1.0, 10.0]);
        let ints = |dtype, values: &[i128]| Categories::Int(dtype, values.to_vec());
        assert_eq!(order(&[&ints(DType::I8, &[2, 1, 10]), &empty]), [2.0, 1.0, 10.0]);
        assert_eq!(order(&[&ints(DType::I64, &[2, 1, 10]), &list]), [2.0, 1.0, 10.0]);
        assert_eq!(order(&[&list, &floats(DType::F64, &[1.0])]), [1.0, 2.0, 10.0]);
        let (two, one) = (floats(DType::F64, &[2.0]), floats(DType::F64, &[1.0]));
        assert_eq!(order(&[&floats(DType::F64, &[2.0, 1.0]), &two, &one]), [1.0, 2.0]);
        let both = [&ints(DType::I8, &[2, 1]), &ints(DType::I32, &[2, 1])];
        let union = Categories::union(&both);
        assert!(matches!(union, Some(Categories::Int(DType::I32, values)) if values == [2, 1]));
    }
}
