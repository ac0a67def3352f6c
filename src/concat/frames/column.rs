//! Columns one after another: the inputs' shares in the dtype that [`super::column_rule`] chose.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::anndata::{Categorical, Elem, NaValue, Nullable};
use crate::array::{
    Blanked, Cast, Filled, FilledText, FormattedText, Lookup, LookupText, Recoded, SharedArray,
    SharedText, Stacked, StackedText,
};
use crate::base::dtype::Kind;
use crate::base::{DType, ReadError};
use crate::concat::numpy::nan_bytes;
use crate::concat::options::MissingText;
use crate::concat::sparse::Origin;
use crate::concat::texts::{PlannedText, TextPart, TextPlans, TextShare};
use crate::concat::told::{Notice, first_of};

use super::categories::{Categories, CategoryType, Recoder};
use super::column_rule::{Outcome, Unit, concat_rule};
use super::column_type::ColumnType;
use super::missing::{all_missing, any_missing, mask_of};

/// One input's share of a column.
#[derive(Debug)]
pub(super) struct Share<'a> {
    /// The column, where the input has it.
    pub column: Option<Present<'a>>,
    /// Number of rows.
    pub len: u64,
    /// The columns that lie in one block with it, itself among them.
    pub block: &'a Block<'a>,
    /// The file that it is of, if that is known.
    pub file: Option<&'a Path>,
}

/// Columns of one input that pandas asks about missing values together.
#[derive(Debug)]
pub(super) struct Block<'a> {
    columns: Vec<&'a Elem>,
    all_missing: OnceCell<bool>,
}

impl<'a> Block<'a> {
    pub const fn new(columns: Vec<&'a Elem>) -> Self {
        Self { columns, all_missing: OnceCell::new() }
    }

    /// True when no value of any column is there, and for no columns at all. Reads each column once
    /// at most, however many of them ask.
    fn all_missing(&self) -> Result<bool, ReadError> {
        if let Some(&known) = self.all_missing.get() {
            return Ok(known);
        }
        let mut all = true;
        for elem in &self.columns {
            if !all_missing(elem)? {
                all = false;
                break;
            }
        }
        Ok(*self.all_missing.get_or_init(|| all))
    }
}

/// A column that an input has.
#[derive(Debug)]
pub(super) struct Present<'a> {
    /// The column.
    pub elem: &'a Elem,
    /// Its dtype in the file.
    pub own: ColumnType,
    /// Its dtype after `unify_dtypes`.
    pub ty: ColumnType,
    /// Where it comes from, if that is known.
    pub origin: Option<Origin>,
}

