//! What the library's walk finds, as plain data: it may have been found in another process. The tree
//! is made of it here, in the process that reads the arrays.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::array::TextBuf;
use crate::base::DType;
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::metadata::assemble::{Dataset, Header, Place};
use crate::input::hdf5::metadata::elsewhere::{Deferred, Link, Virtual};
use crate::tree::{
    ArrayNode, Attr, Attrs, Data, FieldValues, Group, Node, RecordArray, RecordField,
};

/// Attributes in order.
pub type PlainAttrs = Vec<(String, PlainAttr)>;

/// A group.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainGroup {
    pub attrs: PlainAttrs,
    pub children: Vec<(String, PlainNode)>,
}

/// What a group holds.
#[derive(Debug, Serialize, Deserialize)]
pub enum PlainNode {
    Group(PlainGroup),
    Dataset {
        attrs: PlainAttrs,
        found: Result<Option<PlainDataset>, String>,
    },
    /// An object of another file.
    Elsewhere(Link),
    Unreadable(String),
}

/// A dataset that is not null.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainDataset {
    /// Address of the object header, relative to the file's base.
    pub address: u64,
    pub shape: Vec<u64>,
    pub datatype: Datatype,
    pub header: PlainHeader,
}

/// What a dataset's header says, or why it does not.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainHeader {
    pub place: Result<Place, String>,
    pub filters: Result<Vec<PlainFilter>, String>,
    pub fill_value: Result<Vec<u8>, String>,
    /// Of a compound.
    pub records: Result<PlainRecords, String>,
}

/// A filter.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainFilter {
    pub number: i32,
    pub parameters: Vec<u32>,
    /// The library can undo it.
    pub is_available: bool,
}

/// An attribute's value.
#[derive(Debug, Serialize, Deserialize)]
pub enum PlainAttr {
    Str(String),
    Bool(bool),
    Int(i64),
    Float(f64),
    StrList(Vec<String>),
    IntList(Vec<i64>),
    Reference(String),
    /// A JSON document.
    Json(String),
}

/// A compound's values.
#[derive(Debug, Serialize, Deserialize)]
pub struct PlainRecords {
    shape: Vec<u64>,
    fields: Vec<PlainField>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PlainField {
    name: String,
    inner_shape: Vec<u64>,
    values: PlainValues,
}

#[derive(Debug, Serialize, Deserialize)]
enum PlainValues {
    Fixed(DType, Vec<u8>),
    Text(Vec<String>),
}

impl PlainGroup {
    /// The tree of a file, and what of it is elsewhere, by path: in the tree stands something that
    /// cannot be read.
    pub fn tree(self, file: &Arc<HdfFile>) -> (Group, Vec<(String, Deferred)>) {
        let mut deferred = Vec::new();
        (self.group(file, "", &mut deferred), deferred)
    }

    fn group(
        self,
        file: &Arc<HdfFile>,
        path: &str,
        deferred: &mut Vec<(String, Deferred)>,
    ) -> Group {
        let mut group = Group { attrs: tree_attrs(self.attrs), ..Group::default() };
        for (name, node) in self.children {
            let path = format!("{path}/{name}");
            let node = match node {
                PlainNode::Group(below) => Node::Group(below.group(file, &path, deferred)),
                PlainNode::Dataset { attrs, found } => {
                    let data = match found {
                        Ok(Some(dataset)) => match dataset.made_of_others() {
                            Some(made) => {
                                deferred.push((path, Deferred::Virtual(made)));
                                Err("it is made of other datasets".to_owned())
                            }
                            None => dataset.data(file, &path),
                        },
                        Ok(None) => Ok(Data::Null),
                        Err(why) => Err(why),
                    };
                    let data = data.unwrap_or_else(Data::Unreadable);
                    Node::Array(ArrayNode { attrs: tree_attrs(attrs), data })
                }
                PlainNode::Elsewhere(link) => {
                    let why = "it is in another file".to_owned();
                    deferred.push((path, Deferred::Link(link)));
                    Node::Array(ArrayNode { attrs: Attrs::new(), data: Data::Unreadable(why) })
                }
                PlainNode::Unreadable(why) => {
                    Node::Array(ArrayNode { attrs: Attrs::new(), data: Data::Unreadable(why) })
                }
            };
            group.children.insert(name, node);
        }
        group
    }
}

impl PlainDataset {
    /// What a virtual dataset is made of.
    fn made_of_others(&self) -> Option<Virtual> {
        let Ok(Place::Virtual(mappings)) = &self.header.place else { return None };
        Some(Virtual {
            shape: self.shape.as_slice().into(),
            datatype: self.datatype.clone(),
            fill: self.header.fill_value.clone(),
            mappings: mappings.clone(),
        })
    }

