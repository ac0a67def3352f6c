//! Our own walk over the metadata of the usual HDF5 file: the same tree as the library's walk, from
//! a few large reads and without its lock.
//!
//! It knows what the usual writers write and is strict about it. Anything else, from a rare feature
//! to a byte that contradicts another, is [`Unknown`]: the whole file is then left to the library,
//! whose word counts and whose error is told. So no error is made here.
//!
//! Format specification: II.A (superblock), III.A.1, III.B, III.D (old groups), IV.A (headers).

mod attributes;
mod checksum;
mod datasets;
mod datatypes;
mod groups;
mod objects;
mod pages;
mod superblock;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use super::chunk_tree::BTree;
use super::storage::HdfFile;
use crate::base::ReadError;
use crate::tree::Group;
use objects::Object;
use pages::Pages;

/// Why a file is left to the library.
#[derive(Debug)]
pub(super) struct Unknown(String);

impl From<&str> for Unknown {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<ReadError> for Unknown {
    fn from(error: ReadError) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was understood.
type Known<T> = Result<T, Unknown>;

/// An address that leads nowhere.
const UNDEFINED: u64 = u64::MAX;

/// The whole tree of a file.
///
/// # Errors
/// The file has something that only the library knows.
pub(super) fn root(file: &Arc<HdfFile>) -> Result<Group, Unknown> {
    if !file.wide {
        return Err("addresses or lengths do not take eight bytes".into());
    }
    walk::Walk::new(file)?.tree()
}

/// The index of the chunks of the dataset whose header lies at `address`; `None` when this module
/// does not know the header, or the index is no version 1 B-tree. Then the library is asked.
pub(super) fn chunk_tree(file: &HdfFile, address: u64) -> Option<BTree> {
    if !file.wide {
        return None;
    }
    match Object::read(&mut Pages::new(file), address) {
        Ok(object) => datasets::chunk_tree(&object),
        Err(why) => {
            let path = file.source.path().display();
            log::debug!("{path}: the header at {address} is left to libhdf5: {why}");
            None
        }
    }
}

/// `Ok` when something holds that always does in a sound file.
fn expect(holds: bool, why: &str) -> Known<()> {
    if holds { Ok(()) } else { Err(why.into()) }
}
