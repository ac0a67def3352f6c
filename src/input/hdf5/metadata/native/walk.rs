//! The walk over a file's groups: builds the tree, as the library's does.

use std::sync::Arc;

use super::superblock::{self, Superblock};
use super::{attributes, datasets, groups};
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::headers::{Known, Object, Pages, Unknown, expect, kind};
use crate::input::hdf5::metadata::limits::{DEEPEST, Met};
use crate::input::hdf5::values::{HeapReader, Meaning};
use crate::tree::{ArrayNode, Attr, Attrs, Data, Group, Node};

pub struct Walk<'a> {
    file: &'a Arc<HdfFile>,
    pages: Pages<'a>,
    heap: HeapReader<'a>,
    superblock: Superblock,
    /// Addresses of the groups that enclose the present one.
    ancestors: Vec<u64>,
    met: Met,
    /// Address and path of each object, as often as it was met.
    paths: Vec<(u64, String)>,
    /// Attributes that refer to an object: path of the holder, name, and address.
    references: Vec<(String, String, u64)>,
}

impl<'a> Walk<'a> {
    pub fn new(file: &'a Arc<HdfFile>) -> Known<Self> {
        let mut pages = Pages::new(file);
        let superblock = superblock::read(&mut pages)?;
        Ok(Self {
            file,
            pages,
            heap: HeapReader::new(file, Meaning::Metadata),
            superblock,
            ancestors: Vec::new(),
            met: Met::default(),
            paths: Vec::new(),
            references: Vec::new(),
        })
    }

    /// The whole tree.
    pub fn tree(mut self) -> Known<Group> {
        let address = self.superblock.root;
        let object = Object::read(&mut self.pages, address)?;
        expect(is_group(&object), "the root is no group")?;
        let mut root = self.group(&object, "", address)?;
        self.paths.push((address, "/".to_owned()));
        self.resolve(&mut root)?;
        Ok(root)
    }

    fn group(&mut self, object: &Object, path: &str, address: u64) -> Known<Group> {
        let attrs = self.attributes(object, path)?;
        let mut group = Group { attrs, ..Group::default() };
        self.ancestors.push(address);
        for (name, address) in groups::links(&mut self.pages, self.superblock, object)? {
            let text = String::from_utf8_lossy(&name).into_owned();
            let node = self.child(&format!("{path}/{text}"), address)?;
            expect(group.children.insert(text, node).is_none(), "two links have one name")?;
        }
        self.ancestors.pop();
        Ok(group)
    }

    fn child(&mut self, path: &str, address: u64) -> Known<Node> {
        if let Err(why) = self.met.note(address) {
            return Ok(unreadable(why));
        }
        self.paths.push((address, path.to_owned()));
        let object = Object::read(&mut self.pages, address)?;
        let is_dataset = object.has(kind::DATATYPE) && object.has(kind::DATASPACE);
        if is_group(&object) {
            expect(!object.has(kind::DATATYPE), "an object is a group and more")?;
            if self.ancestors.contains(&address) {
                return Ok(unreadable("the link leads back to a group that holds it".to_owned()));
            }
            if self.ancestors.len() >= DEEPEST {
                return Ok(unreadable(format!("groups are nested more than {DEEPEST} deep")));
            }
            return Ok(Node::Group(self.group(&object, path, address)?));
        }
        if is_dataset {
            let attrs = self.attributes(&object, path)?;
            let (file, heap) = (self.file, &mut self.heap);
            let data = datasets::describe(file, &self.pages, heap, &object, path, address)?;
            return Ok(Node::Array(ArrayNode { attrs, data }));
        }
        expect(object.has(kind::DATATYPE), "an object is of an unknown kind")?;
        Ok(unreadable("this is a named datatype, not an array".to_owned()))
    }

    fn attributes(&mut self, object: &Object, path: &str) -> Known<Attrs> {
        let (attrs, references) = attributes::read_all(object, &mut self.heap)?;
        for (name, address) in references {
            self.references.push((path.to_owned(), name, address));
        }
        Ok(attrs)
    }

    /// Gives the attributes that refer to objects their paths.
    fn resolve(&self, root: &mut Group) -> Known<()> {
        for (holder, name, address) in &self.references {
            let mut paths = self.paths.iter().filter(|(at, _)| at == address).map(|(_, path)| path);
            let path = match (paths.next(), paths.next()) {
                (Some(path), None) if !path.contains(char::REPLACEMENT_CHARACTER) => path.clone(),
                _ => return Err("an attribute refers to something without one name".into()),
            };
            let attrs = attrs_at(root, holder).ok_or_else(|| Unknown::from("a path is lost"))?;
            attrs.insert(name.clone(), Attr::Reference(path));
        }
        Ok(())
    }
}

fn is_group(object: &Object) -> bool {
    object.has(kind::SYMBOL_TABLE) || object.has(kind::LINK_INFO)
}

/// As the library's walk tells of an object that is none of ours: without its attributes.
fn unreadable(why: String) -> Node {
    Node::Array(ArrayNode { attrs: Attrs::new(), data: Data::Unreadable(why) })
}

/// The attributes of what lies at an absolute path; empty for the root.
fn attrs_at<'a>(root: &'a mut Group, path: &str) -> Option<&'a mut Attrs> {
    let mut group = root;
    let mut names = path.split('/').skip(1).peekable();
    while let Some(name) = names.next() {
        match group.children.get_mut(name)? {
            Node::Group(below) => group = below,
            Node::Array(array) if names.peek().is_none() => return Some(&mut array.attrs),
            Node::Array(_) => return None,
        }
    }
    Some(&mut group.attrs)
}