    fn data(&self, file: &Arc<HdfFile>, path: &str) -> Result<Data, String> {
        let (shape, datatype) = (self.shape.as_slice().into(), &self.datatype);
        Dataset { file, path, address: self.address, shape, datatype, header: &self.header }.data()
    }
}

impl Header for PlainHeader {
    fn place(&self) -> Result<Place, String> {
        self.place.clone()
    }

    fn filters(&self) -> Result<Vec<(i32, Vec<u32>)>, String> {
        let filters = self.filters.as_ref().map_err(Clone::clone)?;
        Ok(filters.iter().map(|filter| (filter.number, filter.parameters.clone())).collect())
    }

    fn is_filter_available(&self, number: i32) -> bool {
        let mut filters = self.filters.iter().flatten();
        filters.any(|filter| filter.number == number && filter.is_available)
    }

    fn fill_value(&self) -> Result<Vec<u8>, String> {
        self.fill_value.clone()
    }

    fn records(&self) -> Result<RecordArray, String> {
        self.records.as_ref().map(PlainRecords::array).map_err(Clone::clone)
    }
}

impl PlainRecords {
    pub fn of(records: RecordArray) -> Self {
        let plain = |field: RecordField| PlainField {
            name: field.name,
            inner_shape: field.inner_shape.to_vec(),
            values: match field.values {
                FieldValues::Fixed { dtype, bytes } => PlainValues::Fixed(dtype, bytes),
                FieldValues::Text(texts) => {
                    PlainValues::Text(texts.iter().map(str::to_owned).collect())
                }
            },
        };
        Self {
            shape: records.shape.to_vec(),
            fields: records.fields.into_iter().map(plain).collect(),
        }
    }

    fn array(&self) -> RecordArray {
        let field = |plain: &PlainField| RecordField {
            name: plain.name.clone(),
            inner_shape: plain.inner_shape.as_slice().into(),
            values: match &plain.values {
                PlainValues::Fixed(dtype, bytes) => {
                    FieldValues::Fixed { dtype: *dtype, bytes: bytes.clone() }
                }
                PlainValues::Text(texts) => {
                    FieldValues::Text(texts.iter().map(String::as_str).collect::<TextBuf>())
                }
            },
        };
        RecordArray {
            shape: self.shape.as_slice().into(),
            fields: self.fields.iter().map(field).collect(),
        }
    }
}

/// Attributes as plain data.
pub fn plain_attrs(attrs: Attrs) -> PlainAttrs {
    let plain = |attr| match attr {
        Attr::Str(text) => PlainAttr::Str(text),
        Attr::Bool(value) => PlainAttr::Bool(value),
        Attr::Int(value) => PlainAttr::Int(value),
        Attr::Float(value) => PlainAttr::Float(value),
        Attr::StrList(texts) => PlainAttr::StrList(texts),
        Attr::IntList(values) => PlainAttr::IntList(values),
        Attr::Reference(path) => PlainAttr::Reference(path),
        Attr::Json(value) => PlainAttr::Json(value.to_string()),
    };
    attrs.into_iter().map(|(name, attr)| (name, plain(attr))).collect()
}

fn tree_attrs(attrs: PlainAttrs) -> Attrs {
    let tree = |attr| match attr {
        PlainAttr::Str(text) => Attr::Str(text),
        PlainAttr::Bool(value) => Attr::Bool(value),
        PlainAttr::Int(value) => Attr::Int(value),
        PlainAttr::Float(value) => Attr::Float(value),
        PlainAttr::StrList(texts) => Attr::StrList(texts),
        PlainAttr::IntList(values) => Attr::IntList(values),
        PlainAttr::Reference(path) => Attr::Reference(path),
        // What is no document was none before.
        PlainAttr::Json(text) => Attr::Json(serde_json::from_str(&text).unwrap_or(Value::Null)),
    };
    attrs.into_iter().map(|(name, attr)| (name, tree(attr))).collect()
}
