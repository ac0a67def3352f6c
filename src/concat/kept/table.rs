//! Rising tables of entry positions: in memory when short, in a mapped file when long. The file is
//! unlinked and ours alone, so that nobody can change or shorten what is mapped.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use memmap2::Mmap;

/// Longer tables go to a file: there may be thousands of tables.
const MAX_RESIDENT: u64 = 8 << 10;

/// A table of `u64` that never falls.
#[derive(Debug)]
pub enum Offsets {
    /// In memory.
    Memory(Vec<u64>),
    /// Little-endian in an unlinked file.
    Mapped(Mmap),
}

impl Offsets {
    /// Number of entries in the table.
    pub fn len(&self) -> u64 {
        match self {
            Self::Memory(table) => table.len() as u64,
            Self::Mapped(map) => (map.len() / 8) as u64,
        }
    }

    /// An entry; 0 past the end.
    pub fn get(&self, index: u64) -> u64 {
        match self {
            Self::Memory(table) => table.get(index as usize).copied().unwrap_or(0),
            Self::Mapped(map) => {
                map.as_chunks::<8>().0.get(index as usize).copied().map_or(0, u64::from_le_bytes)
            }
        }
    }

    /// The last entry.
    pub fn last(&self) -> u64 {
        self.get(self.len().saturating_sub(1))
    }

    /// The first index whose entry is greater than `value`.
    pub fn upper_bound(&self, value: u64) -> u64 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle) <= value {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// Collects a table whose length is known beforehand.
pub enum OffsetsWriter {
    /// A short table.
    Memory(Vec<u64>),
    /// A long one.
    File(BufWriter<File>),
}

impl OffsetsWriter {
    /// A table of `len` entries; `spill_dir` takes the unlinked file of a long one.
    pub fn new(len: u64, spill_dir: &Path) -> io::Result<Self> {
        if len <= MAX_RESIDENT {
            return Ok(Self::Memory(Vec::with_capacity(len as usize)));
        }
        Ok(Self::File(BufWriter::with_capacity(1 << 20, tempfile::tempfile_in(spill_dir)?)))
    }

    /// The next entry.
    pub fn push(&mut self, entry: u64) -> io::Result<()> {
        match self {
            Self::Memory(table) => {
                table.push(entry);
                Ok(())
            }
            Self::File(file) => file.write_all(&entry.to_le_bytes()),
        }
    }

    /// The table.
    pub fn finish(self) -> io::Result<Offsets> {
        match self {
            Self::Memory(table) => Ok(Offsets::Memory(table)),
            Self::File(writer) => {
                let file = writer.into_inner().map_err(io::Error::from)?;
                // SAFETY: the file never had a name that others could open, and is not written to
                // any more.
                Ok(Offsets::Mapped(unsafe { Mmap::map(&file)? }))
            }
        }
    }
}
