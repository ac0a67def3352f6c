//! Object headers (format specification, IV.A): the messages of an object.

use std::ops::Range;

use super::known::{Known, expect};
use super::pages::Pages;
use crate::base::lookup3;
use crate::input::hdf5::cursor::Cursor;

/// Kinds of messages.
pub mod kind {
    pub const NIL: u16 = 0x00;
    pub const DATASPACE: u16 = 0x01;
    pub const LINK_INFO: u16 = 0x02;
    pub const DATATYPE: u16 = 0x03;
    pub const FILL_VALUE_OLD: u16 = 0x04;
    pub const FILL_VALUE: u16 = 0x05;
    pub const LINK: u16 = 0x06;
    pub const LAYOUT: u16 = 0x08;
    pub const GROUP_INFO: u16 = 0x0a;
    pub const FILTERS: u16 = 0x0b;
    pub const ATTRIBUTE: u16 = 0x0c;
    pub const COMMENT: u16 = 0x0d;
    pub const TIME_OLD: u16 = 0x0e;
    pub const CONTINUATION: u16 = 0x10;
    pub const SYMBOL_TABLE: u16 = 0x11;
    pub const TIME: u16 = 0x12;
    pub const ATTRIBUTE_INFO: u16 = 0x15;
    pub const LINK_COUNT: u16 = 0x16;
}

/// Header flag of HDF5's format specification, IV.A.1.b: attribute creation order is tracked.
pub const ATTRIBUTE_ORDER_TRACKED: u32 = 0x04;

/// A header is read in pieces; more of them than this are not followed.
const MOST_PIECES: usize = 256;
/// A piece of a header larger than this is left to the library.
const LARGEST_PIECE: u64 = 4 << 20;
/// Flags that ask nothing of a reader: constant; not to be shared; to be marked when unknown.
const HARMLESS: u8 = 0x01 | 0x04 | 0x10;

/// The messages of one object.
#[derive(Debug, Default)]
pub struct Object {
    bytes: Vec<u8>,
    messages: Vec<Message>,
    /// Attributes are to be listed in the order of their creation.
    pub order_tracked: bool,
}

#[derive(Debug)]
struct Message {
    kind: u16,
    /// Order of creation; 0 when it is not tracked.
    order: u16,
    body: Range<usize>,
}

/// How messages stand in a header.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Version 1: type (2), size (2), flags (1), reserved (3).
    Old,
    /// Version 2: type (1), size (2), flags (1), and a creation order (2) if it is tracked.
    New { order_tracked: bool },
}

impl Object {
    /// Reads the header at an address.
    pub fn read(pages: &mut Pages<'_>, address: u64) -> Known<Self> {
        let available = pages.end().saturating_sub(address);
        let head = pages.get(address, available.min(32))?;
        let mut object = Self::default();
        if head.starts_with(b"OHDR") {
            object.read_new(pages, address)?;
        } else {
            object.read_old(pages, address)?;
        }
        Ok(object)
    }

    /// All messages of a kind, with their orders of creation.
    pub fn all(&self, kind: u16) -> impl Iterator<Item = (u16, &[u8])> {
        self.messages
            .iter()
            .filter(move |message| message.kind == kind)
            .map(|message| (message.order, self.bytes.get(message.body.clone()).unwrap_or(&[])))
    }

    /// True when there is a message of this kind.
    pub fn has(&self, kind: u16) -> bool {
        self.messages.iter().any(|message| message.kind == kind)
    }

    /// The message of a kind that stands at most once.
    pub fn only(&self, kind: u16) -> Known<Option<&[u8]>> {
        let mut all = self.all(kind);
        let first = all.next();
        expect(all.next().is_none(), "a message stands twice")?;
        Ok(first.map(|(_, body)| body))
    }

    fn read_old(&mut self, pages: &mut Pages<'_>, address: u64) -> Known<()> {
        const PREFIX_BYTES: u64 = 16;
        let prefix = pages.get(address, PREFIX_BYTES)?;
        let mut cursor = Cursor(&prefix);
        let (Some(version), Some(count), Some(_links), Some(len)) =
            (cursor.uint::<2>(), cursor.uint::<2>(), cursor.uint::<4>(), cursor.uint::<4>())
        else {
            return Err("a header is too short".into());
        };
        expect(version == 1, "a header is of an unknown version")?;
        let mut pieces = vec![(address.saturating_add(PREFIX_BYTES), len)];
        let mut next = 0;
        while let Some(&(address, len)) = pieces.get(next) {
            next += 1;
            let body = self.append(pages, address, len)?;
            self.scan(body, Form::Old, &mut pieces)?;
        }
        expect(self.messages.len() as u64 == count, "a header has more messages than it says")
    }

