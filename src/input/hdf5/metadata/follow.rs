//! What a file says lies elsewhere is found and put in its place: objects of other files, which are
//! opened like the input itself, and virtual datasets, whose parts are read as the arrays that they
//! are of.
//!
//! What holds: whatever cannot be found, must not be read, or leads back to itself becomes one array
//! that cannot be read, with the reason. Nothing is followed twice on the way to itself.

use std::collections::HashMap;
use std::sync::Arc;

use super::elsewhere::{Deferred, Link, Virtual};
use super::limits::DEEPEST;
use super::walk::walk;
use crate::array::{SharedArray, SharedText};
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::elements::swap_in_place;
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::others::{FileId, Sought, file_id};
use crate::input::hdf5::values::{FixedMosaic, Placing, TextMosaic};
use crate::input::opened::OpenError;
use crate::tree::{ArrayNode, Attr, Attrs, Data, Group, Node};

/// Ways from file to file are no longer.
const LONGEST_WAY: usize = 32;
/// Objects that are reached in other files, each as often as it is.
const MOST_OBJECTS: usize = 1_000_000;
/// Virtual datasets are made of others only so often in turn.
const DEEPEST_MADE: usize = 4;
/// Parts of virtual datasets, counted each time that one is made: few datasets made of each other
/// have many.
const MOST_PARTS: usize = 1_000_000;
/// To read one element, no more are read of others: parts cover each other, and so do theirs.
const MOST_READS: u64 = 1_000_000;
/// The number of the input among the files.
const INPUT: usize = 0;
/// What is said of a path in another file; no path of the input.
const ELSEWHERE: &str = "/(in another file)/";
/// The name by which a file names itself.
const ITSELF: &[u8] = b".";

/// The tree of a file, with all that it leads to.
pub fn followed(file: &Arc<HdfFile>, root: Group, deferred: Vec<(String, Deferred)>) -> Group {
    if deferred.is_empty() {
        return root;
    }
    let mut follower = Follower {
        files: vec![Walked::new(Arc::clone(file), root, deferred)],
        numbers: HashMap::from([(file_id(&file.source.identity()), INPUT)]),
        named: HashMap::new(),
        way: Vec::new(),
        depth: 0,
        num_objects: 0,
        num_parts: 0,
        num_reads: 1,
    };
    let root = follower.files[0].root.clone();
    follower.group(0, "", &root)
}

/// A file whose tree is known.
struct Walked {
    file: Arc<HdfFile>,
    root: Arc<Group>,
    deferred: Arc<HashMap<String, Deferred>>,
}

impl Walked {
    fn new(file: Arc<HdfFile>, root: Group, deferred: Vec<(String, Deferred)>) -> Self {
        Self { file, root: Arc::new(root), deferred: Arc::new(deferred.into_iter().collect()) }
    }
}

struct Follower {
    /// The input, and others as they were met.
    files: Vec<Walked>,
    numbers: HashMap<FileId, usize>,
    /// The number of what a file calls by a name.
    named: HashMap<(usize, Vec<u8>), usize>,
    /// What is being found: a file's number, and a path in it.
    way: Vec<(usize, String)>,
    /// How many groups enclose the present one, whatever files they are in.
    depth: usize,
    num_objects: usize,
    num_parts: usize,
    /// Of the array that was found last: how many parts may be read to read one element of it.
    num_reads: u64,
}

impl Follower {
    /// A group of a file with all that it leads to.
    fn group(&mut self, file: usize, path: &str, group: &Group) -> Group {
        self.depth += 1;
        let children = group.children.iter().map(|(name, node)| {
            let path = format!("{path}/{name}");
            let node = self.node(file, &path, node).unwrap_or_else(unreadable);
            (name.clone(), node)
        });
        let group = Group { children: children.collect(), attrs: attrs_of(file, &group.attrs) };
        self.depth -= 1;
        group
    }

