//! A file being laid out: groups, attributes, records, short text and the headers of all datasets.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;

use hdf5::dataset::{AllocTime, FillTime};
use hdf5::plist::file_access::FileAccessBuilder;
use hdf5::types::TypeDescriptor;
use hdf5::{Dataset, Extents, File, Group};

use super::error::LayoutError;
use super::heap::{Measured, PlacedText, SMALLEST_COLLECTION_BYTES};
use super::measure::{Bounds, measure};
use super::patch::Patch;
use super::placed::{Filter, Layout, PlacedNumbers, Storage};
use super::raw::{ChunkWriter, header_address};
use super::record::write_records;
use super::text::write_text;
use super::types::{descriptor, extents, write_attrs};

use crate::array::{SharedArray, SharedText, len_bytes};
use crate::tree::{ArrayNode, Attr, Attrs, Data, ElementError, Group as TreeGroup, Node};

/// Groups that readers of AnnData expect, even empty.
const EXPECTED: [&str; 6] = ["layers", "obsm", "varm", "obsp", "varp", "uns"];
/// Data of this size and more starts on a page.
const ALIGN_FROM_BYTES: u64 = 64 << 10;
const PAGE_BYTES: u64 = 4096;
/// Text of at most so many strings is left to the library, if all of it fits a collection that it
/// shares with other text.
const FEW_STRINGS: u64 = 1 << 10;

/// Numbers whose chunks are still to be written.
pub struct Chunked {
    /// The dataset.
    pub element: String,
    /// What goes there.
    pub source: SharedArray,
    /// Takes the chunks.
    pub writer: ChunkWriter,
    /// Numbers of the same group have the same number.
    pub parent: usize,
    /// Which of the [`numeric_arrays`] it is.
    pub index: usize,
}

/// Text that gets its room when the library is done.
struct LongText {
    element: String,
    text: Measured,
    header: u64,
}

/// A file that the library still has open.
pub struct Draft {
    file: File,
    beside: fs::File,
    numbers: Vec<PlacedNumbers>,
    chunked: Vec<Chunked>,
    texts: Vec<LongText>,
}

impl Draft {
    /// Lays `tree` out in the file at `path`, which is emptied if it is there. `storage` says how each numeric array, in the order of
    /// [`numeric_arrays`], is stored; those that it does not reach are contiguous. Of the arrays only
    /// text is read.
    ///
    /// # Errors
    /// Text cannot be read, HDF5 cannot hold the tree, or the file cannot be written.
    pub fn named(
        path: &Path,
        tree: &TreeGroup,
        storage: Vec<Storage>,
        bounds: &Bounds<'_>,
    ) -> Result<Self, LayoutError> {
        let mut options = fs::OpenOptions::new();
        let beside = options.read(true).write(true).create(true).truncate(true).open(path)?;
        let create = || create(path, FileAccessBuilder::sec2);
        Self::begin(beside, &create, tree, storage, bounds)
    }

    /// Lays `tree` out in a file in memory, which has no name and of which only what is written takes
    /// room. Nothing is compressed.
    ///
    /// # Errors
    /// As [`Self::named`].
    pub fn in_memory(tree: &TreeGroup, bounds: &Bounds<'_>) -> Result<Self, LayoutError> {
        // SAFETY: the name ends in NUL; the descriptor that is returned is owned by nobody else.
        let beside = unsafe {
            let descriptor = libc::memfd_create(c"anncat-h5ad".as_ptr(), libc::MFD_CLOEXEC);
            if descriptor < 0 {
                return Err(std::io::Error::last_os_error().into());
            }
            fs::File::from_raw_fd(descriptor)
        };
        let path = format!("/proc/self/fd/{}", beside.as_raw_fd());
        // The usual driver would look for the name behind this link, and there is none.
        let create = || create(path.as_ref(), FileAccessBuilder::stdio);
        Self::begin(beside, &create, tree, Vec::new(), bounds)
    }

    fn begin(
        beside: fs::File,
        create: &dyn Fn() -> hdf5::Result<File>,
        tree: &TreeGroup,
        storage: Vec<Storage>,
        bounds: &Bounds<'_>,
    ) -> Result<Self, LayoutError> {
        let mut texts = Vec::new();
        text_arrays("", tree, &mut texts);
        let measured = measure(&texts, bounds)?;
        let file = create().map_err(LayoutError::hdf5("/"))?;
        let mut builder = Builder {
            numbers: Vec::new(),
            chunked: Vec::new(),
            texts: Vec::new(),
            storage: storage.into_iter(),
            measured: measured.into_iter(),
            next_number: 0,
            next_parent: 0,
        };
        builder.group(&file, "", tree)?;
        builder.expected_groups(&file, tree)?;
        let Builder { numbers, chunked, texts, .. } = builder;
        Ok(Self { file, beside, numbers, chunked, texts })
    }

    /// The file, beside the library.
    #[must_use]
    pub fn file(&self) -> &fs::File {
        &self.beside
    }

