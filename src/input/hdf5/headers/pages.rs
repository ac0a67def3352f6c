//! The file in pages: metadata lies scattered in small pieces, many of them near each other.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use lru::LruCache;

use super::known::{Known, Unknown};
use crate::input::hdf5::file::HdfFile;
use crate::io::read_metadata_vec_at;

/// Bytes that are read at once.
const PAGE_BYTES: u64 = 16 << 10;
/// Pages that are kept: 2 MiB.
const KEPT_PAGES: NonZeroUsize = NonZeroUsize::new(128).unwrap();
/// Metadata is read so many times over at most, so that structures that refer to each other in
/// circles or are shared without end come to one.
const MOST_TIMES: u64 = 16;
/// What even the smallest file may take, and what no file may exceed.
const LEAST_BUDGET_BYTES: u64 = 64 << 20;
const LARGEST_BUDGET_BYTES: u64 = 4 << 30;

/// The names of a million objects fit; what is larger is left to the library.
const LARGEST_PIECE_BYTES: u64 = 64 << 20;

/// Reads pieces of a file at addresses.
pub struct Pages<'a> {
    pub file: &'a HdfFile,
    /// Address at which the file ends.
    end: u64,
    kept: LruCache<u64, Vec<u8>>,
    budget_bytes: u64,
}

impl<'a> Pages<'a> {
    pub fn new(file: &'a HdfFile) -> Self {
        Self {
            file,
            end: file.source.len().saturating_sub(file.base),
            kept: LruCache::new(KEPT_PAGES),
            budget_bytes: file
                .source
                .len()
                .saturating_mul(MOST_TIMES)
                .clamp(LEAST_BUDGET_BYTES, LARGEST_BUDGET_BYTES),
        }
    }

    /// Address at which the file ends.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Nothing lies behind this address.
    pub fn end_at(&mut self, end: u64) {
        self.end = self.end.min(end);
    }

    /// The `len` bytes at an address.
    pub fn get(&mut self, address: u64, len: u64) -> Known<Cow<'_, [u8]>> {
        let past_end = || Unknown::from("something lies past the end of the file");
        address.checked_add(len).filter(|&end| end <= self.end).ok_or_else(past_end)?;
        if len > LARGEST_PIECE_BYTES {
            return Err("a piece of metadata is too large".into());
        }
        self.budget_bytes = self
            .budget_bytes
            .checked_sub(len.max(64))
            .ok_or("the metadata refer to each other without end")?;
        let at = self.file.base + address;
        let (page, within) = (at / PAGE_BYTES, (at % PAGE_BYTES) as usize);
        if within as u64 + len <= PAGE_BYTES {
            let bytes = self.page(page)?.get(within..within + len as usize);
            return bytes.map(Cow::Borrowed).ok_or_else(past_end);
        }
        if len >= 4 * PAGE_BYTES {
            return Ok(Cow::Owned(read_metadata_vec_at(&*self.file.source, at, len as usize)?));
        }
        let mut out = Vec::with_capacity(len as usize);
        out.extend_from_slice(self.page(page)?.get(within..).unwrap_or_default());
        for next in page + 1.. {
            let wanted = len as usize - out.len();
            if wanted == 0 {
                break;
            }
            let bytes = self.page(next)?;
            if bytes.is_empty() {
                return Err(past_end());
            }
            out.extend_from_slice(&bytes[..bytes.len().min(wanted)]);
        }
        Ok(Cow::Owned(out))
    }

    /// A page; the file's last one is shorter.
    fn page(&mut self, number: u64) -> Known<&[u8]> {
        let source = &self.file.source;
        Ok(self.kept.try_get_or_insert(number, || {
            let start = number * PAGE_BYTES;
            let len = source.len().saturating_sub(start).min(PAGE_BYTES);
            read_metadata_vec_at(&**source, start, len as usize)
        })?)
    }
}
