//! Datasets: layout, fill value and filters (format specification, IV.A.2.f, i, l), and records.

use std::sync::Arc;

use super::datatypes::{self, Stored, volume};
use crate::array::TextBuf;
use crate::base::Region;
use crate::input::hdf5::chunks::{MOST_PARAMETERS, Pipeline};
use crate::input::hdf5::cursor::Cursor;
use crate::input::hdf5::datatype::{Datatype, Padding};
use crate::input::hdf5::elements::push_text;
use crate::input::hdf5::file::HdfFile;
use crate::input::hdf5::headers::{
    Known, Layout, Object, Pages, UNDEFINED, Unknown, expect, kind, layout,
};
use crate::input::hdf5::metadata::assemble::{Dataset, Header, Place};
use crate::input::hdf5::values::{HeapReader, RECORD_BYTES, record};
use crate::tree::{Data, RecordArray};

/// The array of a dataset, without its data.
pub fn describe(
    file: &Arc<HdfFile>,
    pages: &Pages<'_>,
    heap: &mut HeapReader<'_>,
    object: &Object,
    path: &str,
    address: u64,
) -> Known<Data> {
    let part = |kind| object.only(kind)?.ok_or_else(|| Unknown::from("a dataset lacks a message"));
    let stored = datatypes::datatype(part(kind::DATATYPE)?)?;
    let Some(shape) = datatypes::extent(part(kind::DATASPACE)?)? else { return Ok(Data::Null) };
    let fill = match object.only(kind::FILL_VALUE)? {
        Some(body) => fill_value(body).ok_or("a fill value is of an unknown kind")?,
        None if object.has(kind::FILL_VALUE_OLD) => return Err("the fill value is old".into()),
        None => Vec::new(),
    };
    expect([0, stored.size_bytes].contains(&fill.len()), "a fill value is of another size")?;
    let filters = match object.only(kind::FILTERS)? {
        Some(body) => filters(body).ok_or("filters are of an unknown kind")?,
        None => Vec::new(),
    };
    expect(Pipeline::new(&filters).is_some(), "a filter is not one of ours")?;
    let layout = layout(part(kind::LAYOUT)?).ok_or("a layout is of an unknown kind")?;
    let place = place(pages, layout, &shape, &stored)?;
    let datatype = &stored.datatype;
    // Of variable-length values all that is asked is whether there is a fill value.
    let fill = if *datatype == Datatype::VlenText && !fill.is_empty() { vec![0; 8] } else { fill };
    let header = &OwnHeader { place, filters, fill };
    let dataset = Dataset { file, path, address, shape, datatype, header };
    match datatype {
        Datatype::Record { .. } => records(&dataset, header, heap),
        // These are described, not read.
        Datatype::Unsupported(_) | Datatype::Reference => {
            Ok(dataset.data().unwrap_or_else(Data::Unreadable))
        }
        _ => dataset.data().map_err(Unknown::Odd),
    }
}

/// What the messages said.
struct OwnHeader {
    place: Place,
    filters: Vec<(i32, Vec<u32>)>,
    fill: Vec<u8>,
}

impl Header for OwnHeader {
    fn place(&self) -> Result<Place, String> {
        Ok(self.place.clone())
    }

    fn filters(&self) -> Result<Vec<(i32, Vec<u32>)>, String> {
        Ok(self.filters.clone())
    }

    fn is_filter_available(&self, _number: i32) -> bool {
        // Files with others than ours are left to the library.
        false
    }

    fn fill_value(&self) -> Result<Vec<u8>, String> {
        Ok(self.fill.clone())
    }

    fn records(&self) -> Result<RecordArray, String> {
        Err("records are read apart".to_owned())
    }
}

/// Where the elements lie, when the layout can hold the extent.
fn place(pages: &Pages<'_>, layout: Layout, shape: &[u64], stored: &Stored) -> Known<Place> {
    let (_, wanted) = volume(shape, stored.size_bytes)?;
    match layout {
        Layout::Compact(bytes) => {
            expect(bytes.len() as u64 == wanted, "a compact dataset is of another size")?;
            Ok(Place::Compact(bytes))
        }
        Layout::Contiguous { address: UNDEFINED, .. } => Ok(Place::Nowhere),
        Layout::Contiguous { address, len_bytes } => {
            let inside = address.checked_add(len_bytes).is_some_and(|end| end <= pages.end());
            expect(len_bytes == wanted && inside, "a dataset does not fit")?;
            Ok(Place::Contiguous(pages.file.base + address))
        }
        Layout::Chunked { mut chunk, .. } => {
            let element = chunk.pop().unwrap_or(0);
            expect(element == stored.size_bytes as u64, "chunks have other elements")?;
            expect(chunk.len() == shape.len(), "chunks are of another rank")?;
            let (_, len_bytes) = volume(&chunk, stored.size_bytes)?;
            expect(len_bytes <= u64::from(u32::MAX), "chunks are too large")?;
            Ok(Place::Chunked(chunk))
        }
    }
}

