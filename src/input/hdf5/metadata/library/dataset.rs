//! What a dataset's header says, asked of the library.

use hdf5_sys::{h5d, h5p, h5s, h5z};

use super::layout;
use super::plain::{PlainDataset, PlainFilter, PlainHeader, PlainRecords};
use crate::array::TextBuf;
use crate::base::Dims;
use crate::input::hdf5::chunks::MOST_PARAMETERS;
use crate::input::hdf5::datatype::Datatype;
use crate::input::hdf5::elements::push_text;
use crate::input::hdf5::library::{Id, Values, check, extent, text_of, type_of, volume};
use crate::input::hdf5::metadata::assemble::Place;
use crate::input::hdf5::values::record;
use crate::tree::RecordArray;

/// What the header of a dataset says, in a file whose superblock lies at `base`; `None` of a null one.
///
/// # Errors
/// The reason why it cannot be read.
pub fn describe(dataset: &Id, base: u64, address: u64) -> Result<Option<PlainDataset>, String> {
    // SAFETY: plain library calls on a dataset.
    let (datatype_id, creation) = unsafe {
        (
            Id::new(h5d::H5Dget_type(dataset.raw()))?,
            Id::new(h5d::H5Dget_create_plist(dataset.raw()))?,
        )
    };
    // The library would open the files of such parts, to see how far they have grown.
    layout::refuse_endless(&creation)?;
    // SAFETY: as above.
    let space = Id::new(unsafe { h5d::H5Dget_space(dataset.raw()) })?;
    let Some(shape) = extent(&space)? else { return Ok(None) };
    let datatype = type_of(datatype_id.raw())?;
    let asked =
        LibraryHeader { dataset, creation, datatype: &datatype, datatype_id, shape: &shape, base };
    let header = asked.plain();
    Ok(Some(PlainDataset { address, shape: shape.to_vec(), datatype, header }))
}

/// A dataset that is open in the library.
struct LibraryHeader<'a> {
    dataset: &'a Id,
    creation: Id,
    datatype: &'a Datatype,
    datatype_id: Id,
    shape: &'a [u64],
    /// The file's base address.
    base: u64,
}

