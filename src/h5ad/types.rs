//! HDF5 types of elements, and attributes typed as anndata types them.

use std::str::FromStr;

use hdf5::types::{CompoundField, CompoundType, FloatSize, IntSize, TypeDescriptor, VarLenUnicode};
use hdf5::{Extents, Location};

use crate::base::DType;
use crate::tree::{Attr, Attrs};

/// The file type of an element, as h5py writes numpy's: booleans are an enum of FALSE and TRUE,
/// complex numbers a compound of `r` and `i`.
pub(super) fn descriptor(dtype: DType) -> TypeDescriptor {
    use DType as D;
    use TypeDescriptor as T;
    match dtype {
        D::Bool => T::Boolean,
        D::I8 => T::Integer(IntSize::U1),
        D::I16 => T::Integer(IntSize::U2),
        D::I32 => T::Integer(IntSize::U4),
        D::I64 => T::Integer(IntSize::U8),
        D::U8 => T::Unsigned(IntSize::U1),
        D::U16 => T::Unsigned(IntSize::U2),
        D::U32 => T::Unsigned(IntSize::U4),
        D::U64 => T::Unsigned(IntSize::U8),
        D::F16 => T::Float(FloatSize::U2),
        D::F32 => T::Float(FloatSize::U4),
        D::F64 => T::Float(FloatSize::U8),
        D::C64 => complex(FloatSize::U4),
        D::C128 => complex(FloatSize::U8),
    }
}

fn complex(part: FloatSize) -> TypeDescriptor {
    let part_bytes = part as usize;
    let field = |name: &str, index: usize| CompoundField {
        name: name.to_owned(),
        ty: TypeDescriptor::Float(part),
        offset: index * part_bytes,
        index,
    };
    TypeDescriptor::Compound(CompoundType {
        fields: vec![field("r", 0), field("i", 1)],
        size: 2 * part_bytes,
    })
}

/// An extent as the library takes it: scalar for rank 0.
pub(super) fn extents(shape: &[u64]) -> Extents {
    if shape.is_empty() {
        return Extents::Scalar;
    }
    let dims: Vec<usize> = shape.iter().map(|&extent| extent as usize).collect();
    Extents::from(dims)
}

/// Writes attributes: text as variable-length UTF-8, integers as int64, booleans as enum.
pub(super) fn write_attrs(location: &Location, attrs: &Attrs) -> hdf5::Result<()> {
    for (name, value) in attrs {
        write_attr(location, name, value)?;
    }
    Ok(())
}

fn write_attr(location: &Location, name: &str, value: &Attr) -> hdf5::Result<()> {
    match value {
        // A reference is a path here; no encoding that is written has one.
        Attr::Str(text) | Attr::Reference(text) => {
            location.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text_of(text)?)
        }
        Attr::Bool(value) => location.new_attr::<bool>().create(name)?.write_scalar(value),
        Attr::Int(value) => location.new_attr::<i64>().create(name)?.write_scalar(value),
        Attr::Float(value) => location.new_attr::<f64>().create(name)?.write_scalar(value),
        // h5py stores an empty list as numpy makes it, float64; anndata's empty `column-order` is
        // such a one.
        Attr::StrList(list) if list.is_empty() => {
            location.new_attr::<f64>().shape(0).create(name).map(|_| ())
        }
        Attr::StrList(list) => {
            let list: Vec<VarLenUnicode> =
                list.iter().map(|text| text_of(text)).collect::<hdf5::Result<_>>()?;
            location.new_attr::<VarLenUnicode>().shape(list.len()).create(name)?.write_raw(&list)
        }
        Attr::IntList(list) => {
            location.new_attr::<i64>().shape(list.len()).create(name)?.write_raw(list)
        }
        Attr::Json(value) => {
            let text = text_of(&value.to_string())?;
            location.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text)
        }
    }
}

fn text_of(text: &str) -> hdf5::Result<VarLenUnicode> {
    VarLenUnicode::from_str(text)
        .map_err(|_| hdf5::Error::from("an attribute's text holds a NUL, which HDF5 cannot store"))
}
