//! The distinct values of a share, found by reading it once: in order of first appearance, with the
//! number of each row's value.
//!
//! As a table of 64-bit words, which is how it is kept: the number of rows, their codes (two a word,
//! -1 for missing), the number of values, where each ends, and their bytes. A table of one word tells
//! that the values take more bytes than they may.

use std::io;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use crate::array::{ArraySource, SharedArray, TextBuf, read_vec};
use crate::base::{DType, Progress, ReadError, Region};
use crate::concat::kept::{CensusKey, Offsets, OffsetsWriter};
use crate::concat::sparse::CensusEnv;

use super::planned::TextShare;

/// Strings read at once.
const BLOCK: u64 = 64 << 10;
/// What stands for a table of too many values.
const TOO_MANY: u64 = u64::MAX;
/// Bytes that progress counts for a string, whose length nobody knows: those of a reference to it in
/// HDF5.
pub const STRING_BYTES: u64 = 16;

/// What a share holds.
#[derive(Debug)]
pub struct TextCensus {
    /// For each row the number of its value, -1 where it is missing.
    pub codes: SharedArray,
    /// The distinct values.
    pub values: TextBuf,
}

impl TextCensus {
    /// Takes the census of a share, or finds it kept from before. `None` when the values take more
    /// than `most_bytes`.
    ///
    /// # Errors
    /// A source that cannot be read, or a temporary file that cannot be written.
    pub fn take(
        share: &TextShare,
        most_bytes: u64,
        env: &CensusEnv,
        progress: &dyn Progress,
    ) -> Result<Option<Self>, ReadError> {
        let num_rows = share.text.num_elements();
        let key = share.origin.as_ref().and_then(|origin| {
            let numbers = [num_rows, most_bytes];
            CensusKey::new(&origin.identity, &origin.element, &numbers, b"text")
        });
        if let Some(table) = env.kept(key, None)
            && let Some(known) = Self::of_table(table, num_rows)
        {
            progress.advance(num_rows * STRING_BYTES);
            return Ok(known);
        }
        let table = Scan::new(num_rows, env)?.run(share, most_bytes, progress)?;
        env.keep(key, &table);
        Self::of_table(table, num_rows)
            .ok_or_else(|| ReadError::corrupt("", "", "a census contradicts itself"))
    }

    /// Reads a table; nothing when it is not what it should be.
    fn of_table(table: Offsets, num_rows: u64) -> Option<Option<Self>> {
        if table.len() == 1 && table.get(0) == TOO_MANY {
            return Some(None);
        }
        let mut at = 1 + num_rows.div_ceil(2);
        if table.get(0) != num_rows || at >= table.len() {
            return None;
        }
        let num_values = table.get(at);
        at += 1;
        let starts_at = at.checked_add(num_values).filter(|&starts_at| starts_at <= table.len())?;
        let len_bytes = if num_values == 0 { 0 } else { table.get(starts_at - 1) };
        if starts_at + len_bytes.div_ceil(8) != table.len() {
            return None;
        }
        let mut bytes: Vec<u8> =
            (starts_at..table.len()).flat_map(|word| table.get(word).to_le_bytes()).collect();
        bytes.truncate(len_bytes as usize);
        let text = String::from_utf8(bytes).ok()?;
        let mut values = TextBuf::new();
        let mut start = 0;
        for word in at..starts_at {
            let end = table.get(word) as usize;
            values.push(text.get(start..end)?);
            start = end;
        }
        let codes = Arc::new(Codes { table, shape: [num_rows] });
        Some(Some(Self { codes, values }))
    }
}

/// The codes in a table.
#[derive(Debug)]
struct Codes {
    table: Offsets,
    shape: [u64; 1],
}

impl ArraySource for Codes {
    fn dtype(&self) -> DType {
        DType::I32
    }

    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        let rows = region.range(0);
        for (row, code) in rows.zip(out.as_chunks_mut::<4>().0) {
            let word = self.table.get(1 + row / 2).to_le_bytes();
            let half = (row % 2) as usize * 4;
            code.copy_from_slice(&word[half..half + 4]);
        }
        Ok(())
    }
}

/// A census under way.
struct Scan<'a> {
    env: &'a CensusEnv,
    writer: OffsetsWriter,
    /// The code that waits for the other half of its word.
    waiting: Option<i32>,
    codes: HashMap<Box<str>, i32>,
    values: TextBuf,
}

impl<'a> Scan<'a> {
    fn new(num_rows: u64, env: &'a CensusEnv) -> Result<Self, ReadError> {
        let writer = OffsetsWriter::new(num_rows.div_ceil(2), &env.spill_dir)
            .map_err(|error| env.spill_failed(error))?;
        Ok(Self { env, writer, waiting: None, codes: HashMap::new(), values: TextBuf::new() })
    }

    fn push(&mut self, word: u64) -> Result<(), ReadError> {
        self.writer.push(word).map_err(|error: io::Error| self.env.spill_failed(error))
    }