    /// The datasets of chunks. What they are written through is dropped before [`Self::finish`].
    pub fn take_chunked(&mut self) -> Vec<Chunked> {
        std::mem::take(&mut self.chunked)
    }

    /// Bytes of all numbers before compression, and of long text.
    #[must_use]
    pub fn uncompressed_bytes(&self) -> u64 {
        let numbers = self.numbers.iter().map(PlacedNumbers::len_bytes);
        let chunked = self.chunked.iter().map(|chunked| len_bytes(&*chunked.source));
        let texts =
            self.texts.iter().map(|long| long.text.references_bytes() + long.text.heap_bytes());
        numbers.chain(chunked).chain(texts).fold(0, u64::saturating_add)
    }

    /// Ends the library's part, and gives text its room; the file is still to be filled.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> Result<(Layout, fs::File), LayoutError> {
        let Self { file, beside, numbers, chunked, texts } = self;
        drop(chunked);
        // Closing a file whose last pieces cannot be written does not always say so.
        file.flush().map_err(LayoutError::hdf5("/"))?;
        file.close().map_err(LayoutError::hdf5("/"))?;
        let patch = Patch(&beside);
        let refused = |element: &str, what| LayoutError::Hdf5 { element: element.to_owned(), what };
        let mut end = patch.end().map_err(|what| refused("/", what))?;
        let mut placed = Vec::with_capacity(texts.len());
        for LongText { element, text, header } in texts {
            let references_bytes = text.references_bytes();
            let references_at = aligned(end, references_bytes);
            let heap_at = aligned(references_at + references_bytes, text.heap_bytes());
            end = heap_at + text.heap_bytes();
            patch
                .set_place(header, references_bytes, references_at)
                .map_err(|what| refused(&element, what))?;
            placed.push(PlacedText { element, text, references_at, heap_at });
        }
        patch.set_end(end).map_err(|what| refused("/", what))?;
        Ok((Layout { len_bytes: end, numbers, texts: placed }, beside))
    }
}

/// Where data of this length may begin, from `end` on.
fn aligned(end: u64, len_bytes: u64) -> u64 {
    end.next_multiple_of(if len_bytes < ALIGN_FROM_BYTES { 8 } else { PAGE_BYTES })
}

/// A new file in the format of HDF5 1.8, which everything reads and which, unlike older ones, has
/// room for attributes over 64 KiB (the column order of very wide frames). Nothing in it tells when
/// it was made.
fn create(
    path: &Path,
    driver: fn(&mut FileAccessBuilder) -> &mut FileAccessBuilder,
) -> hdf5::Result<File> {
    let mut builder = File::with_options();
    builder
        .with_fapl(|access| {
            // Small data otherwise wait in a buffer until their dataset is closed, and that these
            // cannot be written is then told to nobody.
            let access = driver(access).sieve_buf_size(0);
            access.libver_v18().alignment(ALIGN_FROM_BYTES, PAGE_BYTES)
        })
        .with_fcpl(|create| create.obj_track_times(false))
        .create(path)
}

fn create_group(parent: &Group, name: &str) -> hdf5::Result<Group> {
    parent.create_group_builder().with_gcpl(|create| create.obj_track_times(false)).create(name)
}

/// Every numeric array of a tree with its path, in the order in which it is laid out.
#[must_use]
pub fn numeric_arrays(tree: &TreeGroup) -> Vec<(String, SharedArray)> {
    let mut out = Vec::new();
    each_array("", tree, &mut |path, data| {
        if let Data::Fixed(array) = data {
            out.push((path.to_owned(), array.clone()));
        }
    });
    out
}

/// Every text array of a tree with its path, in the order in which it is laid out.
fn text_arrays(path: &str, tree: &TreeGroup, out: &mut Vec<(String, SharedText)>) {
    each_array(path, tree, &mut |path, data| {
        if let Data::Text(text) = data {
            out.push((path.to_owned(), text.clone()));
        }
    });
}

fn each_array(path: &str, group: &TreeGroup, visit: &mut dyn FnMut(&str, &Data)) {
    for (name, node) in &group.children {
        let path = format!("{path}/{name}");
        match node {
            Node::Group(group) => each_array(&path, group, visit),
            Node::Array(array) => visit(&path, &array.data),
        }
    }
}

struct Builder {
    numbers: Vec<PlacedNumbers>,
    chunked: Vec<Chunked>,
    texts: Vec<LongText>,
    storage: std::vec::IntoIter<Storage>,
    measured: std::vec::IntoIter<Measured>,
    next_number: usize,
    next_parent: usize,
}

impl Builder {
    fn group(&mut self, group: &Group, path: &str, tree: &TreeGroup) -> Result<(), LayoutError> {
        let parent = self.next_parent;
        self.next_parent += 1;
        let shown = if path.is_empty() { "/" } else { path };
        write_attrs(group, &tree.attrs).map_err(LayoutError::hdf5(shown))?;
        for (name, node) in &tree.children {
            let path = format!("{path}/{name}");
            match node {
                Node::Group(tree) => {
                    let child = create_group(group, name).map_err(LayoutError::hdf5(&path))?;
                    self.group(&child, &path, tree)?;
                }
                Node::Array(array) => {
                    let dataset = self.array(group, name, &path, array, parent)?;
                    write_attrs(&dataset, &array.attrs).map_err(LayoutError::hdf5(&path))?;
                }
            }
        }
        Ok(())
    }