impl LibraryHeader<'_> {
    /// All that is asked of this datatype.
    fn plain(&self) -> PlainHeader {
        let not_asked = || "it was not asked for".to_owned();
        // The library reads records at once: not from other files.
        let records = match self.datatype {
            Datatype::Record { .. } => {
                self.require_here().and_then(|()| self.records()).map(PlainRecords::of)
            }
            _ => Err(not_asked()),
        };
        let is_stored_as_known = matches!(
            self.datatype,
            Datatype::Fixed { plain: true, .. } | Datatype::FixedText { .. } | Datatype::VlenText
        );
        if !is_stored_as_known {
            let place = self.require_here().map(|()| Place::Library);
            let (filters, fill_value) = (Err(not_asked()), Err(not_asked()));
            return PlainHeader { place, filters, fill_value, records };
        }
        PlainHeader {
            place: self.place(),
            filters: self.filters(),
            fill_value: self.fill_value(),
            records,
        }
    }

    fn place(&self) -> Result<Place, String> {
        let creation = self.creation.raw();
        // SAFETY: plain library calls with live arguments.
        let (layout, external) =
            unsafe { (h5p::H5Pget_layout(creation), h5p::H5Pget_external_count(creation)) };
        match layout {
            h5d::H5D_COMPACT => self.compact(),
            h5d::H5D_VIRTUAL => Ok(Place::Virtual(layout::mappings(&self.creation)?)),
            _ if external > 0 => Ok(Place::External(layout::slots(&self.creation, external)?)),
            h5d::H5D_CONTIGUOUS if external == 0 => {
                // SAFETY: as above.
                Ok(match unsafe { h5d::H5Dget_offset(self.dataset.raw()) } {
                    // (The library adds the base address even to the undefined one.)
                    offset if offset.wrapping_sub(self.base) == u64::MAX => Place::Nowhere,
                    offset => Place::Contiguous(offset),
                })
            }
            h5d::H5D_CHUNKED => {
                let mut chunk = Dims::from_elem(0, self.shape.len());
                let rank = self.shape.len() as i32;
                // SAFETY: the array has room for the rank given.
                check(unsafe { h5p::H5Pget_chunk(creation, rank, chunk.as_mut_ptr()) })?;
                Ok(Place::Chunked(chunk))
            }
            _ => Ok(Place::Library),
        }
    }

    /// What only the library can convert is read by it, and the library would open any other file.
    fn require_here(&self) -> Result<(), String> {
        let creation = self.creation.raw();
        // SAFETY: plain library calls with live arguments.
        let (layout, external) =
            unsafe { (h5p::H5Pget_layout(creation), h5p::H5Pget_external_count(creation)) };
        let file = match layout {
            h5d::H5D_VIRTUAL => {
                layout::mappings(&self.creation)?.into_iter().next().map(|first| first.file)
            }
            _ if external > 0 => {
                layout::slots(&self.creation, external)?.into_iter().next().map(|first| first.file)
            }
            _ => return Ok(()),
        };
        Err(format!(
            "its bytes lie in {}, and values of this type are not read from elsewhere\n  hint: copy \
             them into this file (for example with h5repack)",
            file.map_or_else(
                || "no file".into(),
                |file| String::from_utf8_lossy(&file).into_owned()
            )
        ))
    }

    fn filters(&self) -> Result<Vec<PlainFilter>, String> {
        let creation = self.creation.raw();
        // SAFETY: plain library call; the arrays below are as long as the library is told.
        let count = unsafe { h5p::H5Pget_nfilters(creation) };
        (0..u32::try_from(count).unwrap_or(0))
            .map(|index| {
                let (mut flags, mut config) = (0, 0);
                let mut parameters = vec![0_u32; MOST_PARAMETERS];
                let mut len = parameters.len();
                let number = unsafe {
                    h5p::H5Pget_filter2(
                        creation,
                        index,
                        &raw mut flags,
                        &raw mut len,
                        parameters.as_mut_ptr(),
                        0,
                        std::ptr::null_mut(),
                        &raw mut config,
                    )
                };
                check(number)?;
                parameters.truncate(len);
                // SAFETY: plain library call.
                let is_available = unsafe { h5z::H5Zfilter_avail(number) > 0 };
                Ok(PlainFilter { number, parameters, is_available })
            })
            .collect()
    }

    fn fill_value(&self) -> Result<Vec<u8>, String> {
        let mut status = h5d::H5D_FILL_VALUE_DEFAULT;
        // SAFETY: the buffer has room for one value of the type.
        unsafe {
            check(h5p::H5Pfill_value_defined(self.creation.raw(), &raw mut status))?;
            if status != h5d::H5D_FILL_VALUE_USER_DEFINED {
                return Ok(Vec::new());
            }
            let mut value = vec![0; self.datatype.memory_bytes()];
            if *self.datatype == Datatype::VlenText {
                // A pointer; that it is not empty is all that is asked.
                return Ok(value);
            }
            check(h5p::H5Pget_fill_value(
                self.creation.raw(),
                self.datatype_id.raw(),
                value.as_mut_ptr().cast(),
            ))?;
            Ok(value)
        }
    }

    fn records(&self) -> Result<RecordArray, String> {
        records(self.dataset, self.datatype, &self.datatype_id, self.shape.into())
    }

    fn compact(&self) -> Result<Place, String> {
        let each = self.datatype.memory_bytes();
        let count = volume(self.shape, each, COMPACT_BYTES)
            .ok_or_else(|| "a compact dataset is larger than one can be".to_owned())?;
        let mut bytes = vec![0; count * each];
        // SAFETY: the buffer has room for all elements.
        check(unsafe {
            h5d::H5Dread(
                self.dataset.raw(),
                self.datatype_id.raw(),
                h5s::H5S_ALL,
                h5s::H5S_ALL,
                h5p::H5P_DEFAULT,
                bytes.as_mut_ptr().cast(),
            )
        })?;
        Ok(Place::Compact(bytes))
    }
}

/// The format's limit is 64 KiB.
const COMPACT_BYTES: usize = 1 << 17;

/// Reads all records of a dataset, field by field.
///
/// # Errors
/// The reason why it cannot be read.
fn records(
    dataset: &Id,
    datatype: &Datatype,
    datatype_id: &Id,
    shape: Dims,
) -> Result<RecordArray, String> {
    let Datatype::Record { size_bytes, members } = datatype else {
        return Err("this is no compound".to_owned());
    };
    let count = volume(&shape, *size_bytes, record::LARGEST_BYTES).ok_or_else(|| {
        format!("records of more than {} bytes are not read", record::LARGEST_BYTES)
    })?;
    record::check_members(members)?;
    // SAFETY: plain library calls; the buffer has room for all values of the type.
    let space = Id::new(unsafe { h5d::H5Dget_space(dataset.raw()) })?;
    let values = Values::read(datatype, datatype_id.raw(), &space, count, |buffer| unsafe {
        h5d::H5Dread(
            dataset.raw(),
            datatype_id.raw(),
            h5s::H5S_ALL,
            h5s::H5S_ALL,
            h5p::H5P_DEFAULT,
            buffer,
        )
    })?;
    // SAFETY: the library wrote these values and has not taken them back.
    let mut text = |datatype: &Datatype, value: &[u8], out: &mut TextBuf| {
        push_text(out, unsafe { text_of(datatype, value) }.unwrap_or_default())
    };
    let each = Datatype::memory_bytes;
    let fields = members
        .iter()
        .map(|member| {
            record::field(member, values.bytes(), *size_bytes, each(&member.datatype), &mut text)
        })
        .collect::<Result<_, _>>()?;
    Ok(RecordArray { shape, fields })
}
