//! What is said between this program and the process that runs libhdf5: one frame a question, one an
//! answer, each a length of eight bytes and so many bytes in `postcard`.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::array::zeroed;
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::library::pinned::Pinned;

/// A question about one file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The file.
    pub file: Pinned,
    /// What is asked.
    pub ask: Ask,
}

/// What can be asked. The answer is a `Result<_, Complaint>` of the type named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// All groups, attributes and headers (`PlainGroup`).
    Tree {
        /// Where the superblock lies.
        base: u64,
    },
    /// The bytes of a region of fixed-width elements (`Vec<u8>`).
    Elements(Spot),
    /// The strings of a region ([`Strings`]).
    Text(Spot),
    /// The index of a dataset's chunks ([`StoredChunks`]).
    Chunks {
        /// Absolute path of the dataset.
        element: String,
        /// Number of its dimensions.
        rank: usize,
    },
}

/// A region of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spot {
    /// Absolute path of the dataset.
    pub element: String,
    /// What its elements were when the file was opened.
    pub datatype: Datatype,
    /// First element along each dimension.
    pub start: Vec<u64>,
    /// Number of elements along each dimension.
    pub len: Vec<u64>,
}

/// Strings in order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Strings {
    /// All of them, one after another.
    pub joined: String,
    /// Bytes of each.
    pub lens: Vec<u32>,
}

/// Chunks as the library lists them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct StoredChunks {
    /// First element of each chunk: one number a dimension.
    pub origins: Vec<u64>,
    /// Offset in the file, length in bytes, and the filters that were skipped, of each chunk.
    pub places: Vec<(u64, u64, u32)>,
}

impl Question {
    /// A question about a file.
    pub fn new(file: &Pinned, ask: Ask) -> Self {
        Self { file: file.clone(), ask }
    }

    /// Bytes that the answer holds if it holds what is wanted; texts and trees have no size before.
    pub fn answer_bytes(&self) -> u64 {
        match &self.ask {
            Ask::Elements(spot) | Ask::Text(spot) => {
                let count = spot.len.iter().fold(1_u64, |count, &len| count.saturating_mul(len));
                count.saturating_mul(spot.datatype.memory_bytes() as u64)
            }
            Ask::Tree { .. } | Ask::Chunks { .. } => 0,
        }
    }
}

/// No frame is longer.
const LONGEST_BYTES: u64 = 8 << 30;

/// Writes one frame.
///
/// # Errors
/// The other side is gone.
pub fn send(value: &impl Serialize, to: &mut impl Write) -> io::Result<()> {
    let bytes = postcard::to_extend(value, Vec::new()).map_err(|error| other(&error))?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one frame; `None` when the other side has ended.
///
/// # Errors
/// The other side ended in the middle, or said what is no answer.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut len = [0; 8];
    match from.read_exact(&mut len) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let len = u64::from_le_bytes(len);
    if len > LONGEST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame claims to be endless"));
    }
    let mut bytes = zeroed(len, 1).map_err(io::Error::other)?;
    from.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map(Some).map_err(|error| other(&error))
}

fn other(error: &postcard::Error) -> io::Error {
    io::Error::other(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::DType;
    use crate::input::hdf5::datatype::Padding;

    #[test]
    fn what_is_sent_is_received() {
        let spot = Spot {
            element: "/obs/é".to_owned(),
            datatype: Datatype::FixedText { len_bytes: 3, padding: Padding::Space, ascii: true },
            start: vec![0, u64::MAX],
            len: vec![2, 5],
        };
        let question = Question::new(&Pinned::nowhere("/a b"), Ask::Text(spot));
        assert_eq!(question.answer_bytes(), 30);
        let mut bytes = Vec::new();
        send(&question, &mut bytes).unwrap();
        let mut rest = bytes.as_slice();
        assert_eq!(receive::<Question>(&mut rest).unwrap().as_ref(), Some(&question));
        assert!(receive::<Question>(&mut rest).unwrap().is_none());
        assert!(receive::<Question>(&mut &bytes[..bytes.len() - 1]).is_err());
        assert!(receive::<Question>(&mut [0xff; 9].as_slice()).is_err());
    }

    #[test]
    fn a_region_of_numbers_has_a_size() {
        let datatype = Datatype::Fixed { dtype: DType::F64, swap_bytes: 1, plain: true };
        let len = vec![u64::MAX, 2];
        let spot = Spot { element: "/x".to_owned(), datatype, start: vec![0, 0], len };
        assert_eq!(
            Question::new(&Pinned::nowhere("/a"), Ask::Elements(spot)).answer_bytes(),
            u64::MAX
        );
    }
}
