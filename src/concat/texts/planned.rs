//! Columns of text whose categories only their values tell.

use crate::array::{SharedArray, SharedText};
use crate::concat::options::MissingText;
use crate::concat::sparse::Origin;

/// What is planned of columns of text in which some is missing.
#[derive(Debug, Default)]
pub struct TextPlans {
    /// What becomes of them.
    pub choice: MissingText,
    /// Those that become categorical.
    pub planned: Vec<PlannedText>,
}

/// A column that becomes categorical once its distinct values are known. Until then nullable text
/// stands in its place.
#[derive(Debug, Clone)]
pub struct PlannedText {
    /// Path of the column in the result (`/obs/note`).
    pub path: String,
    /// The shares of the inputs, one after another.
    pub(in crate::concat) parts: Vec<TextPart>,
    /// Bytes that the distinct values may take; with more the column stays text.
    pub(in crate::concat) most_bytes: u64,
}

/// Bytes that distinct values may take where the program decides. Categories are in memory as a
/// whole, here and in every reader, while text is read in pieces.
const MOST_BYTES: u64 = 256 << 20;

impl PlannedText {
    /// A column of these shares.
    pub fn new(path: &str, parts: Vec<TextPart>, choice: MissingText) -> Self {
        let most_bytes = match choice {
            MissingText::Auto | MissingText::Nullable => MOST_BYTES,
            MissingText::Categorical => u64::MAX,
        };
        Self { path: path.to_owned(), parts, most_bytes }
    }

    /// Strings that are read to find the distinct ones.
    #[must_use]
    pub fn num_strings(&self) -> u64 {
        self.parts
            .iter()
            .map(|part| match part {
                TextPart::Missing(_) => 0,
                TextPart::Present(share) => share.text.num_elements(),
            })
            .sum()
    }
}

/// One input's share of a column.
#[derive(Debug, Clone)]
pub enum TextPart {
    /// So many rows in which it is missing.
    Missing(u64),
    /// Values.
    Present(TextShare),
}

/// Values of one input.
#[derive(Debug, Clone)]
pub struct TextShare {
    /// The values as text; where one is missing, anything.
    pub text: SharedText,
    /// Which are missing; `None`: none.
    pub mask: Option<SharedArray>,
    /// Where they come from; `None`: nothing about them is kept on disk.
    pub origin: Option<Origin>,
}
