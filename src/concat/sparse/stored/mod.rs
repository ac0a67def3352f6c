//! What is read, and what is put aside: the arrays of an input's matrix, integers of any width,
//! tables of columns, unlinked files.
//!
//! Owns the checks that a matrix does not contradict itself. Decides nothing. Knows no stack.

mod column_map;
mod ints;
mod source;
mod spill;

pub(super) use column_map::{ColumnMap, ColumnMaps};
pub(super) use ints::{IndexType, copy_shifted, load_minors, map_in_place, shift_in_place};
pub(super) use source::Compressed;
pub(super) use spill::SpillWriter;
