//! Reads through the library: for what the fast path does not know, and to compare it with.

use std::sync::Arc;

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5d, h5p, h5s};

use super::door::{Id, check, locked, native_type, open_dataset, open_file};
use super::values::{Values, text_of};
use crate::array::TextBuf;
use crate::base::{Dims, ReadError, Region};
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::elements::push_text;
use crate::input::hdf5::file::HdfFile;

/// A dataset that is read through the library. The file is opened for each read: it is not held
/// open by the library, whose handles nothing bounds.
#[derive(Debug)]
pub struct Library {
    file: Arc<HdfFile>,
    path: String,
    pub shape: Dims,
    datatype: Datatype,
}

impl Library {
    pub fn new(file: &Arc<HdfFile>, path: &str, shape: &[u64], datatype: &Datatype) -> Self {
        Self {
            file: Arc::clone(file),
            path: path.to_owned(),
            shape: shape.into(),
            datatype: datatype.clone(),
        }
    }

    /// Fills `out` with a region of fixed-width elements: as stored when they are plain, converted
    /// to this machine's type when not.
    pub fn read(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        self.with_dataset(|dataset| {
            let (file_space, memory_space) = self.spaces(dataset, region)?;
            let stored = datatype_of(dataset)?;
            let memory_type = self.memory_type(&stored)?;
            if out.len() as u64 != region.num_elements() * self.datatype.memory_bytes() as u64 {
                return Err("the size of an element has changed".to_owned());
            }
            self.require_size(memory_type)?;
            // SAFETY: `out` has room for the selected elements, by the checks above.
            check(unsafe {
                h5d::H5Dread(
                    dataset.raw(),
                    memory_type,
                    memory_space.raw(),
                    file_space.raw(),
                    h5p::H5P_DEFAULT,
                    out.as_mut_ptr().cast(),
                )
            })
        })
    }

    /// Appends a region of strings.
    pub fn read_text(&self, region: &Region, out: &mut TextBuf) -> Result<(), ReadError> {
        self.with_dataset(|dataset| {
            let (file_space, memory_space) = self.spaces(dataset, region)?;
            let stored = datatype_of(dataset)?;
            self.require_size(stored.raw())?;
            let count = region.num_elements() as usize;
            // SAFETY: the buffer has room for `count` values of the type, by the check above.
            let values = Values::read(
                &self.datatype,
                stored.raw(),
                &memory_space,
                count,
                |buffer| unsafe {
                    h5d::H5Dread(
                        dataset.raw(),
                        stored.raw(),
                        memory_space.raw(),
                        file_space.raw(),
                        h5p::H5P_DEFAULT,
                        buffer,
                    )
                },
            )?;
            for value in values.bytes().chunks_exact(self.datatype.memory_bytes().max(1)) {
                // SAFETY: the library wrote these values, which live as long as `values`.
                let text = unsafe { text_of(&self.datatype, value) };
                push_text(out, text.unwrap_or_default())?;
            }
            Ok(())
        })
    }

    /// The file is opened anew for each read, and may be another one by now.
    fn require_size(&self, memory_type: hdf5_sys::h5i::hid_t) -> Result<(), String> {
        // SAFETY: the call only reads a type, and returns 0 for what is none.
        let size = unsafe { hdf5_sys::h5t::H5Tget_size(memory_type) };
        if size == self.datatype.memory_bytes() {
            Ok(())
        } else {
            Err("the size of an element has changed".to_owned())
        }
    }

    /// Runs `work` on the opened dataset, under the library's lock, and sees to it that it is that
    /// of the file which was opened at first.
    pub fn with_dataset<T>(
        &self,
        work: impl FnOnce(&Id) -> Result<T, String>,
    ) -> Result<T, ReadError> {
        let source = &self.file.source;
        source.verify()?;
        let outcome = locked(|| {
            let file = open_file(source.path())?;
            work(&open_dataset(&file, &self.path)?)
        });
        source.verify()?;
        outcome.map_err(|what| ReadError::corrupt(source.path(), &self.path, what))
    }

    fn memory_type(&self, stored: &Id) -> Result<hid_t, String> {
        match self.datatype {
            Datatype::Fixed { dtype, plain: false, .. } => {
                native_type(dtype).ok_or_else(|| "the number is of an odd size".to_owned())
            }
            _ => Ok(stored.raw()),
        }
    }

    /// The region in the file, and room for it in memory.
    fn spaces(&self, dataset: &Id, region: &Region) -> Result<(Id, Id), String> {
        // SAFETY: the arrays given have the rank of the dataset, which is compared first.
        unsafe {
            let file_space = Id::new(h5d::H5Dget_space(dataset.raw()))?;
            if region.rank() == 0 {
                return Ok((file_space, Id::new(h5s::H5Screate(h5s::H5S_SCALAR))?));
            }
            let rank = h5s::H5Sget_simple_extent_ndims(file_space.raw());
            if usize::try_from(rank) != Ok(region.rank()) {
                return Err("the rank has changed".to_owned());
            }
            check(h5s::H5Sselect_hyperslab(
                file_space.raw(),
                h5s::H5S_SELECT_SET,
                region.start().as_ptr(),
                std::ptr::null(),
                region.len().as_ptr(),
                std::ptr::null(),
            ))?;
            let memory_space =
                Id::new(h5s::H5Screate_simple(rank, region.len().as_ptr(), std::ptr::null()))?;
            Ok((file_space, memory_space))
        }
    }
}

fn datatype_of(dataset: &Id) -> Result<Id, String> {
    // SAFETY: plain library call on a dataset.
    Id::new(unsafe { h5d::H5Dget_type(dataset.raw()) })
}