    fn node(&mut self, file: usize, path: &str, node: &Node) -> Result<Node, String> {
        self.num_objects += 1;
        if self.num_objects > MOST_OBJECTS {
            return Err(format!("links into other files reach more than {MOST_OBJECTS} objects"));
        }
        if self.depth > DEEPEST {
            return Err(format!("groups are nested more than {DEEPEST} deep"));
        }
        let deferred = Arc::clone(&self.files[file].deferred);
        let Some(deferred) = deferred.get(path) else {
            return Ok(match node {
                Node::Group(group) => Node::Group(self.group(file, path, group)),
                Node::Array(array) => {
                    self.num_reads = 1;
                    Node::Array(ArrayNode {
                        attrs: attrs_of(file, &array.attrs),
                        data: array.data.clone(),
                    })
                }
            });
        };
        let here = (file, path.to_owned());
        if self.way.contains(&here) {
            return Err("it leads back to itself".to_owned());
        }
        if self.way.len() >= LONGEST_WAY {
            return Err(format!("it is reached over more than {LONGEST_WAY} others"));
        }
        self.way.push(here);
        let found = match deferred {
            Deferred::Link(link) => self.link(file, link),
            Deferred::Virtual(made) => Ok(Node::Array(ArrayNode {
                attrs: attrs_of(file, node.attrs()),
                data: self.made(file, made).unwrap_or_else(Data::Unreadable),
            })),
        };
        self.way.pop();
        found
    }

    fn link(&mut self, file: usize, link: &Link) -> Result<Node, String> {
        let what = format!("it is a link to {} in", link.object);
        let other = self.other(file, &link.file, &what)?;
        if link.is_passed {
            return Err(format!(
                "it is a soft link over a link into {}\n  hint: make it a link into that file itself",
                String::from_utf8_lossy(&link.file)
            ));
        }
        self.at(other, &link.object)
    }

    /// What is at a path of a file.
    fn at(&mut self, file: usize, path: &str) -> Result<Node, String> {
        let mut names = path.split('/').filter(|name| !name.is_empty() && *name != ".").peekable();
        let root = Arc::clone(&self.files[file].root);
        let (mut group, mut path) = (&*root, String::new());
        while let Some(name) = names.next() {
            path = format!("{path}/{name}");
            let node = group.children.get(name).ok_or_else(|| {
                format!("there is no {path} in {}", self.files[file].file.source.path().display())
            })?;
            if names.peek().is_none() {
                return self.node(file, &path, node);
            }
            match node {
                Node::Group(below) => group = below,
                // Further on in the other file.
                Node::Array(_) => {
                    let rest: Vec<&str> = names.collect();
                    let deferred = Arc::clone(&self.files[file].deferred);
                    let Some(Deferred::Link(link)) = deferred.get(&path) else {
                        return Err(format!("{path} is no group"));
                    };
                    if self.way.len() >= LONGEST_WAY {
                        return Err(format!("it is reached over more than {LONGEST_WAY} others"));
                    }
                    self.way.push((file, path));
                    let object = format!("{}/{}", link.object, rest.join("/"));
                    let found = self.link(file, &Link { object, ..link.clone() });
                    self.way.pop();
                    return found;
                }
            }
        }
        Ok(Node::Group(self.group(file, "", &root)))
    }

    /// The number of a file that another one names, which is opened and walked once.
    fn other(&mut self, file: usize, name: &[u8], what: &str) -> Result<usize, String> {
        let primary = Arc::clone(&self.files[file].file);
        if name == ITSELF {
            return Ok(file);
        }
        if let Some(&known) = self.named.get(&(file, name.to_owned())) {
            return Ok(known);
        }
        let source = primary.others.open(primary.source.path(), name, Sought::Beside, what)?;
        let id = file_id(&source.identity());
        if let Some(&known) = self.numbers.get(&id) {
            self.named.insert((file, name.to_owned()), known);
            return Ok(known);
        }
        let path = source.path().to_owned();
        let told = |error: OpenError| format!("{what} another file: {error}");
        let opened = HdfFile::new(source, &primary.context, &primary.others, &path);
        let opened = Arc::new(opened.map_err(told)?);
        let (root, deferred) = walk(&opened, &path).map_err(told)?;
        let number = self.files.len();
        self.files.push(Walked::new(opened, root, deferred));
        self.numbers.insert(id, number);
        self.named.insert((file, name.to_owned()), number);
        Ok(number)
    }

