//! What lies in a group: names and the addresses of headers.
//!
//! Old groups (symbol table: a version 1 B-tree of nodes with names in a local heap; format
//! specification III.A, III.B, III.D) and small new ones (link messages, IV.A.2.g).

use super::superblock::Superblock;
use crate::input::hdf5::cursor::Cursor;
use crate::input::hdf5::headers::{Known, Object, Pages, UNDEFINED, expect, kind};

/// A name and the address of the header of what it names.
pub type Link = (Vec<u8>, u64);

/// Names of a group, all of hard links, in the order in which h5py lists them.
pub fn links(pages: &mut Pages<'_>, superblock: Superblock, object: &Object) -> Known<Vec<Link>> {
    let links = match (object.only(kind::SYMBOL_TABLE)?, object.only(kind::LINK_INFO)?) {
        (Some(table), None) => old(pages, superblock, table)?,
        (None, Some(info)) => new(object, info)?,
        _ => return Err("a group is of both kinds".into()),
    };
    for (name, address) in &links {
        let odd = name.is_empty() || name.contains(&0) || name.contains(&b'/') || name == b".";
        expect(!odd, "a link has an odd name")?;
        expect(*address != UNDEFINED, "a link leads nowhere")?;
    }
    Ok(links)
}

/// A group of link messages.
fn new(object: &Object, info: &[u8]) -> Known<Vec<Link>> {
    let (order_tracked, heap) = link_info(info).ok_or("a group is of an unknown kind")?;
    expect(heap == UNDEFINED, "the links of a group lie outside of its header")?;
    let mut links = Vec::new();
    for (_, body) in object.all(kind::LINK) {
        links.push(hard_link(body).ok_or("a link is not a hard one")?);
    }
    if order_tracked {
        expect(links.iter().all(|(order, _)| order.is_some()), "a link has no order")?;
        links.sort_by_key(|(order, _)| *order);
    } else {
        links.sort_by(|(_, (a, _)), (_, (b, _))| a.cmp(b));
    }
    let apart = if order_tracked {
        links.windows(2).all(|pair| pair[0].0 != pair[1].0)
    } else {
        links.windows(2).all(|pair| pair[0].1.0 != pair[1].1.0)
    };
    expect(apart, "a link stands twice")?;
    Ok(links.into_iter().map(|(_, link)| link).collect())
}

/// Whether the order of creation is tracked, and the address of the heap of links.
fn link_info(info: &[u8]) -> Option<(bool, u64)> {
    let mut cursor = Cursor(info);
    (cursor.uint::<1>()? == 0).then_some(())?;
    let flags = cursor.uint::<1>().filter(|flags| flags & !3 == 0)?;
    if flags & 1 != 0 {
        cursor.take(8)?;
    }
    Some((flags & 1 != 0, cursor.uint::<8>()?))
}

fn hard_link(body: &[u8]) -> Option<(Option<u64>, Link)> {
    let mut cursor = Cursor(body);
    (cursor.uint::<1>()? == 1).then_some(())?;
    let flags = cursor.uint::<1>().filter(|flags| flags & !0x1f == 0)?;
    if flags & 0x08 != 0 {
        // The kind: 0 for a hard one.
        (cursor.uint::<1>()? == 0).then_some(())?;
    }
    let order = if flags & 0x04 != 0 { Some(cursor.uint::<8>()?) } else { None };
    if flags & 0x10 != 0 {
        (cursor.uint::<1>()? <= 1).then_some(())?;
    }
    let len = cursor.uint_of(1 << (flags & 3))?;
    let name = cursor.take(usize::try_from(len).ok()?)?.to_vec();
    Some((order, (name, cursor.uint::<8>()?)))
}

/// A group with a symbol table.
fn old(pages: &mut Pages<'_>, superblock: Superblock, table: &[u8]) -> Known<Vec<Link>> {
    let mut cursor = Cursor(table);
    let (Some(tree), Some(heap)) = (cursor.uint::<8>(), cursor.uint::<8>()) else {
        return Err("a symbol table is too short".into());
    };
    let names = local_heap(pages, heap)?;
    let mut walk = Walk { pages, superblock, names: &names, links: Vec::new() };
    walk.node(tree, None)?;
    let links = walk.links;
    // The library looks names up by halving.
    let sorted = links.windows(2).all(|pair| pair[0].0 < pair[1].0);
    expect(sorted, "the names of a group are not in order")?;
    Ok(links)
}

