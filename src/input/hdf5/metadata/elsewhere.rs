//! What a file says of elements that lie elsewhere, as plain data: in other files, or in other datasets.
//! Where that is, and whether it may be read, is found later (`follow`).

use serde::{Deserialize, Serialize};

use crate::base::Dims;
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::values::Axis;

/// A piece of another file that holds elements of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Bytes of the file's name.
    pub file: Vec<u8>,
    pub offset: u64,
    /// `u64::MAX` for all that follows.
    pub len_bytes: u64,
}

/// A part of a virtual dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Bytes of the file's name; `.` is the file itself.
    pub file: Vec<u8>,
    /// Path of the dataset that it is made of.
    pub dataset: String,
    /// Which elements these are.
    pub target: Selection,
    /// Which elements of the other they are made of.
    pub source: Selection,
}

/// Elements of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selection {
    Nothing,
    All,
    /// Of each axis: start, stride, count and length of blocks.
    Blocks(Vec<[u64; 4]>),
    /// Blocks whose number or length has no limit.
    Endless,
    /// Something else, described.
    Odd(String),
}

impl Selection {
    /// The axes of a selection in an array of this shape; none when nothing is selected.
    ///
    /// # Errors
    /// The selection is none of ours.
    pub fn axes(&self, shape: &[u64]) -> Result<Option<Vec<Axis>>, String> {
        let blocks = match self {
            Self::Nothing => return Ok(None),
            Self::All => shape.iter().map(|&dim| [0, dim, 1, dim]).collect(),
            Self::Blocks(blocks) => blocks.clone(),
            Self::Endless => return Err("a part of it grows without end".to_owned()),
            Self::Odd(why) => return Err(why.clone()),
        };
        if blocks.iter().any(|&[_, _, count, block]| count == 0 || block == 0) {
            return Ok(None);
        }
        let axes = blocks.iter().map(|&[start, stride, count, block]| {
            Axis::new(start, stride, count, block).ok_or("a selection is impossible")
        });
        Ok(Some(axes.collect::<Result<_, _>>()?))
    }
}

/// What is at a path, and is found elsewhere.
#[derive(Debug, Clone)]
pub enum Deferred {
    /// An object of another file.
    Link(Link),
    /// A virtual dataset.
    Virtual(Virtual),
}

/// A link to an object of another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Bytes of the file's name.
    pub file: Vec<u8>,
    /// Path of the object in it.
    pub object: String,
    /// A soft link of this file leads to or through it.
    pub is_passed: bool,
}

/// A virtual dataset.
#[derive(Debug, Clone)]
pub struct Virtual {
    pub shape: Dims,
    pub datatype: Datatype,
    /// What no part covers; zeros when it is empty; or why it is not known.
    pub fill: Result<Vec<u8>, String>,
    pub mappings: Vec<Mapping>,
}
