//! Lays out the file: groups, attributes, datasets and small things are made at once; what is
//! large is handed back as tasks with a place to go.

use hdf5::dataset::{AllocTime, FillTime};
use hdf5::types::TypeDescriptor;
use hdf5::{Dataset, Extents, File, Group};

use super::numbers::{Destination, Layout, NumberTask};
use super::record::write_records;
use super::types::{Failed, descriptor, extents, write_attrs};
use crate::array::{SharedArray, SharedText};
use crate::materialize::MaterializeError;
use crate::tree::{ArrayNode, Attr, Attrs, Data, Group as TreeGroup, Node};

/// A text dataset and what goes into it.
pub struct TextTask {
    pub element: String,
    pub dataset: Dataset,
    pub source: SharedText,
}

/// What remains to be written once the file is laid out.
#[derive(Default)]
pub struct Tasks {
    pub numbers: Vec<NumberTask>,
    pub texts: Vec<TextTask>,
}

/// Groups that readers of AnnData expect, even empty.
const EXPECTED: [&str; 6] = ["layers", "obsm", "varm", "obsp", "varp", "uns"];

/// Makes all groups and datasets of `tree`. `layout` says how each numeric array, in the order of
/// [`numeric_arrays`], is stored.
pub fn lay_out(
    file: &File,
    tree: &TreeGroup,
    layouts: Vec<Layout>,
    failed: &Failed,
) -> Result<Tasks, MaterializeError> {
    let mut builder =
        Builder { tasks: Tasks::default(), layouts: layouts.into_iter(), failed, next_parent: 0 };
    builder.group(file, "", tree)?;
    if matches!(tree.attrs.get("encoding-type"), Some(Attr::Str(kind)) if kind == "anndata") {
        for name in EXPECTED.iter().filter(|&&name| !tree.children.contains_key(name)) {
            let mut attrs = Attrs::new();
            attrs.insert("encoding-type".into(), Attr::Str("dict".into()));
            attrs.insert("encoding-version".into(), Attr::Str("0.1.0".into()));
            let group = file
                .create_group(name)
                .and_then(|group| write_attrs(&group, &attrs).map(|()| group));
            group.map_err(|error| failed(&format!("/{name}"), error))?;
        }
    }
    Ok(builder.tasks)
}

/// Every numeric array of a tree with its path, in the order in which it is laid out.
pub fn numeric_arrays(tree: &TreeGroup) -> Vec<(String, SharedArray)> {
    fn walk(path: &str, group: &TreeGroup, out: &mut Vec<(String, SharedArray)>) {
        for (name, node) in &group.children {
            let path = format!("{path}/{name}");
            match node {
                Node::Group(group) => walk(&path, group, out),
                Node::Array(ArrayNode { data: Data::Fixed(array), .. }) => {
                    out.push((path, array.clone()));
                }
                Node::Array(_) => {}
            }
        }
    }
    let mut out = Vec::new();
    walk("", tree, &mut out);
    out
}

struct Builder<'a> {
    tasks: Tasks,
    layouts: std::vec::IntoIter<Layout>,
    failed: &'a Failed<'a>,
    next_parent: usize,
}

impl Builder<'_> {
    fn group(
        &mut self,
        group: &Group,
        path: &str,
        tree: &TreeGroup,
    ) -> Result<(), MaterializeError> {
        let parent = self.next_parent;
        self.next_parent += 1;
        let shown = if path.is_empty() { "/" } else { path };
        write_attrs(group, &tree.attrs).map_err(|error| (self.failed)(shown, error))?;
        for (name, node) in &tree.children {
            let path = format!("{path}/{name}");
            match node {
                Node::Group(tree) => {
                    let child =
                        group.create_group(name).map_err(|error| (self.failed)(&path, error))?;
                    self.group(&child, &path, tree)?;
                }
                Node::Array(array) => self.array(group, name, &path, array, parent)?,
            }
        }
        Ok(())
    }

    fn array(
        &mut self,
        group: &Group,
        name: &str,
        path: &str,
        array: &ArrayNode,
        parent: usize,
    ) -> Result<(), MaterializeError> {
        let failed = |error| (self.failed)(path, error);
        let dataset = match &array.data {
            Data::Fixed(source) => {
                // There is one layout an array, from the same walk.
                let layout = self.layouts.next().unwrap_or(Layout::Contiguous);
                let dataset = create_numbers(group, name, source, &layout).map_err(failed)?;
                let destination = match layout {
                    _ if source.shape().contains(&0) => None,
                    Layout::Contiguous => {
                        let offset = dataset.offset().ok_or_else(|| {
                            failed(hdf5::Error::from("the library gave the data no place"))
                        })?;
                        Some(Destination::At(offset))
                    }
                    Layout::Chunked(chunks) => {
                        Some(Destination::Chunks { dataset: dataset.clone(), chunks })
                    }
                };
                if let Some(destination) = destination {
                    self.tasks.numbers.push(NumberTask {
                        element: path.to_owned(),
                        source: source.clone(),
                        destination,
                        parent,
                    });
                }
                dataset
            }
            Data::Text(source) => {
                let dataset = group
                    .new_dataset_builder()
                    .empty_as(&TypeDescriptor::VarLenUnicode)
                    .shape(extents(source.shape()))
                    .create(name)
                    .map_err(failed)?;
                if source.num_elements() > 0 {
                    self.tasks.texts.push(TextTask {
                        element: path.to_owned(),
                        dataset: dataset.clone(),
                        source: source.clone(),
                    });
                }
                dataset
            }
            Data::Record(records) => {
                write_records(group, name, records).map_err(|error| error.at(path, self.failed))?
            }
            // h5py's `Empty("f")`, as anndata writes None.
            Data::Null => group
                .new_dataset_builder()
                .empty_as(descriptor(crate::base::DType::F32))
                .shape(Extents::Null)
                .create(name)
                .map_err(failed)?,
            Data::Unreadable(why) => {
                return Err(MaterializeError::Unreadable {
                    element: path.to_owned(),
                    why: why.clone(),
                });
            }
        };
        write_attrs(&dataset, &array.attrs).map_err(failed)
    }
}

fn create_numbers(
    group: &Group,
    name: &str,
    source: &SharedArray,
    layout: &Layout,
) -> hdf5::Result<Dataset> {
    let builder = group
        .new_dataset_builder()
        .empty_as(descriptor(source.dtype()))
        .shape(extents(source.shape()))
        .fill_time(FillTime::Never);
    match layout {
        _ if source.shape().contains(&0) => builder.create(name),
        // The library sets the bytes aside and never touches them; the workers write them.
        Layout::Contiguous => builder.alloc_time(Some(AllocTime::Early)).create(name),
        Layout::Chunked(chunks) => {
            let shape: Vec<usize> = chunks.shape.iter().map(|&extent| extent as usize).collect();
            let mut builder = builder.chunk(shape);
            if chunks.shuffled() {
                builder = builder.shuffle();
            }
            builder = match chunks.encoding {
                super::numbers::Encoding::Gzip { level } => builder.deflate(level),
                super::numbers::Encoding::Lzf => builder.lzf(),
            };
            builder.create(name)
        }
    }
}
