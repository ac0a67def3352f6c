//! Attribute messages (format specification, IV.A.2.m) and their values.

use super::datatypes::{self, volume};
use crate::input::hdf5::cursor::Cursor;
use crate::input::hdf5::datatype::{Datatype, Padding};
use crate::input::hdf5::headers::{Known, Object, UNDEFINED, expect, kind};
use crate::input::hdf5::metadata::attrs::{numbers, texts};
use crate::input::hdf5::values::{HeapReader, RECORD_BYTES};
use crate::tree::{Attr, Attrs};

/// The attributes of an object, and those that refer to objects: name and address. The latter are
/// among the former with an empty path.
pub fn read_all(object: &Object, heap: &mut HeapReader<'_>) -> Known<(Attrs, Vec<(String, u64)>)> {
    if let Some(info) = object.only(kind::ATTRIBUTE_INFO)? {
        expect(!is_dense(info).unwrap_or(true), "attributes lie outside of a header")?;
    }
    let mut found = Vec::new();
    for (order, body) in object.all(kind::ATTRIBUTE) {
        found.push((order, parse(body)?));
    }
    if object.order_tracked {
        found.sort_by_key(|(order, _)| *order);
        let apart = found.windows(2).all(|pair| pair[0].0 != pair[1].0);
        expect(apart, "two attributes were created at once")?;
    } else {
        found.sort_by(|(_, a), (_, b)| a.name.cmp(b.name));
    }
    let mut attrs = Attrs::with_capacity(found.len());
    let mut references = Vec::new();
    for (_, attribute) in found {
        let name = String::from_utf8_lossy(attribute.name).into_owned();
        let value = value(&attribute, heap)?;
        if let Value::Reference(address) = value {
            references.push((name.clone(), address));
        }
        let value = match value {
            Value::Plain(value) => value,
            Value::Reference(_) => Attr::Reference(String::new()),
        };
        expect(attrs.insert(name, value).is_none(), "two attributes have one name")?;
    }
    Ok((attrs, references))
}

/// True when attributes lie in a fractal heap.
fn is_dense(info: &[u8]) -> Option<bool> {
    let mut cursor = Cursor(info);
    (cursor.uint::<1>()? == 0).then_some(())?;
    let flags = cursor.uint::<1>().filter(|flags| flags & !3 == 0)?;
    if flags & 1 != 0 {
        cursor.take(2)?;
    }
    Some(cursor.uint::<8>()? != UNDEFINED)
}

struct Attribute<'a> {
    name: &'a [u8],
    datatype: &'a [u8],
    extent: &'a [u8],
    data: &'a [u8],
}

fn parse(body: &[u8]) -> Known<Attribute<'_>> {
    let attribute = parts(&mut Cursor(body)).ok_or("an attribute is of an unknown kind")?;
    let name = attribute.name;
    expect(!name.is_empty() && !name.contains(&0), "an attribute has an odd name")?;
    Ok(attribute)
}

fn parts<'a>(cursor: &mut Cursor<'a>) -> Option<Attribute<'a>> {
    let version = cursor.uint::<1>().filter(|version| (1..=3).contains(version))?;
    // In later versions: what of it is shared.
    (cursor.uint::<1>()? == 0).then_some(())?;
    let sizes = [cursor.uint::<2>()?, cursor.uint::<2>()?, cursor.uint::<2>()?];
    if version == 3 {
        (cursor.uint::<1>()? <= 1).then_some(())?;
    }
    let mut part = |size: u64| {
        let part = cursor.take(size as usize)?;
        if version == 1 {
            cursor.take(size.next_multiple_of(8) as usize - size as usize)?;
        }
        Some(part)
    };
    let name = part(sizes[0])?.strip_suffix(&[0])?;
    let (datatype, extent) = (part(sizes[1])?, part(sizes[2])?);
    Some(Attribute { name, datatype, extent, data: cursor.0 })
}

enum Value {
    Plain(Attr),
    /// To what lies at this address.
    Reference(u64),
}

fn value(attribute: &Attribute<'_>, heap: &mut HeapReader<'_>) -> Known<Value> {
    let null = || Ok(Value::Plain(Attr::Json(serde_json::Value::Null)));
    let stored = datatypes::datatype(attribute.datatype)?;
    let Some(dims) = datatypes::extent(attribute.extent)? else { return null() };
    let (count, len_bytes) = volume(&dims, stored.size_bytes)?;
    let data = attribute.data.get(..len_bytes as usize).ok_or("an attribute is too short")?;
    if let Datatype::Unsupported(_) = stored.datatype {
        return null();
    }
    if count == 0 {
        return Ok(Value::Plain(Attr::StrList(Vec::new())));
    }
    let each = data.chunks_exact(stored.size_bytes);
    Ok(Value::Plain(match stored.datatype {
        Datatype::FixedText { padding, .. } => {
            let text = each.map(|field| String::from_utf8_lossy(padding.trim(field)).into_owned());
            texts(text.collect(), &dims)
        }
        Datatype::VlenText => {
            let mut all = Vec::with_capacity(count as usize);
            for record in data.as_chunks::<RECORD_BYTES>().0 {
                // What the library cannot read is null too.
                let Some(text) = heap.sound_value(record)? else { return null() };
                let text = Padding::NullTerminated.trim(text);
                all.push(String::from_utf8_lossy(text).into_owned());
            }
            texts(all, &dims)
        }
        Datatype::Fixed { dtype, swap_bytes, .. } => {
            numbers(data.to_vec(), dtype, swap_bytes, &dims)
        }
        Datatype::Reference => {
            let address = data.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
            expect(count == 1, "an attribute refers to many objects")?;
            return address.map(Value::Reference).ok_or_else(|| "a reference is short".into());
        }
        Datatype::Record { .. } | Datatype::Unsupported(_) => return null(),
    }))
}