    /// The array of a virtual dataset.
    fn made(&mut self, file: usize, made: &Virtual) -> Result<Data, String> {
        let (datatype, shape) = (&made.datatype, &made.shape);
        let len_bytes = shape
            .iter()
            .try_fold(datatype.memory_bytes() as u64, |product, &dim| product.checked_mul(dim));
        if len_bytes.is_none_or(|len_bytes| i64::try_from(len_bytes).is_err()) {
            return Err(format!("the extent {shape:?} is impossible"));
        }
        let num_made = self.way.iter().filter(|(file, path)| {
            matches!(self.files[*file].deferred.get(path), Some(Deferred::Virtual(_)))
        });
        if num_made.count() > DEEPEST_MADE {
            return Err(format!("it is made of others, more than {DEEPEST_MADE} in turn"));
        }
        let fill = made.fill.clone()?;
        match &made.datatype {
            Datatype::Fixed { dtype, plain: true, swap_bytes } => {
                let mut fill = fill;
                swap_in_place(&mut fill, *swap_bytes);
                let tiles = self.tiles(file, made, |data| match data {
                    Data::Fixed(array) if array.dtype() == *dtype => Ok(array),
                    Data::Fixed(array) => Err(format!(
                        "its elements are {} and those of its parts {}",
                        dtype.name(),
                        array.dtype().name()
                    )),
                    other => Err(no_part(other, "numbers")),
                })?;
                Ok(Data::Fixed(Arc::new(FixedMosaic::new(*dtype, made.shape.clone(), fill, tiles))))
            }
            // Of their fill value only that there is one is known.
            Datatype::VlenText if !fill.is_empty() => {
                Err("virtual datasets of strings with a fill value are not read".to_owned())
            }
            Datatype::VlenText => {
                let tiles = self.tiles(file, made, |data| match data {
                    Data::Text(text) => Ok(text),
                    other => Err(no_part(other, "strings")),
                })?;
                Ok(Data::Text(Arc::new(TextMosaic::new(made.shape.clone(), tiles))))
            }
            _ => Err("virtual datasets of this type are not read".to_owned()),
        }
    }

    /// The parts that a virtual dataset is made of, each as `take` has it.
    fn tiles<T: Shaped>(
        &mut self,
        file: usize,
        made: &Virtual,
        take: impl Fn(Data) -> Result<T, String>,
    ) -> Result<Vec<(T, Placing)>, String> {
        let mut known: HashMap<(usize, &str), (T, u64)> = HashMap::new();
        let (mut tiles, mut num_reads) = (Vec::new(), 0_u64);
        for mapping in &made.mappings {
            self.num_parts += 1;
            if self.num_parts > MOST_PARTS {
                return Err(format!("virtual datasets are made of more than {MOST_PARTS} parts"));
            }
            let other = self.other(file, &mapping.file, "its bytes lie in")?;
            let dataset = mapping.dataset.as_str();
            let (source, num_reads_of) = match known.get(&(other, dataset)) {
                Some(source) => source.clone(),
                None => {
                    let source = match self.at(other, dataset) {
                        Ok(Node::Array(array)) => take(array.data),
                        Ok(Node::Group(_)) => Err("that is a group".to_owned()),
                        Err(why) => Err(why),
                    };
                    let path = self.files[other].file.source.path().display();
                    let source = source
                        .map_err(|why| format!("it is made of {dataset} of {path}: {why}"))?;
                    known.insert((other, dataset), (source.clone(), self.num_reads));
                    (source, self.num_reads)
                }
            };
            let (Some(target), Some(from)) =
                (mapping.target.axes(&made.shape)?, mapping.source.axes(source.extent())?)
            else {
                continue;
            };
            let placing = Placing::new(target, from)?;
            if !placing.fits(&made.shape, source.extent()) {
                return Err(format!("a part of it reaches past the end of {dataset}"));
            }
            num_reads = num_reads.saturating_add(num_reads_of);
            if num_reads > MOST_READS {
                return Err(format!("its parts are made of more than {MOST_READS} others"));
            }
            tiles.push((source, placing));
        }
        self.num_reads = num_reads.max(1);
        Ok(tiles)
    }
}

