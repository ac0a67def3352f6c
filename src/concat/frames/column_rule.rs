//! Which dtype a concatenated column gets: pandas 2.3's `pandas.core.internals.concat`, over types.
//!
//! What depends on data (is all of this column missing?) is asked for only when it could matter.

use crate::base::ReadError;
use crate::base::dtype::Kind;

use crate::base::DType;
use crate::concat::numpy::result_type;

use super::column_type::{Booleans, ColumnType, common_of_numpy, find_common};

/// One input's share of a column (`JoinUnit`).
pub(super) struct Unit<'a> {
    /// Its dtype; `None` where the input does not have the column.
    pub ty: Option<ColumnType>,
    /// Number of rows.
    pub len: u64,
    /// Tells whether all values are missing.
    pub all_missing: &'a dyn Fn() -> Result<bool, ReadError>,
    /// Tells whether some value is missing.
    pub any_missing: &'a dyn Fn() -> Result<bool, ReadError>,
}

/// The dtype of a concatenated column, and how the inputs' shares get there.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The dtype.
    pub ty: ColumnType,
    /// Which shares are replaced by missing values.
    pub blank: Vec<bool>,
}

impl Outcome {
    fn plain(ty: ColumnType, blank: Vec<bool>) -> Self {
        Self { ty, blank }
    }
}

/// The classes of pandas' blocks.
#[derive(PartialEq, Eq)]
enum Block {
    Numeric,
    Object,
    Extension,
}

const fn block(ty: &ColumnType) -> Block {
    match ty {
        ColumnType::Number(_) => Block::Numeric,
        ColumnType::Object => Block::Object,
        _ => Block::Extension,
    }
}

/// `concatenate_managers` for one column.
pub(super) fn concat_rule(units: &[Unit<'_>]) -> Result<Outcome, ReadError> {
    let present: Vec<&ColumnType> = units.iter().filter_map(|unit| unit.ty.as_ref()).collect();
    let kept = vec![false; units.len()];
    let Some(first) = present.first() else {
        return Ok(Outcome::plain(ColumnType::Object, kept));
    };
    let complete = present.len() == units.len();
    if complete && present.iter().all(|ty| ty.equals(first)) {
        return Ok(Outcome::plain((*first).clone(), kept));
    }
    let missing: Vec<bool> = units.iter().map(is_na).collect::<Result<_, _>>()?;
    if complete && is_uniform(&present, &missing) {
        if first.is_extension() {
            return concat_compat(units, &present, kept);
        }
        return Ok(Outcome::plain(common_of_numpy(&present, Booleans::Promote), kept));
    }
    concat_join_units(units, &missing, complete)
}

/// `JoinUnit.is_na`.
fn is_na(unit: &Unit<'_>) -> Result<bool, ReadError> {
    match &unit.ty {
        None => Ok(true),
        Some(ty) if !ty.can_hold_na() => Ok(false),
        Some(_) if unit.len == 0 => Ok(true),
        Some(_) => (unit.all_missing)(),
    }
}

/// `_is_uniform_join_units`, of dtypes that are not all equal.
fn is_uniform(present: &[&ColumnType], missing: &[bool]) -> bool {
    let first = present[0];
    present.iter().all(|ty| {
        // The nullable dtypes have the `kind` of their numpy dtype.
        let small = matches!(ty, ColumnType::Number(dtype) | ColumnType::Masked(dtype)
            if matches!(dtype.kind(), Kind::Bool | Kind::Signed | Kind::Unsigned));
        block(ty) == block(first) && (ty.equals(first) || small)
    }) && present.iter().zip(missing).all(|(ty, &missing)| !missing || ty.is_extension())
}

/// `_concatenate_join_units`.
fn concat_join_units(
    units: &[Unit<'_>],
    missing: &[bool],
    complete: bool,
) -> Result<Outcome, ReadError> {
    // _get_empty_dtype
    let mut candidates: Vec<&ColumnType> = units
        .iter()
        .zip(missing)
        .filter(|&(_, &missing)| !missing)
        .filter_map(|(unit, _)| unit.ty.as_ref())
        .collect();
    if candidates.is_empty() {
        candidates = units.iter().filter_map(|unit| unit.ty.as_ref()).collect();
    }
    let mut empty = find_common(&candidates);
    if !complete {
        empty = empty.holding_na();
    }
    // _dtype_to_na_value: nothing is replaced in a dtype that cannot hold a missing value.
    let replaces = empty.can_hold_na();
    let blank: Vec<bool> = units
        .iter()
        .zip(missing)
        .map(|(unit, &missing)| unit.ty.is_none() || (replaces && missing))
        .collect();
    let to_concat: Vec<&ColumnType> = units
        .iter()
        .zip(&blank)
        .map(|(unit, &blank)| match &unit.ty {
            Some(ty) if !blank => ty,
            _ => &empty,
        })
        .collect();
    concat_compat(units, &to_concat, blank)
}

/// `concat_compat` along axis 1 (numpy) or with `ea_compat_axis` (extensions).
fn concat_compat(
    units: &[Unit<'_>],
    types: &[&ColumnType],
    blank: Vec<bool>,
) -> Result<Outcome, ReadError> {
    let first = types[0];
    if types.iter().all(|ty| ty.equals(first)) {
        return Ok(Outcome::plain(first.clone(), blank));
    }
    if types.iter().any(|ty| ty.is_extension()) {
        let mut target = find_common(types);
        // common_dtype_categorical_compat. Booleans become objects there, which are nullable here.
        let holding_missing = match target {
            ColumnType::Number(DType::Bool) => Some(ColumnType::Masked(DType::Bool)),
            ColumnType::Number(dtype) if dtype.is_integer() => Some(ColumnType::Number(DType::F64)),
            _ => None,
        };
        if let Some(holding_missing) = holding_missing {
            for (number, unit) in units.iter().enumerate() {
                let is_category = matches!(types[number], ColumnType::Category(_));
                if is_category && (blank[number] || (unit.any_missing)()?) {
                    target = holding_missing;
                    break;
                }
            }
        }
        return Ok(Outcome::plain(target, blank));
    }
    let dtypes: Option<Vec<DType>> = types
        .iter()
        .map(|ty| if let ColumnType::Number(dtype) = ty { Some(*dtype) } else { None })
        .collect();
    let Some(dtypes) = dtypes else {
        return Ok(Outcome::plain(ColumnType::Object, blank));
    };
    let promoted = result_type(dtypes.iter().copied()).unwrap_or(DType::F64);
    let has_bools = dtypes.contains(&DType::Bool);
    let mixes_bools = has_bools && promoted != DType::Bool;
    if units.iter().all(|unit| unit.len == 0) {
        // Nothing but empty arrays: numpy coerces integers with floats, and booleans with integers.
        let ty = if mixes_bools { ColumnType::Object } else { ColumnType::Number(promoted) };
        return Ok(Outcome::plain(ty, blank));
    }
    // numpy makes numbers of the booleans, and pandas an object column of these, which no file can
    // hold; Python's floats are float64.
    let has_python_floats = mixes_bools && promoted.kind() == Kind::Float;
    let dtype = if has_python_floats { DType::F64 } else { promoted };
    Ok(Outcome::plain(ColumnType::Number(dtype), blank))
}
