//! Datatypes (format specification, IV.A.2.d), and extents (IV.A.2.b).

use crate::base::Dims;
use crate::input::hdf5::cursor::Cursor;
use crate::input::hdf5::datatype::{
    self, Datatype, Integer, Member, Order, Padding, bit_field, float, integer, unsupported,
};
use crate::input::hdf5::headers::{Known, UNDEFINED, expect};
use crate::input::hdf5::values::RECORD_BYTES;

/// A type as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The type. Offsets and sizes in compounds are those of the file: a variable-length value takes
    /// [`RECORD_BYTES`].
    pub datatype: Datatype,
    /// Bytes of one element in the file.
    pub size_bytes: usize,
}

/// Types within types deeper than this are left to the library.
const DEEPEST: usize = 8;
/// HDF5's own limit.
const LARGEST_RANK: u64 = 32;

/// Reads a datatype message.
pub fn datatype(body: &[u8]) -> Known<Stored> {
    nested(&mut Cursor(body), DEEPEST).ok_or_else(|| "a datatype is of an unknown kind".into())
}

/// Version, class, class bits and size of a type.
struct Head {
    version: u64,
    bits: u64,
    size: usize,
}

fn nested(cursor: &mut Cursor<'_>, deepest: usize) -> Option<Stored> {
    let class = cursor.uint::<1>()?;
    let head =
        Head { version: class >> 4, bits: cursor.uint::<3>()?, size: cursor.uint::<4>()? as usize };
    let (deepest, size) = (deepest.checked_sub(1)?, head.size);
    ((1..=5).contains(&head.version) && size != 0).then_some(())?;
    let datatype = match class & 0xf {
        0 => whole_number(cursor, &head)?,
        1 => real_number(cursor, &head)?,
        2 => {
            cursor.take(2)?;
            unsupported("time", size)
        }
        3 => string(&head)?,
        4 => {
            whole_number(cursor, &Head { bits: head.bits & 1, ..head })?;
            bit_field(size, order(head.bits))
        }
        5 => {
            let len = (head.bits & 0xff) as usize;
            (len.is_multiple_of(8)).then_some(())?;
            cursor.take(len)?;
            unsupported("opaque value", size)
        }
        6 => compound(cursor, &head, deepest)?,
        // An object's address.
        7 if head.bits == 0 && size == 8 && head.version < 4 => Datatype::Reference,
        8 => enumeration(cursor, &head, deepest)?,
        9 => variable(cursor, &head, deepest)?,
        10 => {
            let (dims, base) = array(cursor, &head, deepest)?;
            let count = dims.iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim))?;
            (count.checked_mul(base.size_bytes as u64)? == size as u64).then_some(())?;
            datatype::array()
        }
        _ => return None,
    };
    // What only the library can convert.
    let convertible = !matches!(datatype, Datatype::Fixed { plain: false, .. });
    convertible.then_some(Stored { datatype, size_bytes: size })
}

const fn order(bits: u64) -> Order {
    if bits & 1 == 0 { Order::Little } else { Order::Big }
}

fn whole_number(cursor: &mut Cursor<'_>, head: &Head) -> Option<Datatype> {
    // Byte order, two kinds of padding, sign.
    (head.bits & !0xf == 0).then_some(())?;
    let (offset, precision) = (cursor.uint::<2>()? as usize, cursor.uint::<2>()? as usize);
    (precision > 0 && offset + precision <= head.size.checked_mul(8)?).then_some(())?;
    let signed = head.bits & 8 != 0;
    Some(integer(&Integer { size: head.size, signed, precision, offset, order: order(head.bits) }))
}

fn real_number(cursor: &mut Cursor<'_>, head: &Head) -> Option<Datatype> {
    // Bit 6 is for VAXen; the mantissa's highest bit is implied.
    (head.bits & 0xff_00f0 == 0x20).then_some(())?;
    let (offset, precision) = (cursor.uint::<2>()? as usize, cursor.uint::<2>()? as usize);
    (offset == 0 && precision == head.size.checked_mul(8)?).then_some(())?;
    let sign = (head.bits >> 8 & 0xff) as usize;
    let mut at = [sign, 0, 0, 0, 0];
    for place in &mut at[1..] {
        *place = cursor.uint::<1>()? as usize;
    }
    let bias = cursor.uint::<4>()? as usize;
    Some(float(head.size, at, bias, order(head.bits)))
}

fn string(head: &Head) -> Option<Datatype> {
    let padding = match head.bits & 0xf {
        0 => Padding::NullTerminated,
        1 => Padding::Null,
        2 => Padding::Space,
        _ => return None,
    };
    let ascii = match head.bits >> 4 {
        0 => true,
        1 => false,
        _ => return None,
    };
    Some(Datatype::FixedText { len_bytes: head.size, padding, ascii })
}

/// A name, padded to a multiple of eight bytes in types of old versions.
fn name<'a>(cursor: &mut Cursor<'a>, head: &Head) -> Option<&'a [u8]> {
    let text = cursor.text()?;
    if head.version < 3 {
        let padded = (text.len() + 1).next_multiple_of(8);
        cursor.take(padded - text.len() - 1)?;
    }
    Some(text)
}

