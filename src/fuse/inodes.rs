//! Inode numbers of the exported faces, by arithmetic.
//!
//! Inode 1 is the top directory; each export's entries follow in one run of numbers.

use std::ops::Range;
use std::sync::Arc;

use fuser::Errno;

use crate::face::{EntryId, EntryKind, Face};

use super::Export;
use super::errno::Refusal;

/// The top directory.
pub const TOP: u64 = 1;

/// The exported faces and where their inodes begin.
pub struct Inodes {
    /// In the order in which the top lists them.
    pub exports: Vec<Placed>,
}

/// An export and the inode before its first.
pub struct Placed {
    /// Name in the top directory.
    pub name: String,
    /// What it holds.
    pub face: Arc<dyn Face>,
    base: u64,
}

/// What an inode stands for.
pub enum Target<'a> {
    /// The top directory.
    Top,
    /// An entry of an export.
    Entry(&'a Placed, EntryId),
}

impl Inodes {
    /// Numbers the entries of `exports`.
    pub fn new(exports: Vec<Export>) -> Self {
        let mut base = TOP;
        let exports = exports
            .into_iter()
            .map(|export| {
                let placed = Placed { name: export.name, face: export.face, base };
                base += placed.face.num_entries();
                placed
            })
            .collect();
        Self { exports }
    }

    /// What an inode stands for.
    ///
    /// # Errors
    /// There is no such inode.
    pub fn target(&self, inode: u64) -> Result<Target<'_>, Refusal> {
        if inode == TOP {
            return Ok(Target::Top);
        }
        let placed = self
            .exports
            .iter()
            .rfind(|placed| placed.base < inode)
            .filter(|placed| inode - placed.base <= placed.face.num_entries())
            .ok_or(Refusal::Absent)?;
        Ok(Target::Entry(placed, EntryId(inode - placed.base)))
    }

    /// What [`Face::decoded_with`] says of a file.
    pub fn decoded_with(&self, inode: u64, at: u64) -> Option<Range<u64>> {
        match self.target(inode).ok()? {
            Target::Top => None,
            Target::Entry(placed, id) => placed.face.decoded_with(id, at),
        }
    }

    /// The length of a file.
    ///
    /// # Errors
    /// Those of the face; the inode is a directory, or there is none.
    pub fn len_bytes(&self, inode: u64) -> Result<u64, Refusal> {
        let Target::Entry(placed, id) = self.target(inode)? else {
            return Err(Refusal::Wrong(Errno::EISDIR));
        };
        match placed.face.entry(id)?.ok_or(Refusal::Absent)?.kind {
            EntryKind::File { len_bytes } => Ok(len_bytes.unwrap_or(0)),
            EntryKind::Directory { .. } => Err(Refusal::Wrong(Errno::EISDIR)),
        }
    }

    /// Reads a file as [`Face::read_at`] does.
    ///
    /// # Errors
    /// Those of the face; the inode is a directory, or there is none.
    pub fn read_at(&self, inode: u64, at: u64, out: &mut [u8]) -> Result<usize, Refusal> {
        match self.target(inode)? {
            Target::Top => Err(Refusal::Wrong(Errno::EISDIR)),
            Target::Entry(placed, id) => Ok(placed.face.read_at(id, at, out)?),
        }
    }
}

impl Placed {
    /// The inode of an entry.
    pub fn inode(&self, id: EntryId) -> u64 {
        self.base + id.0
    }
}