/// The value of elements that were never written; empty when none is given.
fn fill_value(body: &[u8]) -> Option<Vec<u8>> {
    let mut cursor = Cursor(body);
    let version = cursor.uint::<1>()?;
    let is_given = match version {
        1 | 2 => {
            let times = (cursor.uint::<1>()?, cursor.uint::<1>()?);
            ((1..=3).contains(&times.0) && times.1 <= 2).then_some(())?;
            cursor.uint::<1>().filter(|&defined| defined <= 1)? == 1
        }
        3 => {
            let flags = cursor.uint::<1>()?;
            // Not both defined and undefined; when it is written is one of three.
            (flags & 0xc0 == 0 && flags & 0x30 != 0x30 && flags >> 2 & 3 <= 2).then_some(())?;
            (flags & 3 != 0).then_some(())?;
            flags & 0x20 != 0
        }
        _ => return None,
    };
    let len = if is_given { cursor.uint::<4>()? } else { 0 };
    Some(cursor.take(len as usize)?.to_vec())
}

/// Number and parameters of each filter.
fn filters(body: &[u8]) -> Option<Vec<(i32, Vec<u32>)>> {
    const NAMED: u64 = 256;
    let mut cursor = Cursor(body);
    let version = cursor.uint::<1>().filter(|version| (1..=2).contains(version))?;
    let count = cursor.uint::<1>().filter(|count| (1..=32).contains(count))?;
    if version == 1 {
        cursor.take(6)?;
    }
    let mut filters = Vec::new();
    for _ in 0..count {
        let number = cursor.uint::<2>()?;
        let name_len = if version == 1 || number >= NAMED { cursor.uint::<2>()? } else { 0 };
        (version == 2 || name_len % 8 == 0).then_some(())?;
        let _flags = cursor.uint::<2>()?;
        let len = cursor.uint::<2>()?;
        cursor.take(name_len as usize)?;
        let mut parameters = Vec::new();
        for _ in 0..len {
            parameters.push(cursor.uint::<4>()? as u32);
        }
        if version == 1 && len % 2 != 0 {
            cursor.take(4)?;
        }
        parameters.truncate(MOST_PARAMETERS);
        filters.push((number as i32, parameters));
    }
    Some(filters)
}

/// All records of a compound.
fn records(dataset: &Dataset<'_>, header: &OwnHeader, heap: &mut HeapReader<'_>) -> Known<Data> {
    let Datatype::Record { size_bytes, members } = dataset.datatype else {
        return Err("this is no compound".into());
    };
    expect(header.fill.is_empty(), "records have a fill value")?;
    let (_, len_bytes) = volume(&dataset.shape, *size_bytes)?;
    expect(len_bytes <= record::LARGEST_BYTES as u64, "there are too many records")?;
    record::check_members(members).map_err(Unknown::Odd)?;
    let layout = dataset.layout(*size_bytes).map_err(Unknown::Odd)?;
    let storage = dataset.storage(*size_bytes, layout).map_err(Unknown::Odd)?;
    let mut bytes = vec![0; len_bytes as usize];
    storage.read(&Region::whole(&dataset.shape), &mut bytes)?;
    let mut is_endless = false;
    let unread = std::cell::RefCell::new(None);
    let mut push = |datatype: &Datatype, value: &[u8], out: &mut TextBuf| match datatype {
        Datatype::FixedText { padding, .. } => push_text(out, padding.trim(value)),
        _ => {
            let record = value.first_chunk::<RECORD_BYTES>().ok_or("a reference is short")?;
            let text = heap.sound_value(record).map_err(|error| {
                let why = error.to_string();
                unread.replace(Some(error));
                why
            })?;
            let Some(text) = text else {
                is_endless = true;
                return Ok(());
            };
            push_text(out, Padding::NullTerminated.trim(text))
        }
    };
    let mut fields = Vec::with_capacity(members.len());
    for member in members {
        let each = match &member.datatype {
            Datatype::VlenText => RECORD_BYTES,
            datatype => datatype.memory_bytes(),
        };
        let field = record::field(member, &bytes, *size_bytes, each, &mut push)
            .map_err(|why| unread.take().map_or(Unknown::Odd(why), Unknown::from))?;
        fields.push(field);
    }
    if is_endless {
        return Ok(Data::Unreadable("a collection of strings contradicts itself".to_owned()));
    }
    Ok(Data::Record(Arc::new(RecordArray { shape: dataset.shape.clone(), fields })))
}