    /// The groups that an AnnData lacks.
    fn expected_groups(&self, file: &File, tree: &TreeGroup) -> Result<(), LayoutError> {
        if !matches!(tree.attrs.get("encoding-type"), Some(Attr::Str(kind)) if kind == "anndata") {
            return Ok(());
        }
        let mut attrs = Attrs::new();
        attrs.insert("encoding-type".into(), Attr::Str("dict".into()));
        attrs.insert("encoding-version".into(), Attr::Str("0.1.0".into()));
        for name in EXPECTED.iter().filter(|&&name| !tree.children.contains_key(name)) {
            create_group(file, name)
                .and_then(|group| write_attrs(&group, &attrs))
                .map_err(LayoutError::hdf5(&format!("/{name}")))?;
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
    ) -> Result<Dataset, LayoutError> {
        let failed = LayoutError::hdf5(path);
        match &array.data {
            Data::Fixed(source) => self.numbers(group, name, path, source, parent),
            Data::Text(source) => self.text(group, name, path, source),
            Data::Record(records) => {
                write_records(group, name, records).map_err(|error| error.at(path))
            }
            // h5py's `Empty("f")`, as anndata writes None.
            Data::Null => group
                .new_dataset_builder()
                .empty_as(descriptor(crate::base::DType::F32))
                .shape(Extents::Null)
                .create(name)
                .map_err(failed),
            Data::Unreadable(why) => {
                Err(ElementError::Unreadable { element: path.to_owned(), why: why.clone() }.into())
            }
        }
    }

    fn numbers(
        &mut self,
        group: &Group,
        name: &str,
        path: &str,
        source: &SharedArray,
        parent: usize,
    ) -> Result<Dataset, LayoutError> {
        let failed = LayoutError::hdf5(path);
        let index = self.next_number;
        self.next_number += 1;
        let storage = self.storage.next().unwrap_or(Storage::Contiguous);
        let dataset = create_numbers(group, name, source, &storage).map_err(&failed)?;
        if source.shape().contains(&0) {
            return Ok(dataset);
        }
        let (element, source) = (path.to_owned(), source.clone());
        match storage {
            Storage::Contiguous => {
                let offset = dataset.offset().ok_or_else(|| {
                    failed(hdf5::Error::from("the library gave the data no place"))
                })?;
                self.numbers.push(PlacedNumbers { element, source, offset, parent });
            }
            Storage::Chunked(_) => {
                let writer = ChunkWriter { element: element.clone(), dataset: dataset.clone() };
                self.chunked.push(Chunked { element, source, writer, parent, index });
            }
        }
        Ok(dataset)
    }

    fn text(
        &mut self,
        group: &Group,
        name: &str,
        path: &str,
        source: &SharedText,
    ) -> Result<Dataset, LayoutError> {
        let failed = LayoutError::hdf5(path);
        // Without data, the library gives it no room.
        let dataset = group
            .new_dataset_builder()
            .empty_as(&TypeDescriptor::VarLenUnicode)
            .shape(extents(source.shape()))
            .create(name)
            .map_err(&failed)?;
        // There is one measure a text, from the same walk.
        let Some(text) = self.measured.next() else { return Ok(dataset) };
        let num_strings = source.num_elements();
        if num_strings == 0 {
            return Ok(dataset);
        }
        if num_strings <= FEW_STRINGS && text.heap_bytes() <= SMALLEST_COLLECTION_BYTES {
            write_text(&dataset, source.as_ref()).map_err(|error| error.at(path))?;
        } else {
            let header = header_address(&dataset).map_err(&failed)?;
            self.texts.push(LongText { element: path.to_owned(), text, header });
        }
        Ok(dataset)
    }
}

fn create_numbers(
    group: &Group,
    name: &str,
    source: &SharedArray,
    storage: &Storage,
) -> hdf5::Result<Dataset> {
    let builder = group
        .new_dataset_builder()
        .empty_as(descriptor(source.dtype()))
        .shape(extents(source.shape()))
        .fill_time(FillTime::Never);
    match storage {
        _ if source.shape().contains(&0) => builder.create(name),
        // The library sets the bytes aside and never touches them.
        Storage::Contiguous => builder.alloc_time(Some(AllocTime::Early)).create(name),
        Storage::Chunked(grid) => {
            let shape: Vec<usize> = grid.shape.iter().map(|&extent| extent as usize).collect();
            let mut builder = builder.chunk(shape);
            if grid.shuffles {
                builder = builder.shuffle();
            }
            builder = match grid.filter {
                Filter::Gzip { level } => builder.deflate(level),
                Filter::Lzf => builder.lzf(),
            };
            builder.create(name)
        }
    }
}
