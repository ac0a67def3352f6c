//! Zarr directories, v2 and v3, sharded or not, consolidated or not.
//!
//! A store is walked once, eagerly: groups, attributes and array headers. Data is read when asked
//! for. Numbers, records and text of every kind that AnnData files hold are read here; chunks are
//! decoded by this module and, what it does not decode itself, by the zarrs crate.
//!
//! The rooms, each of which knows only those before it: `store` (files and metadata documents),
//! `encoding` (what an array's document says of its bytes), `values` (lazy arrays and text). This
//! module makes the tree of them.
//!
//! What holds: a read that succeeds returned what the store held when it was opened; anything that
//! changed since is [`crate::base::ReadError::Changed`] (see `store`), and bytes that contradict the
//! metadata are [`crate::base::ReadError::Corrupt`], never a panic.

mod encoding;
mod store;
#[cfg(test)]
mod tests;
mod values;

use std::path::Path;
use std::sync::Arc;

use self::encoding::{Element, Header};
use self::store::{Format, Kind, NodeDocument, Place, below};
use self::values::{Chunks, Numbers, PaddedText, VlenText};
use super::opened::{Note, OpenError, Source};
use crate::io::{Context, Directory, External, Outside};
use crate::tree::{ArrayNode, Data, Group, Node};

/// Opens a zarr directory.
///
/// Children stand in the order of the consolidated metadata, as zarr-python and so anndata see them.
/// Without consolidated metadata zarr-python has no order of its own; then it is the one that it
/// would consolidate in: by name, without regard to case.
///
/// # Errors
/// The directory is missing, cannot be read, is no zarr group, or its metadata is damaged. An array
/// that cannot be read is no error: it is [`Data::Unreadable`].
pub fn open(path: &Path, context: &Arc<Context>) -> Result<Source, OpenError> {
    let system = |error| OpenError::system(path, error);
    let directory = context.directory(path).map_err(system)?;
    let (format, root) = store::read(&*directory)?;
    let found = directory.identify().map_err(system)?;
    if found.is_from_future {
        log::warn!(
            "{}: some of its files are from the future; changes until then go unnoticed",
            path.display()
        );
    }
    let (outside, notes) = match context.limits().external {
        External::Refuse => (found.outside, Vec::new()),
        External::Follow => {
            let others = found.outside.into_iter().map(|outside| Note::OtherFile(outside.other));
            (Vec::new(), others.collect())
        }
    };
    let store = Store { directory, format, outside, context };
    let root = store.group(root, "");
    Ok(Source { path: path.to_owned(), root, identity: found.identity, notes })
}

/// What all nodes of one store share.
struct Store<'a> {
    directory: Arc<dyn Directory>,
    format: Format,
    /// Links that are not followed.
    outside: Vec<Outside>,
    context: &'a Arc<Context>,
}

impl Store<'_> {
    fn group(&self, document: NodeDocument, key: &str) -> Group {
        let children = document.children.into_iter().map(|(name, child)| {
            let key = below(key, &name);
            let node = match child.kind {
                Kind::Group => Node::Group(self.group(child, &key)),
                Kind::Array => Node::Array(self.array(child, key)),
            };
            (name, node)
        });
        Group { children: children.collect(), attrs: document.attrs }
    }

    fn array(&self, document: NodeDocument, key: String) -> ArrayNode {
        if let Some(outside) = self.outside.iter().find(|outside| is_at(&outside.key, &key)) {
            return ArrayNode {
                attrs: document.attrs,
                data: Data::Unreadable(outside.to_string()),
            };
        }
        let place = Place {
            directory: Arc::clone(&self.directory),
            element: format!("/{key}"),
            key,
            document: self.format.array_document(),
        };
        let data = self.data(&document, place).unwrap_or_else(Data::Unreadable);
        ArrayNode { attrs: document.attrs, data }
    }

    fn data(&self, document: &NodeDocument, place: Place) -> Result<Data, String> {
        let mut header = match self.format {
            Format::V2 => Header::from_v2(&document.fields)?,
            Format::V3 => Header::from_v3(&document.fields)?,
        };
        // zarr-python's nested stores did not always record how their chunks are called.
        if self.format == Format::V2
            && header.shape.len() > 1
            && !document.fields.contains_key("dimension_separator")
            && self.directory.list(&below(&place.key, "0")).is_ok()
        {
            header.keys.separator = '/';
        }
        let is_text = matches!(header.element, Element::VlenText);
        if is_text != header.codecs.is_text() {
            return Err("the data type and the codecs contradict each other".to_owned());
        }
        let element = header.element.clone();
        let chunks = Chunks::new(header, place, self.context);
        let unread = || "elements of this kind are not read".to_owned();
        Ok(match element {
            Element::Number { .. } => {
                Data::Fixed(Arc::new(Numbers::new(chunks).ok_or_else(unread)?))
            }
            Element::VlenText => Data::Text(Arc::new(VlenText::new(chunks))),
            Element::FixedText(_) => {
                Data::Text(Arc::new(PaddedText::new(chunks).ok_or_else(unread)?))
            }
            Element::Record { .. } => Data::Record(Arc::new(values::read_records(chunks)?)),
        })
    }
}

/// True when a link is above an array, or is one of its files.
fn is_at(link: &str, array: &str) -> bool {
    let within = |key: &str, above: &str| {
        key.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(link, array) || within(array, link)
}
