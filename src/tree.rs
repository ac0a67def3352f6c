//! Groups, attributes and arrays: what both HDF5 and zarr hold, and neither's format.
//!
//! Inputs are read into this tree and outputs are presented from it; the two never meet otherwise.
//! Arrays in it are lazy.

use std::path::Path;

use indexmap::IndexMap;
use indexmap::map::Entry;

use crate::array::{Array, SharedArray, SharedText, len_bytes};
use crate::base::{DType, Dims, Fault, Kind, ReadError};

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Attr {
    /// Text.
    Str(String),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A list of texts; also any empty list.
    StrList(Vec<String>),
    /// A list of integers.
    IntList(Vec<i64>),
    /// An HDF5 object reference, resolved to the absolute path of what it points to.
    Reference(String),
    /// Anything else, as JSON.
    Json(serde_json::Value),
}

/// Attributes by name, in the order stored.
pub type Attrs = IndexMap<String, Attr>;

/// A node of the tree.
#[derive(Debug, Clone)]
pub enum Node {
    /// A group.
    Group(Group),
    /// An array.
    Array(ArrayNode),
}

/// A group of named nodes. Names never contain `/`.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The group's attributes.
    pub attrs: Attrs,
    /// Nodes by name, in the order in which they are presented.
    pub children: IndexMap<String, Node>,
}

/// Another node stands where one was to be put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("something stands there already")]
pub struct Occupied;

/// An array with its attributes.
#[derive(Debug, Clone)]
pub struct ArrayNode {
    /// The array's attributes.
    pub attrs: Attrs,
    /// The data.
    pub data: Data,
}

/// What an array node holds.
#[derive(Debug, Clone)]
pub enum Data {
    /// Numbers or booleans.
    Fixed(SharedArray),
    /// Variable-length text. HDF5 fixed-length and zarr `U`/`S` strings are read as this.
    Text(SharedText),
    /// Records (numpy structured arrays, HDF5 compounds), in memory.
    Record(std::sync::Arc<RecordArray>),
    /// An HDF5 null dataspace or an encoding `null`: no data at all.
    Null,
    /// Something that is there but cannot be read; the reason becomes an error only if it is used.
    Unreadable(String),
}

/// A structured array in memory, one buffer a field.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordArray {
    /// Extent of the array of records.
    pub shape: Dims,
    /// Fields in order.
    pub fields: Vec<RecordField>,
}

/// One field of a structured array.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordField {
    /// The field's name.
    pub name: String,
    /// Extent of one record's value: empty for a scalar (old files have vectors: `X_pca` in `obsm`).
    pub inner_shape: Dims,
    /// Values of all records, record-major.
    pub values: FieldValues,
}

/// Values of one field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValues {
    /// Numbers or booleans, row-major little-endian.
    Fixed {
        /// Element type.
        dtype: DType,
        /// `len * dtype.size_bytes()` bytes.
        bytes: Vec<u8>,
    },
    /// Text.
    Text(crate::array::TextBuf),
}

impl Group {
    /// The node at a path of names separated by `/`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Node> {
        let (name, rest) = match path.split_once('/') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        match (self.children.get(name)?, rest) {
            (node, None) => Some(node),
            (Node::Group(group), Some(rest)) => group.get(rest),
            (Node::Array(_), Some(_)) => None,
        }
    }

    /// Bytes of all numbers below; `u64::MAX` when they are more than that.
    #[must_use]
    pub fn numbers_bytes(&self) -> u64 {
        let bytes = |node: &Node| match node {
            Node::Group(group) => group.numbers_bytes(),
            Node::Array(ArrayNode { data: Data::Fixed(array), .. }) => len_bytes(&**array),
            Node::Array(_) => 0,
        };
        self.children.values().map(bytes).fold(0, u64::saturating_add)
    }

    /// Puts a node at a path of names separated by `/`, making groups on the way, as h5py and zarr
    /// do for a key that holds slashes.
    ///
    /// # Errors
    /// Something stands there, or an array on the way: nothing is ever replaced.
    pub fn insert(&mut self, path: &str, node: Node) -> Result<(), Occupied> {
        let (name, rest) = match path.split_once('/') {
            Some((name, rest)) => (name, Some(rest)),
            None => (path, None),
        };
        let Some(rest) = rest else {
            return match self.children.entry(name.to_owned()) {
                Entry::Vacant(place) => {
                    place.insert(node);
                    Ok(())
                }
                Entry::Occupied(_) => Err(Occupied),
            };
        };
        match self.children.entry(name.to_owned()).or_insert(Node::Group(Self::default())) {
            Node::Group(group) => group.insert(rest, node),
            Node::Array(_) => Err(Occupied),
        }
    }
}

impl Node {
    /// The node's attributes.
    #[must_use]
    pub fn attrs(&self) -> &Attrs {
        match self {
            Self::Group(group) => &group.attrs,
            Self::Array(array) => &array.attrs,
        }
    }
}

impl From<Array> for Data {
    fn from(array: Array) -> Self {
        match array {
            Array::Fixed(array) => Self::Fixed(array),
            Array::Text(text) => Self::Text(text),
        }
    }
}

impl From<SharedArray> for Data {
    fn from(array: SharedArray) -> Self {
        Self::Fixed(array)
    }
}

impl From<SharedText> for Data {
    fn from(text: SharedText) -> Self {
        Self::Text(text)
    }
}

/// Why an element does not get to where the tree is written or shown.
#[derive(Debug, thiserror::Error)]
pub enum ElementError {
    /// A source failed.
    #[error("cannot read what goes to {element}: {source}")]
    Read {
        /// The element.
        element: String,
        /// What failed, and where.
        source: ReadError,
    },
    /// An element that is known to be unreadable.
    #[error("{element}: {why}")]
    Unreadable {
        /// The element.
        element: String,
        /// Why it cannot be read.
        why: String,
    },
    /// An element that the format cannot hold.
    #[error("{element}: {why}")]
    Unrepresentable {
        /// The element.
        element: String,
        /// What the format lacks, and what to do.
        why: String,
    },
}

impl ElementError {
    /// A failed read of what goes to an element.
    pub fn read(element: &str) -> impl FnOnce(ReadError) -> Self + '_ {
        move |source| Self::Read { element: element.to_owned(), source }
    }
}

impl Fault for ElementError {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { source, .. } => source.kind(),
            Self::Unreadable { .. } => Kind::Unsupported,
            Self::Unrepresentable { .. } => Kind::Unrepresentable,
        }
    }

    fn file(&self) -> Option<&Path> {
        match self {
            Self::Read { source, .. } => source.file(),
            Self::Unreadable { .. } | Self::Unrepresentable { .. } => None,
        }
    }

    fn element(&self) -> Option<&str> {
        match self {
            Self::Read { element, .. }
            | Self::Unreadable { element, .. }
            | Self::Unrepresentable { element, .. } => Some(element),
        }
    }
}