/// Concatenates the shares of the column at `path`.
pub(super) fn concat_column(
    shares: &[Share<'_>],
    path: &str,
    notices: &mut Vec<Notice>,
    texts: &mut TextPlans,
) -> Result<Elem, ReadError> {
    let probes: Vec<_> = shares
        .iter()
        .map(|share| {
            let blamed = move |error: ReadError| match share.file {
                Some(file) => error.of_file(file),
                None => error,
            };
            let all = move || share.block.all_missing().map_err(blamed);
            let any = move || {
                let any = share.column.as_ref().map(|column| any_missing(column.elem));
                any.unwrap_or(Ok(false)).map_err(blamed)
            };
            (all, any)
        })
        .collect();
    let units: Vec<Unit<'_>> = shares
        .iter()
        .zip(&probes)
        .map(|(share, (all, any))| Unit {
            ty: share.column.as_ref().map(|column| column.ty.clone()),
            len: share.len,
            all_missing: all,
            any_missing: any,
        })
        .collect();
    let mut outcome = concat_rule(&units)?;
    if matches!(outcome.ty, ColumnType::Object)
        && let Some(blank) = blank_among_bools(shares, &outcome)?
    {
        outcome = Outcome { ty: ColumnType::Masked(DType::Bool), blank };
    }
    let told = notices.len();
    let num_planned = texts.planned.len();
    let column = Builder { shares, outcome: &outcome }.column(path, notices, texts)?;
    let becomes_categorical = texts.planned.len() > num_planned;
    if notices.len() == told
        && let Some(notice) = conversion(shares, &outcome, becomes_categorical, path)
    {
        notice.tell(notices);
    }
    Ok(column)
}

/// The notice of a column that becomes of another type in some share.
fn conversion(
    shares: &[Share<'_>],
    outcome: &Outcome,
    becomes_categorical: bool,
    path: &str,
) -> Option<Notice> {
    let mut from: IndexMap<String, Vec<String>> = IndexMap::new();
    let mut is_converted = false;
    for (share, &blank) in shares.iter().zip(&outcome.blank) {
        let Some(column) = share.column.as_ref().filter(|_| !blank && share.len > 0) else {
            continue;
        };
        is_converted |= if becomes_categorical {
            !matches!(column.own, ColumnType::Category(_))
        } else {
            !column.own.is_akin(&outcome.ty)
        };
        from.entry(column.own.describe()).or_default().extend(name_of(share));
    }
    let lacking: Vec<String> =
        shares.iter().filter(|share| share.column.is_none()).filter_map(name_of).collect();
    let kinds = from.iter().filter(|(_, files)| from.len() > 1 && !files.is_empty());
    let because = kinds
        .map(|(kind, files)| format!("{kind} in {}", first_of(files)))
        .chain((!lacking.is_empty()).then(|| format!("none in {}", first_of(&lacking))))
        .collect();
    is_converted.then(|| Notice::ColumnsConverted {
        elements: vec![path.to_owned()],
        from: from.into_keys().collect(),
        to: if becomes_categorical {
            "categories of strings".to_owned()
        } else {
            outcome.ty.describe()
        },
        missing: shares.iter().any(|share| share.column.is_none()),
        because,
    })
}

fn name_of(share: &Share<'_>) -> Option<String> {
    share.file.map(|file| file.display().to_string())
}

/// Which shares of an `object` column count as missing, if all its values are booleans and there are
/// some. A share of another kind does not count when nothing in it is present.
fn blank_among_bools(
    shares: &[Share<'_>],
    outcome: &Outcome,
) -> Result<Option<Vec<bool>>, ReadError> {
    let is_bool = |column: &Present<'_>| match &column.own {
        ColumnType::Number(dtype) | ColumnType::Masked(dtype) => *dtype == DType::Bool,
        ColumnType::Category(category) => category.categories.dtype() == Some(DType::Bool),
        ColumnType::Object | ColumnType::Str => false,
    };
    let mut blank = outcome.blank.clone();
    let present = |number: usize, blank: &[bool]| {
        shares[number].column.as_ref().filter(|_| shares[number].len > 0 && !blank[number])
    };
    let mut has_bool = false;
    for number in 0..shares.len() {
        if let Some(column) = present(number, &blank).filter(|column| is_bool(column)) {
            has_bool = has_bool || !all_missing(column.elem)?;
        }
    }
    if !has_bool {
        return Ok(None);
    }
    for number in 0..shares.len() {
        let Some(column) = present(number, &blank).filter(|column| !is_bool(column)) else {
            continue;
        };
        if !all_missing(column.elem)? {
            return Ok(None);
        }
        blank[number] = true;
    }
    Ok(Some(blank))
}

/// The notice of a column that becomes text although not all of it is.
fn mixture(shares: &[Share<'_>], path: &str) -> Option<Notice> {
    let mut kinds: Vec<String> = Vec::new();
    let mut is_text = true;
    for share in shares {
        let Some(column) = &share.column else { continue };
        is_text &= match &column.own {
            ColumnType::Object | ColumnType::Str => true,
            ColumnType::Category(category) => {
                category.categories.dtype().is_none() || category.categories.len() == 0
            }
            ColumnType::Number(_) | ColumnType::Masked(_) => false,
        };
        let kind = column.own.describe();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    (!is_text).then(|| Notice::ColumnBecomesText { element: path.to_owned(), kinds })
}

struct Builder<'a> {
    shares: &'a [Share<'a>],
    outcome: &'a Outcome,
}

impl Builder<'_> {
    /// The column in the dtype of the outcome.
    fn column(
        &self,
        path: &str,
        notices: &mut Vec<Notice>,
        texts: &mut TextPlans,
    ) -> Result<Elem, ReadError> {
        match &self.outcome.ty {
            ColumnType::Number(dtype) => Ok(Elem::Dense(self.numbers(*dtype)?)),
            ColumnType::Masked(dtype) if dtype.kind() == Kind::Float => {
                notices.push(Notice::NullableBecomesFloat { element: path.to_owned() });
                Ok(Elem::Dense(self.numbers(*dtype)?))
            }
            ColumnType::Masked(dtype) => Ok(Elem::Nullable(Nullable {
                values: Box::new(Elem::Dense(self.numbers(*dtype)?)),
                mask: self.mask(),
                na_value: None,
            })),
            ColumnType::Category(category) => {
                if category.categories.dtype().is_none() && category.categories.len() > 0 {
                    notices.extend(mixture(self.shares, path));
                }
                self.categorical(category)
            }
            ColumnType::Str => {
                if self.has_missing()? {
                    self.plan_text(path, texts)?;
                }
                self.nullable_text()
            }
            ColumnType::Object => {
                notices.extend(mixture(self.shares, path));
                if !self.has_missing()? {
                    return Ok(Elem::Text(self.text()?));
                }
                self.plan_text(path, texts)?;
                self.nullable_text()
            }
        }
    }

    fn nullable_text(&self) -> Result<Elem, ReadError> {
        let mut markers = self.shares.iter().flat_map(|share| &share.column).map(|column| {
            if let Elem::Nullable(nullable) = column.elem { nullable.na_value } else { None }
        });
        // What is not pandas' NA everywhere is NaN, with which masks work.
        let is_na = self.shares.iter().any(|share| share.column.is_some())
            && markers.all(|marker| marker == Some(NaValue::Na));
        Ok(Elem::Nullable(Nullable {
            values: Box::new(Elem::Text(self.text()?)),
            mask: self.mask(),
            na_value: is_na.then_some(NaValue::Na),
        }))
    }

    /// Plans the census that makes the column categorical.
    fn plan_text(&self, path: &str, texts: &mut TextPlans) -> Result<(), ReadError> {
        if texts.choice == MissingText::Nullable {
            return Ok(());
        }
        let present = |column: &Present<'_>| {
            Ok(TextPart::Present(TextShare {
                text: text_of(column.elem)?,
                mask: mask_of(column.elem),
                origin: column.origin.clone(),
            }))
        };
        let parts = self.each(present, TextPart::Missing)?;
        texts.planned.push(PlannedText::new(path, parts, texts.choice));
        Ok(())
    }

    /// Each share's column, or its length where it has none or is replaced by missing values.
    fn each<T>(
        &self,
        present: impl Fn(&Present<'_>) -> Result<T, ReadError>,
        blank: impl Fn(u64) -> T,
    ) -> Result<Vec<T>, ReadError> {
        self.shares
            .iter()
            .zip(&self.outcome.blank)
            .map(|(share, &is_blank)| match &share.column {
                // No rows need no conversion, which may not even exist.
                Some(column) if !is_blank && share.len > 0 => present(column),
                _ => Ok(blank(share.len)),
            })
            .collect()
    }

    fn numbers(&self, dtype: DType) -> Result<SharedArray, ReadError> {
        let missing = missing_bytes(dtype);
        let parts = self.each(
            |column| numbers_of(column.elem, &column.own, dtype),
            |len| Filled::shared(dtype, &[len], &missing),
        )?;
        Ok(Stacked::shared(parts, 0))
    }

    fn mask(&self) -> SharedArray {
        let parts = self
            .shares
            .iter()
            .zip(&self.outcome.blank)
            .map(|(share, &is_blank)| {
                let column = share.column.as_ref().filter(|_| !is_blank);
                let mask = column.and_then(|column| mask_of(column.elem));
                let constant = u8::from(column.is_none());
                mask.unwrap_or_else(|| Filled::shared(DType::Bool, &[share.len], &[constant]))
            })
            .collect();
        Stacked::shared(parts, 0)
    }

    fn has_missing(&self) -> Result<bool, ReadError> {
        let is_blank = |(share, &blank): (&Share<'_>, &bool)| {
            share.len > 0 && (blank || share.column.is_none())
        };
        if self.shares.iter().zip(&self.outcome.blank).any(is_blank) {
            return Ok(true);
        }
        for share in self.shares {
            let Some(column) = &share.column else { continue };
            if share.len > 0 && any_missing(column.elem)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn text(&self) -> Result<SharedText, ReadError> {
        let parts =
            self.each(|column| text_of(column.elem), |len| FilledText::shared(&[len], ""))?;
        Ok(StackedText::shared(parts))
    }

    fn categorical(&self, category: &CategoryType) -> Result<Elem, ReadError> {
        let dtype = category.code_dtype();
        let missing = vec![0xff; dtype.size_bytes()];
        let recoder = Recoder::new(&category.categories);
        let parts = self.each(
            |column| recoded(column, &recoder, dtype),
            |len| Filled::shared(dtype, &[len], &missing),
        )?;
        Ok(Elem::Categorical(Categorical {
            codes: Stacked::shared(parts, 0),
            categories: Box::new(category.elem()),
            ordered: category.ordered,
        }))
    }
}

/// What stands for a missing value: NaN, or 0 under a mask.
fn missing_bytes(dtype: DType) -> Vec<u8> {
    match dtype.kind() {
        Kind::Float | Kind::Complex => nan_bytes(dtype),
        _ => vec![0; dtype.size_bytes()],
    }
}

/// `astype` to a numpy dtype, missing values as [`missing_bytes`].
fn numbers_of(elem: &Elem, own: &ColumnType, dtype: DType) -> Result<SharedArray, ReadError> {
    match elem {
        Elem::Dense(array) => Ok(Cast::shared(Arc::clone(array), dtype)),
        Elem::Nullable(nullable) => {
            let values = numbers_of(&nullable.values, own, dtype)?;
            Ok(match dtype.kind() {
                Kind::Float | Kind::Complex => {
                    Blanked::shared(values, Arc::clone(&nullable.mask), &nan_bytes(dtype))
                }
                _ => values,
            })
        }
        Elem::Categorical(categorical) => {
            let ColumnType::Category(category) = own else { return Err(unexpected()) };
            let table = category.categories.numbers(dtype).ok_or_else(unexpected)?;
            let codes = Arc::clone(&categorical.codes);
            Ok(Lookup::shared(codes, dtype, table, &missing_bytes(dtype)))
        }
        _ => Err(unexpected()),
    }
}

/// `str` of each value.
fn text_of(elem: &Elem) -> Result<SharedText, ReadError> {
    match elem {
        Elem::Text(text) => Ok(Arc::clone(text)),
        Elem::Dense(array) => {
            Ok(FormattedText::shared(Cast::shared(Arc::clone(array), widened(array.dtype()))))
        }
        Elem::Nullable(nullable) => text_of(&nullable.values),
        Elem::Categorical(categorical) => {
            let categories = Categories::read(&categorical.categories)?.text();
            Ok(LookupText::shared(Arc::clone(&categorical.codes), categories, ""))
        }
        _ => Err(unexpected()),
    }
}

/// The dtype of Python's own numbers, which `astype(object)` gives.
const fn widened(dtype: DType) -> DType {
    match dtype.kind() {
        Kind::Float => DType::F64,
        Kind::Complex => DType::C128,
        Kind::Bool | Kind::Signed | Kind::Unsigned => dtype,
    }
}

/// The codes of a categorical column under other categories.
fn recoded(
    column: &Present<'_>,
    recoder: &Recoder<'_>,
    dtype: DType,
) -> Result<SharedArray, ReadError> {
    let (Elem::Categorical(categorical), ColumnType::Category(own)) = (column.elem, &column.own)
    else {
        return Err(unexpected());
    };
    let codes = Arc::clone(&categorical.codes);
    let table = recoder.table(&own.categories);
    let unchanged = codes.dtype() == dtype
        && table.iter().enumerate().all(|(code, &target)| code as i64 == target);
    Ok(if unchanged { codes } else { Recoded::shared(codes, table, dtype) })
}

fn unexpected() -> ReadError {
    ReadError::unsupported("", "", "a column of this kind is not read")
}
