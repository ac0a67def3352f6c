//! The first columns of a text array.

use std::ops::Range;
use std::sync::Arc;

use super::{SharedText, TextBuf, TextSource};
use crate::base::{Dims, ReadError};

/// `source[:, :width]`.
#[derive(Debug)]
pub struct TextColumns {
    source: SharedText,
    shape: Dims,
    /// Strings of a row in the source, and here.
    source_row: u64,
    row: u64,
}

impl TextColumns {
    /// The first `width` columns of `source`, which must have at least two dimensions and as many
    /// columns.
    #[must_use]
    pub fn shared(source: SharedText, width: u64) -> SharedText {
        if source.shape()[1] == width {
            return source;
        }
        debug_assert!(width < source.shape()[1]);
        let mut shape: Dims = source.shape().into();
        shape[1] = width;
        let source_row = source.shape()[1..].iter().product();
        let row = shape[1..].iter().product();
        Arc::new(Self { source, shape, source_row, row })
    }
}

impl TextSource for TextColumns {
    fn shape(&self) -> &[u64] {
        &self.shape
    }

    fn read_range(&self, range: Range<u64>, out: &mut TextBuf) -> Result<(), ReadError> {
        let mut at = range.start;
        while at < range.end {
            let (row, first) = (at / self.row, at % self.row);
            let len = (self.row - first).min(range.end - at);
            let start = row * self.source_row + first;
            self.source.read_range(start..start + len, out)?;
            at += len;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{MemoryText, read_all_text};

    #[test]
    fn any_range_equals_the_same_slice_of_the_whole() {
        let text: TextBuf = ["a", "b", "c", "d", "e", "f"].into_iter().collect();
        let source: SharedText = Arc::new(MemoryText::new(&[2, 3], text));
        let columns = TextColumns::shared(Arc::clone(&source), 2);
        let whole = read_all_text(&*columns).unwrap();
        assert_eq!(whole.iter().collect::<Vec<_>>(), ["a", "b", "d", "e"]);
        for start in 0..=4 {
            for end in start..=4 {
                let mut part = TextBuf::new();
                columns.read_range(start..end, &mut part).unwrap();
                let expected: Vec<&str> =
                    whole.iter().skip(start as usize).take((end - start) as usize).collect();
                assert_eq!(part.iter().collect::<Vec<_>>(), expected);
            }
        }
        assert_eq!(TextColumns::shared(source, 0).num_elements(), 0);
    }
}
