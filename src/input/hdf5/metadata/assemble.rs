//! Makes the lazy array of a dataset from what its header says, whoever read that: the library
//! ([`library`](super::library)) or we ([`native`](super::native)).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::elsewhere::{Mapping, Slot};
use crate::base::{Dims, plain_dims};
use crate::input::hdf5::chunks::{Chunked, Description, Pipeline};
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::library::Library;
use crate::input::hdf5::others::Sought;
use crate::input::hdf5::values::{
    External, FixedArray, FixedText, Layout, LibraryText, RECORD_BYTES, Segment, Storage, VlenText,
};
use crate::tree::{Data, RecordArray};

/// Where a dataset's elements lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Nowhere: no room was ever given to them.
    Nowhere,
    /// In the header; these are the bytes.
    Compact(Vec<u8>),
    /// One after another from this offset of the file.
    Contiguous(u64),
    /// In chunks of this extent.
    Chunked(#[serde(with = "plain_dims")] Dims),
    /// In pieces of other files, one after another.
    External(Vec<Slot>),
    /// In other datasets.
    Virtual(Vec<Mapping>),
    /// Only the library knows.
    Library,
}

/// What a dataset's header says. Asked for only where it matters.
pub trait Header {
    /// Where the elements lie.
    fn place(&self) -> Result<Place, String>;
    /// Number and parameters of each filter, in the order in which they were applied.
    fn filters(&self) -> Result<Vec<(i32, Vec<u32>)>, String>;
    /// True when the library can undo a filter that we cannot.
    fn is_filter_available(&self, number: i32) -> bool;
    /// The bytes of one element that was never written; none when they are zeros.
    fn fill_value(&self) -> Result<Vec<u8>, String>;
    /// All values of a compound.
    fn records(&self) -> Result<RecordArray, String>;
}

/// A dataset that is not null.
pub struct Dataset<'a> {
    pub file: &'a Arc<HdfFile>,
    /// Absolute path.
    pub path: &'a str,
    /// Address of the object header, relative to the file's base.
    pub address: u64,
    pub shape: Dims,
    pub datatype: &'a Datatype,
    pub header: &'a dyn Header,
}

impl Dataset<'_> {
    /// The array, without its data.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub fn data(&self) -> Result<Data, String> {
        match self.datatype {
            Datatype::Unsupported(reason) => Err(reason.clone()),
            Datatype::Reference => Err("arrays of references are not read".to_owned()),
            Datatype::Record { .. } => Ok(Data::Record(Arc::new(self.header.records()?))),
            Datatype::VlenText => match self.heap_references()? {
                Some(layout) => {
                    let storage = self.storage(RECORD_BYTES, layout)?;
                    Ok(Data::Text(Arc::new(VlenText::new(storage))))
                }
                None => Ok(Data::Text(Arc::new(LibraryText::new(self.library())))),
            },
            Datatype::FixedText { len_bytes, padding, ascii } => {
                let storage = self.storage(*len_bytes, self.layout(*len_bytes)?)?;
                Ok(Data::Text(Arc::new(FixedText::new(storage, *padding, *ascii))))
            }
            Datatype::Fixed { dtype, swap_bytes, plain } => {
                let layout = if *plain {
                    self.layout(dtype.size_bytes())?
                } else {
                    self.header.place()?;
                    Layout::Library(self.library())
                };
                let storage = self.storage(dtype.size_bytes(), layout)?;
                Ok(Data::Fixed(Arc::new(FixedArray::new(storage, *dtype, *swap_bytes))))
            }
        }
    }

    fn library(&self) -> Library {
        Library::new(self.file, self.path, &self.shape, self.datatype)
    }

    /// The elements as stored, of so many bytes each.
    pub fn storage(&self, element_bytes: usize, layout: Layout) -> Result<Storage, String> {
        Storage::new(self.file, self.path, self.shape.clone(), element_bytes, layout)
    }

    /// Where the references to the global heap lie; `None` when only the library can follow them.
    fn heap_references(&self) -> Result<Option<Layout>, String> {
        let known = match self.layout(RECORD_BYTES)? {
            Layout::Fill(value) if value.is_empty() => Some(Layout::Fill(value)),
            Layout::Contiguous(offset) => Some(Layout::Contiguous(offset)),
            Layout::Chunked(chunked) if !chunked.needs_library() => Some(Layout::Chunked(chunked)),
            Layout::External(_) => {
                return Err("strings of any length are not read from another file".to_owned());
            }
            _ => None,
        };
        Ok(known.filter(|_| self.file.wide))
    }

    /// Where the elements lie, each of which takes so many bytes.
    pub fn layout(&self, element_bytes: usize) -> Result<Layout, String> {
        Ok(match self.header.place()? {
            Place::Nowhere => Layout::Fill(self.header.fill_value()?),
            Place::Compact(bytes) => Layout::Compact(bytes),
            Place::Contiguous(offset) => Layout::Contiguous(offset),
            Place::Chunked(chunk) => Layout::Chunked(self.chunked(chunk, element_bytes)?),
            Place::External(slots) => Layout::External(self.external(&slots)?),
            // Whoever walks makes it of the others.
            Place::Virtual(_) => return Err("it is made of other datasets".to_owned()),
            Place::Library => Layout::Library(self.library()),
        })
    }

    fn external(&self, slots: &[Slot]) -> Result<External, String> {
        let open = |slot: &Slot| {
            let primary = self.file.source.path();
            let others = &self.file.others;
            let source = others.open(primary, &slot.file, Sought::Here, "its bytes lie in")?;
            Ok(Segment { source, offset: slot.offset, len_bytes: slot.len_bytes })
        };
        Ok(External::new(slots.iter().map(open).collect::<Result<_, String>>()?))
    }

    fn chunked(&self, chunk: Dims, element_bytes: usize) -> Result<Arc<Chunked>, String> {
        let filters = self.header.filters()?;
        let pipeline = Pipeline::new(&filters);
        if pipeline.is_none() {
            self.expect_available(&filters)?;
        }
        Ok(Arc::new(Chunked::new(Description {
            file: Arc::clone(self.file),
            header: self.address,
            shape: self.shape.clone(),
            chunk,
            element_bytes,
            pipeline,
            fill: self.header.fill_value()?,
            library: self.library(),
        })?))
    }

    /// An error for a filter that the library does not have either.
    fn expect_available(&self, filters: &[(i32, Vec<u32>)]) -> Result<(), String> {
        for (number, _) in filters {
            let ours = Pipeline::new(&[(*number, Vec::new())]).is_some();
            if !ours && !self.header.is_filter_available(*number) {
                return Err(format!(
                    "it is compressed by the HDF5 filter {number}, which is not supported\n  hint: \
                     write it again with gzip or lzf (for example with h5repack)"
                ));
            }
        }
        Ok(())
    }
}
