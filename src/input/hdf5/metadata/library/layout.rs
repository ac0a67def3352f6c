//! Where the elements of a dataset lie that are not where others are, asked of the library: in other
//! files (external storage), or in other datasets (virtual ones).

use std::ffi::c_char;

use hdf5_sys::h5i::hid_t;
use hdf5_sys::{h5d, h5p, h5s};

use crate::input::hdf5::library::{Id, check};
use crate::input::hdf5::metadata::elsewhere::{Mapping, Selection, Slot};

/// Names of files are no longer.
const LONGEST_NAME: usize = 4096;
/// No real dataset is made of more parts.
const MOST_MAPPINGS: usize = 1_000_000;
/// Of a selection without an end.
const UNLIMITED: u64 = u64::MAX;

/// The pieces of other files that hold a dataset's elements.
pub fn slots(creation: &Id, count: i32) -> Result<Vec<Slot>, String> {
    (0..u32::try_from(count).unwrap_or(0))
        .map(|index| {
            let mut name = vec![0_u8; LONGEST_NAME];
            let (mut offset, mut len_bytes) = (0, 0);
            // SAFETY: the buffer is as long as the library is told; the name may lack its NUL then.
            check(unsafe {
                h5p::H5Pget_external(
                    creation.raw(),
                    index,
                    name.len(),
                    name.as_mut_ptr().cast(),
                    &raw mut offset,
                    &raw mut len_bytes,
                )
            })?;
            let len = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            name.truncate(len);
            let offset =
                u64::try_from(offset).map_err(|_| "its bytes lie before another file's first")?;
            Ok(Slot { file: name, offset, len_bytes })
        })
        .collect()
}

/// The parts that a virtual dataset is made of.
pub fn mappings(creation: &Id) -> Result<Vec<Mapping>, String> {
    let creation = creation.raw();
    let mut count = 0;
    // SAFETY: plain library call with live arguments.
    check(unsafe { h5p::H5Pget_virtual_count(creation, &raw mut count) })?;
    if count > MOST_MAPPINGS {
        return Err(format!("it is made of {count} parts, more than {MOST_MAPPINGS}"));
    }
    (0..count)
        .map(|index| {
            // SAFETY: plain library calls with live arguments; the buffers are as long as they say.
            let (file, dataset, target, source) = unsafe {
                (
                    text(|buffer, len| h5p::H5Pget_virtual_filename(creation, index, buffer, len))?,
                    text(|buffer, len| h5p::H5Pget_virtual_dsetname(creation, index, buffer, len))?,
                    Id::new(h5p::H5Pget_virtual_vspace(creation, index))?,
                    Id::new(h5p::H5Pget_virtual_srcspace(creation, index))?,
                )
            };
            let dataset = String::from_utf8(dataset)
                .map_err(|_| "it is made of a dataset whose name is not UTF-8")?;
            let mut target = selection(&target)?;
            if target != Selection::Endless && (file.contains(&b'%') || dataset.contains('%')) {
                let why = "its parts are named by a pattern (%b), which is not read";
                target = Selection::Odd(why.to_owned());
            }
            Ok(Mapping { file, dataset, target, source: selection(&source)? })
        })
        .collect()
}

/// Refuses a virtual dataset of which a part has no end.
///
/// # Errors
/// It has one, which is named.
pub fn refuse_endless(creation: &Id) -> Result<(), String> {
    // SAFETY: plain library call with live arguments.
    if unsafe { h5p::H5Pget_layout(creation.raw()) } != h5d::H5D_VIRTUAL {
        return Ok(());
    }
    match mappings(creation)?.into_iter().find(|part| part.target == Selection::Endless) {
        None => Ok(()),
        Some(Mapping { file, .. }) => Err(format!(
            "it is made of parts of {}, and grows without end with them, which is not read",
            String::from_utf8_lossy(&file)
        )),
    }
}

/// A text of the library's, which is asked for its length first.
fn text(get: impl Fn(*mut c_char, usize) -> isize) -> Result<Vec<u8>, String> {
    let len = usize::try_from(get(std::ptr::null_mut(), 0))
        .map_err(|_| "a virtual dataset names no file")?;
    let mut name = vec![0_u8; len + 1];
    get(name.as_mut_ptr().cast(), name.len());
    name.truncate(len);
    Ok(name)
}

fn selection(space: &Id) -> Result<Selection, String> {
    let space: hid_t = space.raw();
    // SAFETY: plain library calls on a dataspace; the arrays have its rank.
    unsafe {
        match h5s::H5Sget_select_type(space) {
            h5s::H5S_SEL_NONE => return Ok(Selection::Nothing),
            h5s::H5S_SEL_ALL => return Ok(Selection::All),
            h5s::H5S_SEL_HYPERSLABS => {}
            _ => return Ok(Selection::Odd("single points of it are mapped".to_owned())),
        }
        if h5s::H5Sis_regular_hyperslab(space) <= 0 {
            return Ok(Selection::Odd("an irregular part of it is mapped".to_owned()));
        }
        let rank = usize::try_from(h5s::H5Sget_simple_extent_ndims(space))
            .map_err(|_| "a part of it has no extent")?;
        let mut parts: [Vec<u64>; 4] = std::array::from_fn(|_| vec![0; rank]);
        let [start, stride, length, block] = &mut parts;
        check(h5s::H5Sget_regular_hyperslab(
            space,
            start.as_mut_ptr(),
            stride.as_mut_ptr(),
            length.as_mut_ptr(),
            block.as_mut_ptr(),
        ))?;
        if length.contains(&UNLIMITED) || block.contains(&UNLIMITED) {
            return Ok(Selection::Endless);
        }
        Ok(Selection::Blocks((0..rank).map(|at| parts.each_ref().map(|part| part[at])).collect()))
    }
}