    fn read_new(&mut self, pages: &mut Pages<'_>, address: u64) -> Known<()> {
        let available = pages.end().saturating_sub(address);
        let head = pages.get(address, available.min(32))?;
        let (prefix_bytes, len, flags) = prefix_new(&head).ok_or("a header is of unknown kind")?;
        self.order_tracked = u32::from(flags) & ATTRIBUTE_ORDER_TRACKED != 0;
        let form = Form::New { order_tracked: self.order_tracked };
        expect(len <= LARGEST_PIECE, "a header is too large")?;
        let mut pieces = vec![(address, prefix_bytes + len + 4)];
        let mut next = 0;
        while let Some(&(address, len)) = pieces.get(next) {
            let skipped = if next == 0 { prefix_bytes } else { 4 };
            let piece = self.append(pages, address, len)?;
            let bytes = self.bytes.get(piece.clone()).unwrap_or(&[]);
            expect(next == 0 || bytes.starts_with(b"OCHK"), "a header goes on nowhere")?;
            let (body, sum) = bytes.split_last_chunk::<4>().ok_or("a header is too short")?;
            // A fuzzer cannot know sums.
            let is_whole = lookup3(body) == u32::from_le_bytes(*sum) || cfg!(fuzzing);
            expect(is_whole, "a header has another checksum")?;
            let body = piece.start.saturating_add(skipped as usize)..piece.end.saturating_sub(4);
            expect(body.start <= body.end, "a header is too short")?;
            next += 1;
            self.scan(body, form, &mut pieces)?;
        }
        Ok(())
    }

    /// Copies a piece from the file; where it lies in `bytes`.
    fn append(&mut self, pages: &mut Pages<'_>, address: u64, len: u64) -> Known<Range<usize>> {
        expect(len <= LARGEST_PIECE, "a header is too large")?;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&pages.get(address, len)?);
        Ok(start..self.bytes.len())
    }

    /// Notes the messages of a piece; continuations become further pieces.
    fn scan(&mut self, piece: Range<usize>, form: Form, pieces: &mut Vec<(u64, u64)>) -> Known<()> {
        let end = piece.end;
        let mut cursor = Cursor(self.bytes.get(piece).unwrap_or(&[]));
        loop {
            let head_bytes = match form {
                Form::Old => 8,
                Form::New { order_tracked: false } => 4,
                Form::New { order_tracked: true } => 6,
            };
            if cursor.0.len() < head_bytes {
                // Too little room for a message may be left, in the new form.
                let is_gap = matches!(form, Form::New { .. }) || cursor.0.is_empty();
                return expect(is_gap, "a header ends within a message");
            }
            let head = head(&mut cursor, form).ok_or("a message has no head")?;
            let (kind, flags, order, len) = head;
            let start = end - cursor.0.len();
            let body = cursor.take(len).ok_or("a message reaches past its header")?;
            expect(flags & !HARMLESS == 0, "a message is shared or has unknown flags")?;
            check_kind(kind, form)?;
            if kind == kind::CONTINUATION {
                let mut body = Cursor(body);
                let (Some(address), Some(len)) = (body.uint::<8>(), body.uint::<8>()) else {
                    return Err("a continuation is too short".into());
                };
                expect(pieces.len() < MOST_PIECES, "a header is in too many pieces")?;
                expect(len >= head_bytes as u64, "a header goes on nowhere")?;
                pieces.push((address, len));
            }
            self.messages.push(Message { kind, order, body: start..start + len });
        }
    }
}

/// Kind, flags, order of creation and length of the body.
fn head(cursor: &mut Cursor<'_>, form: Form) -> Option<(u16, u8, u16, usize)> {
    let (kind, len, flags, order) = match form {
        Form::Old => {
            let head = (cursor.uint::<2>()?, cursor.uint::<2>()?, cursor.uint::<1>()?, 0);
            cursor.take(3)?;
            // Bodies are padded.
            (head.1 % 8 == 0).then_some(())?;
            head
        }
        Form::New { order_tracked } => {
            let head = (cursor.uint::<1>()?, cursor.uint::<2>()?, cursor.uint::<1>()?);
            let order = if order_tracked { cursor.uint::<2>()? } else { 0 };
            (head.0, head.1, head.2, order)
        }
    };
    Some((kind as u16, flags as u8, order as u16, len as usize))
}

fn check_kind(kind: u16, form: Form) -> Known<()> {
    use kind::*;
    let is_new = matches!(form, Form::New { .. });
    let known = matches!(
        kind,
        NIL | DATASPACE
            | LINK_INFO
            | DATATYPE
            | FILL_VALUE_OLD
            | FILL_VALUE
            | LINK
            | LAYOUT
            | GROUP_INFO
            | FILTERS
            | ATTRIBUTE
            | COMMENT
            | TIME_OLD
            | CONTINUATION
            | SYMBOL_TABLE
            | TIME
            | ATTRIBUTE_INFO
    ) || is_new && kind == LINK_COUNT;
    expect(known, "a message is of an unknown kind")
}

/// Bytes before the messages, bytes of messages, and flags.
fn prefix_new(head: &[u8]) -> Option<(u64, u64, u8)> {
    let mut cursor = Cursor(head);
    cursor.take(4)?;
    (cursor.uint::<1>()? == 2).then_some(())?;
    let flags = cursor.uint::<1>()?;
    (flags & 0xc0 == 0).then_some(())?;
    if flags & 0x20 != 0 {
        cursor.take(16)?;
    }
    if flags & 0x10 != 0 {
        cursor.take(4)?;
    }
    let len = cursor.uint_of(1 << (flags & 3))?;
    Some(((head.len() - cursor.0.len()) as u64, len, flags as u8))
}
