//! Frames one below the other, and frames under new rows: `pd.concat` and `DataFrame.reindex`.
//!
//! Owns columns, their dtypes and categories. Decides which columns the result has, of which dtype
//! each is, and what is missing in it:
//!
//! | file | follows |
//! |---|---|
//! | `frame` | `pd.concat` and anndata's `unify_dtypes` |
//! | `column_type`, `column_rule` | pandas' dtypes and their common one |
//! | `column` | the values, in the dtype that the rule chose |
//! | `categories`, `natsort` | categories: union, natural order, recoding |
//! | `missing_text` | text with missing values, made categorical |
//! | `missing`, `values` | which values are missing; columns as plain values |
//! | `reindex` | rows under the joined names |
//!
//! Knows nothing of indexes but that a frame has one, and of no other element.

mod categories;
mod column;
mod column_rule;
mod column_type;
mod frame;
mod missing;
mod missing_text;
mod natsort;
mod reindex;
#[cfg(test)]
mod tests;
mod values;

pub(super) use categories::{Categories, TextKind};
pub(super) use column_type::{ColumnType, find_common};
pub(super) use frame::{FrameShare, concat_columns};
pub(super) use missing_text::{KnownPart, categorical_of};
pub(super) use reindex::{
    frame_without_columns, reindex_array, reindex_column, reindex_frame, reindex_rows_of_text,
};
pub(super) use values::{Plain, Values};
