//! Awkward arrays along their outer axis: `ak.concatenate`, `ak.almost_equal` and taking rows, over
//! forms and buffers as files hold them.
//!
//! Arrays of one form are stacked lazily (`stack`): of their buffers only what says where lists end
//! is read. Arrays that differ are read, merged by awkward's rules (`merge`) and held in memory.
//! Results are packed, as anndata packs them before writing. Nothing here knows a file.

mod concatenate;
mod equal;
mod error;
mod fields;
mod form;
mod layout;
mod merge;
mod mergeable;
mod option;
mod part;
mod read;
mod stack;
mod write;

use crate::anndata::Awkward;
use crate::base::Indexer;

use layout::Content;

pub use error::AwkwardError;
pub use part::AwkwardPart;

/// Which fields of records survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields {
    /// Those that all parts have, in the order of the first (an inner join).
    Common,
    /// Each part keeps its own; records of different fields become a union (an outer join).
    Own,
}

/// A concatenation of awkward arrays.
#[derive(Debug)]
pub struct Concatenated {
    /// The array.
    pub array: Awkward,
    /// Fields of records that only some parts have, and that were therefore left out.
    pub lost_fields: Vec<String>,
}

impl From<Awkward> for Concatenated {
    fn from(array: Awkward) -> Self {
        Self { array, lost_fields: Vec::new() }
    }
}

/// `anndata.concat` of one key: fields selected, then `ak.concatenate(parts, axis=0)`.
///
/// # Errors
/// Forms that are not understood, records without a common field, categoricals (which awkward does
/// not merge), buffers that cannot be read, and more elements than there is memory for.
pub fn concat_awkward(
    parts: &[AwkwardPart<'_>],
    selection: Fields,
) -> Result<Concatenated, AwkwardError> {
    if let [AwkwardPart::Present(only)] = parts {
        return Ok((*only).clone().into());
    }
    if let Some(stacked) = stack::stack(parts)? {
        return Ok(stacked.into());
    }
    let mut contents = Vec::with_capacity(parts.len());
    for part in parts {
        contents.push(match part {
            AwkwardPart::Present(array) => read::read(array)?,
            AwkwardPart::Missing(len) => Content::missing(*len as usize),
        });
    }
    let mut lost_fields = Vec::new();
    if selection == Fields::Common {
        (contents, lost_fields) = fields::select_common(contents)?;
    }
    let array = write::write(concatenate::concatenate(contents)?)?;
    Ok(Concatenated { array, lost_fields })
}

/// The array with rows taken by `indexer`; rows that have no source are missing values.
///
/// anndata means to do this but repeats the last row in their place
/// (`Reindexer._apply_to_awkward` indexes with -1).
///
/// # Errors
/// As [`concat_awkward`].
pub fn reindex_awkward(array: &Awkward, indexer: &Indexer) -> Result<Awkward, AwkwardError> {
    if indexer.is_identity() {
        return Ok(array.clone());
    }
    let content = read::read(array)?;
    let len = content.len() as u64;
    let rows: Vec<i64> = (0..indexer.target_len())
        .map(|target| match indexer.get(target) {
            Some(source) if source < len => source as i64,
            _ => -1,
        })
        .collect();
    let taken = if rows.contains(&-1) {
        option::simplified_option(rows, content, layout::Params::new())?
    } else {
        content.carry(&rows)?
    };
    write::write(taken)
}

/// `ak.almost_equal`: the same type, and the same values within its tolerances.
///
/// # Errors
/// As [`concat_awkward`].
pub fn awkward_equal(left: &Awkward, right: &Awkward) -> Result<bool, AwkwardError> {
    if left.len != right.len {
        return Ok(false);
    }
    equal::equal(read::read(left)?, read::read(right)?)
}

#[cfg(test)]
mod tests;