/// Attributes as they are told: what a reference of another file leads to is no object of the input.
fn attrs_of(file: usize, attrs: &Attrs) -> Attrs {
    let told = attrs.iter().map(|(name, value)| {
        let value = match value {
            Attr::Reference(_) if file != INPUT => Attr::Reference(ELSEWHERE.to_owned()),
            value => value.clone(),
        };
        (name.clone(), value)
    });
    told.collect()
}

/// What has an extent.
trait Shaped: Clone {
    fn extent(&self) -> &[u64];
}

impl Shaped for SharedArray {
    fn extent(&self) -> &[u64] {
        self.shape()
    }
}

impl Shaped for SharedText {
    fn extent(&self) -> &[u64] {
        self.shape()
    }
}

fn no_part(data: Data, wanted: &str) -> String {
    match data {
        Data::Unreadable(why) => why,
        _ => format!("those are no {wanted}"),
    }
}

fn unreadable(why: String) -> Node {
    Node::Array(ArrayNode { attrs: Attrs::new(), data: Data::Unreadable(why) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::MemoryArray;
    use crate::base::{DType, Dims};
    use crate::input::hdf5::metadata::elsewhere::{Mapping, Selection};
    use crate::io::{Context, Limits};

    /// A file may name a dataset of many parts by many names, and make others of each of them.
    #[test]
    fn parts_have_a_limit_in_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.h5");
        ::hdf5::File::create(&path).unwrap().close().unwrap();
        let file = Arc::new(HdfFile::open(&path, &Context::new(Limits::default())).unwrap());
        let made_of = |dataset: &str, number: usize| {
            let mapping = Mapping {
                file: ITSELF.to_vec(),
                dataset: dataset.to_owned(),
                target: Selection::Nothing,
                source: Selection::Nothing,
            };
            Deferred::Virtual(Virtual {
                shape: Dims::from_elem(1, 1),
                datatype: Datatype::Fixed { dtype: DType::U8, swap_bytes: 1, plain: true },
                fill: Ok(Vec::new()),
                mappings: vec![mapping; number],
            })
        };
        let array = |data| Node::Array(ArrayNode { attrs: Attrs::new(), data });
        let x = Arc::new(MemoryArray::new(DType::U8, &[1], vec![0]));
        let mut root = Group { children: Default::default(), attrs: Attrs::new() };
        root.children.insert("x".to_owned(), array(Data::Fixed(x)));
        let names: Vec<String> = (0..1_000).map(|number| format!("made {number:03}")).collect();
        let mut deferred = vec![("/parts".to_owned(), made_of("/x", 1_000))];
        deferred.extend(names.iter().map(|name| (format!("/{name}"), made_of("/parts", 1))));
        for name in names.iter().map(String::as_str).chain(["parts"]) {
            root.children.insert(name.to_owned(), array(Data::Unreadable(String::new())));
        }
        let root = followed(&file, root, deferred);
        let why = |name: &str| match root.get(name) {
            Some(Node::Array(ArrayNode { data: Data::Fixed(_), .. })) => None,
            Some(Node::Array(ArrayNode { data: Data::Unreadable(why), .. })) => Some(why.clone()),
            other => panic!("{name}: {other:?}"),
        };
        // Each is made of a thousand and one.
        assert_eq!(why(&names[998]), None);
        let why = why(&names[999]).unwrap();
        assert!(why.ends_with("virtual datasets are made of more than 1000000 parts"), "{why}");
    }
}
