//! The dtypes that pandas gives to columns of a file, and how it finds a common one.

use std::sync::Arc;

use crate::anndata::Elem;
use crate::base::dtype::Kind;
use crate::base::{DType, ReadError};
use crate::concat::numpy::result_type;

use super::categories::{Categories, CategoryType, TextKind};

/// The pandas dtype of a column.
#[derive(Debug, Clone)]
pub enum ColumnType {
    /// A numpy number or boolean.
    Number(DType),
    /// `object`: text, or a mixture.
    Object,
    /// `string`: text with missing values.
    Str,
    /// `Int64`, `boolean` and their like.
    Masked(DType),
    /// `category`.
    Category(Arc<CategoryType>),
}

impl ColumnType {
    /// The dtype of a column of a file; reads its categories.
    pub fn of(elem: &Elem) -> Result<Self, ReadError> {
        Ok(match elem {
            Elem::Dense(array) if array.shape().len() == 1 => Self::Number(array.dtype()),
            Elem::Text(text) if text.shape().len() == 1 => Self::Object,
            Elem::Categorical(categorical) => Self::Category(Arc::new(CategoryType {
                categories: Categories::read(&categorical.categories)?,
                ordered: categorical.ordered,
                text: TextKind::of(&categorical.categories),
            })),
            Elem::Nullable(nullable) => match &*nullable.values {
                Elem::Dense(values) => Self::Masked(values.dtype()),
                _ => Self::Str,
            },
            _ => return Err(ReadError::unsupported("", "", "a column of this kind is not read")),
        })
    }

    /// Equality of dtypes.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) | (Self::Masked(a), Self::Masked(b)) => a == b,
            (Self::Object, Self::Object) | (Self::Str, Self::Str) => true,
            (Self::Category(a), Self::Category(b)) => Arc::ptr_eq(a, b) || a.equals(b),
            _ => false,
        }
    }

    /// True for pandas' own dtypes, which numpy does not have.
    pub const fn is_extension(&self) -> bool {
        matches!(self, Self::Str | Self::Masked(_) | Self::Category(_))
    }

    /// `Block._can_hold_na`.
    pub fn can_hold_na(&self) -> bool {
        match self {
            Self::Number(dtype) => matches!(dtype.kind(), Kind::Float | Kind::Complex),
            _ => true,
        }
    }

    /// `ensure_dtype_can_hold_na`.
    pub fn holding_na(self) -> Self {
        match self {
            Self::Number(DType::Bool) => Self::Object,
            Self::Number(dtype) if dtype.is_integer() => Self::Number(DType::F64),
            other => other,
        }
    }

    /// What a person calls it.
    pub fn describe(&self) -> String {
        match self {
            Self::Number(dtype) => dtype.name().to_owned(),
            Self::Object | Self::Str => "strings".to_owned(),
            Self::Masked(dtype) => format!("nullable {dtype}"),
            Self::Category(category) => {
                let ordered = if category.ordered { "ordered " } else { "" };
                match category.categories.dtype() {
                    Some(dtype) => format!("{ordered}categories of {dtype}"),
                    None => format!("{ordered}categories of strings"),
                }
            }
        }
    }

    /// Whether a person takes both for the same kind of thing. Integers are, of whatever size: their
    /// values are the same. Floats of another size take other space, and print other digits.
    pub fn is_akin(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) | (Self::Masked(a), Self::Masked(b)) => {
                a == b || (a.is_integer() && b.is_integer())
            }
            (Self::Object | Self::Str, Self::Object | Self::Str) => true,
            (Self::Category(a), Self::Category(b)) => a.ordered == b.ordered,
            _ => false,
        }
    }
}

/// pandas' `find_common_type`.
pub fn find_common(types: &[&ColumnType]) -> ColumnType {
    let mut distinct: Vec<&ColumnType> = Vec::new();
    for ty in types {
        if !distinct.iter().any(|known| known.equals(ty)) {
            distinct.push(ty);
        }
    }
    if let [only] = distinct[..] {
        return only.clone();
    }
    if distinct.iter().any(|ty| ty.is_extension()) {
        return distinct
            .iter()
            .find_map(|ty| common_of_extension(ty, &distinct))
            .unwrap_or(ColumnType::Object);
    }
    common_of_numpy(&distinct, Booleans::Apart)
}

/// `ExtensionDtype._get_common_dtype` of `ty`.
fn common_of_extension(ty: &ColumnType, all: &[&ColumnType]) -> Option<ColumnType> {
    match ty {
        ColumnType::Masked(_) => {
            let plain: Vec<ColumnType> = all
                .iter()
                .map(|ty| match ty {
                    ColumnType::Masked(dtype) => ColumnType::Number(*dtype),
                    other => (*other).clone(),
                })
                .collect();
            match find_common(&plain.iter().collect::<Vec<_>>()) {
                ColumnType::Number(dtype) if dtype.kind() != Kind::Complex => {
                    Some(ColumnType::Masked(dtype))
                }
                _ => None,
            }
        }
        ColumnType::Category(_) => {
            let plain: Vec<ColumnType> = all
                .iter()
                .map(|ty| match ty {
                    ColumnType::Category(category) => {
                        category.categories.dtype().map_or(ColumnType::Object, ColumnType::Number)
                    }
                    other => (*other).clone(),
                })
                .collect();
            Some(find_common(&plain.iter().collect::<Vec<_>>()))
        }
        _ => None,
    }
}

/// Whether booleans promote to numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booleans {
    /// With numbers they make `object` (`find_common_type`).
    Apart,
    /// As numpy promotes them (`np_find_common_type`).
    Promote,
}

/// The common dtype of numpy dtypes.
pub(super) fn common_of_numpy(types: &[&ColumnType], booleans: Booleans) -> ColumnType {
    let mut dtypes = Vec::with_capacity(types.len());
    for ty in types {
        let ColumnType::Number(dtype) = ty else { return ColumnType::Object };
        dtypes.push(*dtype);
    }
    let num_bools = dtypes.iter().filter(|&&dtype| dtype == DType::Bool).count();
    if booleans == Booleans::Apart && num_bools > 0 && num_bools < dtypes.len() {
        return ColumnType::Object;
    }
    result_type(dtypes).map_or(ColumnType::Object, ColumnType::Number)
}