fn compound(cursor: &mut Cursor<'_>, head: &Head, deepest: usize) -> Option<Datatype> {
    (head.bits >> 16 == 0 && head.bits != 0).then_some(())?;
    // The fewest bytes that hold the compound's size.
    let offset_bytes = head.size.ilog2() as usize / 8 + 1;
    let mut members: Vec<Member> = Vec::new();
    let mut taken = Vec::new();
    for _ in 0..head.bits {
        let name = std::str::from_utf8(name(cursor, head)?).ok()?.to_owned();
        members.iter().all(|member| member.name != name).then_some(())?;
        let offset = match head.version {
            1 => {
                let offset = cursor.uint::<4>()?;
                // Rank and extent, which version 2 replaced by an array type.
                (cursor.uint::<1>()? == 0).then_some(())?;
                cursor.take(27)?;
                offset
            }
            2 => cursor.uint::<4>()?,
            _ => cursor.uint_of(offset_bytes)?,
        } as usize;
        let mut ahead = *cursor;
        let is_array = ahead.uint::<1>()? & 0xf == 10;
        let (inner_shape, member) = if is_array {
            let (dims, base, size_bytes) = array_member(cursor, deepest)?;
            taken.push(offset..offset.checked_add(size_bytes)?);
            (dims, base)
        } else {
            let member = nested(cursor, deepest)?;
            taken.push(offset..offset.checked_add(member.size_bytes)?);
            (Dims::new(), member)
        };
        members.push(Member { name, offset_bytes: offset, inner_shape, datatype: member.datatype });
    }
    taken.sort_by_key(|range| range.start);
    let apart = taken.windows(2).all(|pair| pair[0].end <= pair[1].start);
    let inside = taken.last().is_some_and(|last| last.end <= head.size);
    (apart && inside).then(|| datatype::record(head.size, members))
}

/// An array as a member of a compound: extent, elements, and bytes in all.
fn array_member(cursor: &mut Cursor<'_>, deepest: usize) -> Option<(Dims, Stored, usize)> {
    let class = cursor.uint::<1>()?;
    let head =
        Head { version: class >> 4, bits: cursor.uint::<3>()?, size: cursor.uint::<4>()? as usize };
    let (dims, base) = array(cursor, &head, deepest.checked_sub(1)?)?;
    let count = dims.iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim))?;
    (count.checked_mul(base.size_bytes as u64)? == head.size as u64).then_some(())?;
    Some((dims, base, head.size))
}

fn array(cursor: &mut Cursor<'_>, head: &Head, deepest: usize) -> Option<(Dims, Stored)> {
    (2..=5).contains(&head.version).then_some(())?;
    let rank = cursor.uint::<1>().filter(|rank| (1..=LARGEST_RANK).contains(rank))?;
    if head.version == 2 {
        cursor.take(3)?;
    }
    let mut dims = Dims::new();
    for _ in 0..rank {
        dims.push(cursor.uint::<4>().filter(|&dim| dim != 0)?);
    }
    if head.version == 2 {
        cursor.take(4 * rank as usize)?;
    }
    Some((dims, nested(cursor, deepest)?))
}

fn enumeration(cursor: &mut Cursor<'_>, head: &Head, deepest: usize) -> Option<Datatype> {
    (head.bits >> 16 == 0 && head.bits != 0).then_some(())?;
    let base = nested(cursor, deepest)?;
    let is_number = matches!(base.datatype, Datatype::Fixed { .. });
    (is_number && base.size_bytes == head.size).then_some(())?;
    let mut names = Vec::new();
    for _ in 0..head.bits {
        let name = name(cursor, head).filter(|name| !name.is_empty())?;
        names.push(name.to_vec());
    }
    let mut members = Vec::new();
    for name in names {
        members.push((name, *cursor.take(head.size)?.first()?));
    }
    Some(datatype::enumeration(base.datatype, &members))
}

fn variable(cursor: &mut Cursor<'_>, head: &Head, deepest: usize) -> Option<Datatype> {
    (head.size == RECORD_BYTES).then_some(())?;
    let base = nested(cursor, deepest)?;
    match head.bits & 0xf {
        0 => Some(datatype::sequence()),
        1 if head.bits >> 4 & 0xf <= 2 && head.bits >> 8 <= 1 && base.size_bytes == 1 => {
            Some(Datatype::VlenText)
        }
        _ => None,
    }
}

/// Reads a dataspace message: the extent, `None` for the null one.
pub fn extent(body: &[u8]) -> Known<Option<Dims>> {
    dims(&mut Cursor(body)).ok_or_else(|| "an extent is of an unknown kind".into())
}

fn dims(cursor: &mut Cursor<'_>) -> Option<Option<Dims>> {
    let (version, rank, flags) = (cursor.uint::<1>()?, cursor.uint::<1>()?, cursor.uint::<1>()?);
    (rank <= LARGEST_RANK && flags <= 1).then_some(())?;
    let class = cursor.uint::<1>()?;
    match (version, class) {
        (1, 0) => {
            cursor.take(4)?;
        }
        (2, 0) if rank == 0 && flags == 0 => {}
        (2, 1) if rank > 0 => {}
        (2, 2) if rank == 0 && flags == 0 => return Some(None),
        _ => return None,
    }
    let mut dims = Dims::new();
    for _ in 0..rank {
        dims.push(cursor.uint::<8>().filter(|&dim| dim != UNDEFINED)?);
    }
    if flags == 1 {
        for dim in &dims {
            (cursor.uint::<8>()? >= *dim).then_some(())?;
        }
    }
    Some(Some(dims))
}

/// Number of elements of an extent, and of bytes that they take in the file.
pub fn volume(dims: &[u64], size_bytes: usize) -> Known<(u64, u64)> {
    let count = dims.iter().try_fold(1_u64, |count, &dim| count.checked_mul(dim));
    let both = count.and_then(|count| Some((count, count.checked_mul(size_bytes as u64)?)));
    let both = both.ok_or("an extent is impossible")?;
    expect(both.1 <= i64::MAX as u64, "an extent is impossible")?;
    Ok(both)
}
