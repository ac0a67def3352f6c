//! The walk over a file's groups.

use std::ffi::{CString, c_uint};

use hdf5_sys::{h5, h5g, h5i, h5l, h5o, h5p};

use super::attributes;
use super::dataset;
use super::plain::{PlainGroup, PlainNode, plain_attrs};
use crate::input::hdf5::library::{
    Complaint, Elsewhere, Id, Pinned, check, locked, open_file, within_file, within_file_noting,
};
use crate::input::hdf5::metadata::elsewhere::Link;
use crate::input::hdf5::metadata::limits::{DEEPEST, Met};

/// All of a file whose superblock lies at `base`.
///
/// # Errors
/// The library cannot open the file, or its root group.
pub fn root(file: &Pinned, base: u64) -> Result<PlainGroup, Complaint> {
    locked(|| locked_root(file, base))
}

fn locked_root(file: &Pinned, base: u64) -> Result<PlainGroup, Complaint> {
    let handle = open_file(file)?;
    // SAFETY: plain library call with live arguments.
    let root = Id::new(unsafe { h5o::H5Oopen(handle.raw(), c"/".as_ptr(), within_file()?.raw()) })?;
    let info = ObjectInfo::of(&root)?;
    let elsewhere = Elsewhere::default();
    let mut walk = Walk {
        base,
        file_number: info.file_number,
        access: within_file_noting(&elsewhere)?,
        elsewhere: &elsewhere,
        ancestors: Vec::new(),
        met: Met::default(),
    };
    Ok(walk.group(&root, info.address)?)
}

struct Walk<'a> {
    base: u64,
    /// How objects are opened.
    access: Id,
    /// Where the last link leads that was not followed.
    elsewhere: &'a Elsewhere,
    file_number: u64,
    /// Addresses of the groups that enclose the present one.
    ancestors: Vec<u64>,
    met: Met,
}

/// What the library knows of an object without opening what is in it.
pub struct ObjectInfo {
    file_number: u64,
    /// Where its header lies, relative to the file's base address.
    pub address: u64,
}

impl ObjectInfo {
    pub fn of(object: &Id) -> Result<Self, String> {
        // SAFETY: the library fills `info`; a token is 16 plain bytes, and that of the native file
        // format is the address in its first eight, little-endian.
        unsafe {
            let mut info: h5o::H5O_info2_t = std::mem::zeroed();
            check(h5o::H5Oget_info3(object.raw(), &raw mut info, h5o::H5O_INFO_BASIC))?;
            let token: [u8; 16] = std::mem::transmute(info.token);
            let [address, _] = std::mem::transmute::<[u8; 16], [[u8; 8]; 2]>(token);
            Ok(Self { file_number: info.fileno as u64, address: u64::from_le_bytes(address) })
        }
    }
}

impl Walk<'_> {
    fn group(&mut self, group: &Id, address: u64) -> Result<PlainGroup, String> {
        let attrs = plain_attrs(attributes::read_all(group)?);
        let mut out = PlainGroup { attrs, children: Vec::new() };
        self.ancestors.push(address);
        for name in link_names(group)? {
            let text = String::from_utf8_lossy(&name).into_owned();
            let node = self.child(group, &name).unwrap_or_else(PlainNode::Unreadable);
            out.children.push((text, node));
        }
        self.ancestors.pop();
        Ok(out)
    }

    fn child(&mut self, group: &Id, name: &[u8]) -> Result<PlainNode, String> {
        if name.contains(&b'/') {
            // The library would take it for a way through other links.
            return Err("the name of a link has a slash".to_owned());
        }
        let name = CString::new(name).map_err(|_| "the name has a NUL byte")?;
        self.elsewhere.take();
        // SAFETY: plain library calls with live arguments.
        let object =
            Id::new(unsafe { h5o::H5Oopen(group.raw(), name.as_ptr(), self.access.raw()) });
        let object = match (object, self.elsewhere.take()) {
            (Ok(object), _) => object,
            (Err(_), Some((file, object))) => {
                let object = String::from_utf8(object)
                    .map_err(|_| "the link leads to an object whose name is not UTF-8")?;
                let is_passed = !is_external(group, &name)?;
                return Ok(PlainNode::Elsewhere(Link { file, object, is_passed }));
            }
            (Err(why), None) => return Err(format!("the link leads nowhere ({why})")),
        };
        let info = ObjectInfo::of(&object)?;
        if info.file_number != self.file_number {
            return Err("the link leads into another file".to_owned());
        }
        self.met.note(info.address)?;
        // SAFETY: as above.
        match unsafe { h5i::H5Iget_type(object.raw()) } {
            h5i::H5I_GROUP if self.ancestors.contains(&info.address) => {
                Err("the link leads back to a group that holds it".to_owned())
            }
            h5i::H5I_GROUP if self.ancestors.len() >= DEEPEST => {
                Err(format!("groups are nested more than {DEEPEST} deep"))
            }
            h5i::H5I_GROUP => Ok(PlainNode::Group(self.group(&object, info.address)?)),
            h5i::H5I_DATASET => {
                let attrs = plain_attrs(attributes::read_all(&object)?);
                let found = dataset::describe(&object, self.base, info.address);
                Ok(PlainNode::Dataset { attrs, found })
            }
            _ => Err("this is a named datatype, not an array".to_owned()),
        }
    }
}

/// Whether a link of a group names another file itself.
fn is_external(group: &Id, name: &CString) -> Result<bool, String> {
    // SAFETY: plain library calls with live arguments.
    unsafe {
        let mut info: h5l::H5L_info2_t = std::mem::zeroed();
        check(h5l::H5Lget_info2(group.raw(), name.as_ptr(), &raw mut info, h5p::H5P_DEFAULT))?;
        Ok(info.type_ == h5l::H5L_TYPE_EXTERNAL)
    }
}

/// h5py lists a group in the order of creation where it is tracked, else by name.
fn link_names(group: &Id) -> Result<Vec<Vec<u8>>, String> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    // SAFETY: the callback is only called while `found` lives.
    unsafe {
        let index = if creation_order_is_tracked(group)? {
            h5::H5_INDEX_CRT_ORDER
        } else {
            h5::H5_INDEX_NAME
        };
        check(h5l::H5Literate2(
            group.raw(),
            index,
            h5::H5_ITER_INC,
            std::ptr::null_mut(),
            Some(attributes::collect_name),
            (&raw mut found).cast(),
        ))?;
    }
    Ok(found)
}

fn creation_order_is_tracked(group: &Id) -> Result<bool, String> {
    // SAFETY: plain library calls with live arguments.
    unsafe {
        let mut info: h5g::H5G_info_t = std::mem::zeroed();
        check(h5g::H5Gget_info(group.raw(), &raw mut info))?;
        // Groups of the old format, nearly all of them, track nothing: spares the property list.
        if info.storage_type == h5g::H5G_STORAGE_TYPE_SYMBOL_TABLE {
            return Ok(false);
        }
        let creation = Id::new(h5g::H5Gget_create_plist(group.raw()))?;
        let mut flags: c_uint = 0;
        check(h5p::H5Pget_link_creation_order(creation.raw(), &raw mut flags))?;
        Ok(flags & h5p::H5P_CRT_ORDER_TRACKED != 0)
    }
}