/// The bytes of a local heap, where names lie.
fn local_heap(pages: &mut Pages<'_>, address: u64) -> Known<Vec<u8>> {
    const HEAD_BYTES: u64 = 32;
    const LAST_FREE: u64 = 1;
    let head = pages.get(address, HEAD_BYTES)?;
    let body = head.strip_prefix(b"HEAP\0\0\0\0").ok_or("a heap has no signature")?;
    let mut cursor = Cursor(body);
    let (Some(len), Some(mut free), Some(data)) =
        (cursor.uint::<8>(), cursor.uint::<8>(), cursor.uint::<8>())
    else {
        return Err("a heap is too short".into());
    };
    expect(data != UNDEFINED, "a heap has no data")?;
    let bytes = pages.get(data, len)?.into_owned();
    // The library follows the list of free places, and takes the heap for damaged if that is.
    let mut places = 0;
    while free != LAST_FREE {
        places += 1;
        expect(places <= len / 16 && free < len, "the free places of a heap are odd")?;
        let mut place = Cursor(bytes.get(free as usize..).unwrap_or(&[]));
        let (Some(next), Some(size)) = (place.uint::<8>(), place.uint::<8>()) else {
            return Err("a free place reaches past its heap".into());
        };
        let fits = free.checked_add(size).is_some_and(|end| end <= len);
        expect(next != 0 && fits, "the free places of a heap are odd")?;
        free = next;
    }
    Ok(bytes)
}

struct Walk<'a, 'b> {
    pages: &'a mut Pages<'b>,
    superblock: Superblock,
    names: &'a [u8],
    links: Vec<Link>,
}

impl Walk<'_, '_> {
    /// The text at an offset of the heap.
    fn name(&self, offset: u64) -> Known<Vec<u8>> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.names.get(offset..));
        let text = rest.and_then(|rest| Cursor(rest).text());
        text.map(<[u8]>::to_vec).ok_or_else(|| "a name lies outside of its heap".into())
    }

    /// A node has room for as many entries as any, and the library reads all of it.
    fn expect_room(&self, address: u64, len: u64) -> Known<()> {
        let end = address.checked_add(len);
        expect(end.is_some_and(|end| end <= self.pages.end()), "a node reaches past the end")
    }

    /// A node of the tree. Each child's names lie behind the key before it, up to the one after it.
    fn node(&mut self, address: u64, expected_level: Option<u64>) -> Known<()> {
        const HEAD_BYTES: u64 = 24;
        let most = self.superblock.most_children as u64;
        self.expect_room(address, HEAD_BYTES + 16 * most + 8)?;
        let head = self.pages.get(address, HEAD_BYTES)?;
        let body = head.strip_prefix(b"TREE\0").ok_or("a B-tree has no signature")?;
        let mut cursor = Cursor(body);
        let (Some(level), Some(count)) = (cursor.uint::<1>(), cursor.uint::<2>()) else {
            return Err("a B-tree is too short".into());
        };
        expect(expected_level.is_none_or(|it| it == level), "a B-tree is of odd depth")?;
        expect(count as usize <= self.superblock.most_children, "a B-tree has a large node")?;
        if count == 0 {
            return expect(expected_level.is_none() && level == 0, "a B-tree has an empty node");
        }
        let entries =
            self.pages.get(address.saturating_add(HEAD_BYTES), 16 * count + 8)?.into_owned();
        let mut cursor = Cursor(&entries);
        let mut key = cursor.uint::<8>().unwrap_or(UNDEFINED);
        for _ in 0..count {
            let (Some(child), Some(next)) = (cursor.uint::<8>(), cursor.uint::<8>()) else {
                return Err("a B-tree is too short".into());
            };
            let first = self.links.len();
            match level.checked_sub(1) {
                Some(below) => self.node(child, Some(below))?,
                None => self.leaf(child)?,
            }
            let (before, after) = (self.name(key)?, self.name(next)?);
            let inside = self.links.get(first..).is_some_and(|links| {
                links.first().is_some_and(|(name, _)| *name > before)
                    && links.last().is_some_and(|(name, _)| *name <= after)
            });
            expect(inside, "a B-tree has names in odd places")?;
            key = next;
        }
        Ok(())
    }

    /// A symbol table node.
    fn leaf(&mut self, address: u64) -> Known<()> {
        const HEAD_BYTES: u64 = 8;
        const ENTRY_BYTES: u64 = 40;
        let most = self.superblock.most_names as u64;
        self.expect_room(address, HEAD_BYTES + ENTRY_BYTES * most)?;
        let head = self.pages.get(address, HEAD_BYTES)?;
        let body = head.strip_prefix(b"SNOD\x01\0").ok_or("a node has no signature")?;
        let count = Cursor(body).uint::<2>().unwrap_or(0);
        expect(count as usize <= self.superblock.most_names, "a node has too many names")?;
        let entries =
            self.pages.get(address.saturating_add(HEAD_BYTES), ENTRY_BYTES * count)?.into_owned();
        for entry in entries.chunks_exact(ENTRY_BYTES as usize) {
            let mut cursor = Cursor(entry);
            let (Some(name), Some(header), Some(cached)) =
                (cursor.uint::<8>(), cursor.uint::<8>(), cursor.uint::<4>())
            else {
                return Err("a node is too short".into());
            };
            // 2 is a soft link.
            expect(cached <= 1, "a link is not a hard one")?;
            let name = self.name(name)?;
            self.links.push((name, header));
        }
        Ok(())
    }
}