    fn push_code(&mut self, code: i32) -> Result<(), ReadError> {
        match self.waiting.take() {
            None => {
                self.waiting = Some(code);
                Ok(())
            }
            Some(first) => {
                let [a, b, c, d] = first.to_le_bytes();
                let [e, f, g, h] = code.to_le_bytes();
                self.push(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }

    /// Reads all; the table.
    fn run(
        mut self,
        share: &TextShare,
        most_bytes: u64,
        progress: &dyn Progress,
    ) -> Result<Offsets, ReadError> {
        let num_rows = share.text.num_elements();
        self.push(num_rows)?;
        let mut text = TextBuf::new();
        let mut start = 0;
        // Rows mostly repeat the value before.
        let (mut last, mut last_code) = (String::new(), None);
        while start < num_rows {
            progress.go_on()?;
            let end = (start + BLOCK).min(num_rows);
            text.clear();
            share.text.read_range(start..end, &mut text)?;
            let mask = match &share.mask {
                Some(mask) => read_vec(&**mask, &Region::line(start..end))?,
                None => Vec::new(),
            };
            for (row, value) in text.iter().enumerate() {
                if mask.get(row).is_some_and(|&missing| missing != 0) {
                    self.push_code(-1)?;
                    continue;
                }
                let code = match last_code {
                    Some(code) if last == value => code,
                    _ => {
                        let Some(code) = self.code_of(value, most_bytes) else {
                            progress.advance((num_rows - start) * STRING_BYTES);
                            return Ok(Offsets::Memory(vec![TOO_MANY]));
                        };
                        last.clear();
                        last.push_str(value);
                        *last_code.insert(code)
                    }
                };
                self.push_code(code)?;
            }
            progress.advance((end - start) * STRING_BYTES);
            start = end;
        }
        self.finish()
    }

    /// The number of a value; `None` when it is one too many.
    fn code_of(&mut self, value: &str, most_bytes: u64) -> Option<i32> {
        if let Some(&code) = self.codes.get(value) {
            return Some(code);
        }
        let code = i32::try_from(self.values.len()).ok()?;
        if (self.values.len_bytes() + value.len()) as u64 > most_bytes {
            return None;
        }
        self.values.push(value);
        self.codes.insert(value.into(), code);
        Some(code)
    }

    fn finish(mut self) -> Result<Offsets, ReadError> {
        if self.waiting.is_some() {
            self.push_code(-1)?;
        }
        let values = std::mem::take(&mut self.values);
        self.push(values.len() as u64)?;
        let mut end = 0;
        for value in values.iter() {
            end += value.len() as u64;
            self.push(end)?;
        }
        for piece in values.joined().as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.push(u64::from_le_bytes(word))?;
        }
        let env = self.env;
        self.writer.finish().map_err(|error| env.spill_failed(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{MemoryArray, MemoryText, read_all};
    use crate::base::Silent;
    use crate::concat::sparse::Origin;

    fn share(values: &[Option<&str>], identity: &str) -> TextShare {
        let text: TextBuf = values.iter().map(|value| value.unwrap_or("?")).collect();
        let mask: Vec<u8> = values.iter().map(|value| u8::from(value.is_none())).collect();
        let origin =
            Origin { element: "/obs/note".into(), identity: identity.into(), ..Origin::unnamed() };
        TextShare {
            text: MemoryText::line(text),
            mask: Some(MemoryArray::shared(DType::Bool, &[values.len() as u64], mask)),
            origin: Some(origin),
        }
    }

    fn found(census: &TextCensus) -> (Vec<i32>, Vec<String>) {
        let bytes = read_all(&*census.codes).unwrap();
        let codes = bytes.as_chunks::<4>().0.iter().map(|code| i32::from_le_bytes(*code)).collect();
        (codes, census.values.iter().map(str::to_owned).collect())
    }

    #[test]
    fn values_are_numbered_as_they_appear_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut env = CensusEnv::from_environment(1 << 20);
        env.cache_dir = Some(dir.path().join("cache"));
        for values in [&[Some("b"), None, Some("ä"), Some("b"), Some("")][..], &[None, None], &[]]
        {
            let identity = format!("id {}", values.len());
            let take = |share: &TextShare| {
                TextCensus::take(share, u64::MAX, &env, &Silent).unwrap().unwrap()
            };
            let first = found(&take(&share(values, &identity)));
            let mut names: Vec<&str> = Vec::new();
            let codes: Vec<i32> = values
                .iter()
                .map(|value| match value {
                    None => -1,
                    Some(value) => {
                        let at = names.iter().position(|name| name == value);
                        at.unwrap_or_else(|| {
                            names.push(value);
                            names.len() - 1
                        }) as i32
                    }
                })
                .collect();
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            assert_eq!(first, (codes, names));
            // Values of the same shape under the same identity: what was kept is found, not these.
            let others: Vec<Option<&str>> = values.iter().map(|_| Some("other")).collect();
            assert_eq!(found(&take(&share(&others, &identity))), first);
        }
    }

    #[test]
    fn many_rows_and_values_beyond_the_limit() {
        let env = CensusEnv { cache_dir: None, ..CensusEnv::from_environment(1 << 20) };
        let names: Vec<String> = (0..70_001).map(|n| format!("value {}", n / 3)).collect();
        let values: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
        let share = share(&values, "");
        let census = TextCensus::take(&share, u64::MAX, &env, &Silent).unwrap().unwrap();
        let (codes, found) = found(&census);
        assert_eq!(codes, (0..70_001).map(|n| n / 3).collect::<Vec<i32>>());
        assert_eq!(found.len(), 23_334);
        let bytes = found.iter().map(|value| value.len() as u64).sum::<u64>();
        assert!(TextCensus::take(&share, bytes, &env, &Silent).unwrap().is_some());
        assert!(TextCensus::take(&share, bytes - 1, &env, &Silent).unwrap().is_none());
    }
}
