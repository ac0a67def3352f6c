//! External storage: the elements of a dataset in pieces of other files, one after another.

use std::sync::Arc;

use crate::base::ReadError;
use crate::io::Source;

/// A piece of another file.
#[derive(Debug)]
pub struct Segment {
    pub source: Arc<dyn Source>,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length, also where the file is shorter; `u64::MAX` for all that follows.
    pub len_bytes: u64,
}

/// Pieces of other files, one after another.
#[derive(Debug)]
pub struct External {
    segments: Vec<Segment>,
}

impl External {
    pub const fn new(segments: Vec<Segment>) -> Self {
        Self { segments }
    }

    /// Bytes of all pieces.
    pub fn len_bytes(&self) -> u64 {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.len_bytes))
    }

    /// Fills `out` with the bytes at an offset from the beginning of the first piece. What a file does
    /// not have is zero (`H5D__efl_read`).
    pub fn read(&self, at: u64, out: &mut [u8]) -> Result<(), ReadError> {
        let (mut skipped, mut rest) = (at, out);
        for Segment { source, offset, len_bytes } in &self.segments {
            if skipped >= *len_bytes {
                skipped -= len_bytes;
                continue;
            }
            let here = (len_bytes - skipped).min(rest.len() as u64);
            let (part, after) = rest.split_at_mut(here as usize);
            let start = offset.saturating_add(skipped);
            let (there, missing) =
                part.split_at_mut(source.len().saturating_sub(start).min(here) as usize);
            source.read_exact_at(start.min(source.len()), there)?;
            missing.fill(0);
            (skipped, rest) = (0, after);
            if rest.is_empty() {
                break;
            }
        }
        // Whoever made this compared the length with that of the dataset.
        rest.fill(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{Context, Limits};

    #[test]
    fn pieces_follow_each_other_and_what_is_missing_is_zero() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context::new(Limits::default());
        let segment = |name: &str, bytes: &[u8], offset, len_bytes| {
            std::fs::write(dir.path().join(name), bytes).unwrap();
            let source = context.file(&dir.path().join(name)).unwrap();
            Segment { source, offset, len_bytes }
        };
        let external = External::new(vec![
            segment("a", b"..abcd..", 2, 4),
            segment("b", b"ef", 0, 3),
            segment("c", b"", 7, 1),
            segment("d", b"xghi", 1, u64::MAX),
        ]);
        assert_eq!(external.len_bytes(), u64::MAX);
        let whole = b"abcdef\0\0ghi\0\0";
        for start in 0..whole.len() {
            for end in start..=whole.len() {
                let mut out = vec![9; end - start];
                external.read(start as u64, &mut out).unwrap();
                assert_eq!(out, whole[start..end]);
            }
        }
    }
}
