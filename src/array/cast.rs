//! An array in another element type, as numpy's `astype`.

use std::ops::Range;
use std::sync::Arc;

use half::f16;

use super::batches::read_converted;
use super::{ArraySource, SharedArray};
use crate::base::dtype::with_integer;
use crate::base::{DType, ReadError, Region};

/// `source.astype(dtype)`.
#[derive(Debug)]
pub struct Cast {
    source: SharedArray,
    dtype: DType,
}

impl Cast {
    /// `source` as `dtype`; the source itself when nothing changes.
    #[must_use]
    pub fn shared(source: SharedArray, dtype: DType) -> SharedArray {
        if source.dtype() == dtype { source } else { Arc::new(Self { source, dtype }) }
    }
}

impl ArraySource for Cast {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[u64] {
        self.source.shape()
    }

    fn read_into(&self, region: &Region, out: &mut [u8]) -> Result<(), ReadError> {
        read_converted(&*self.source, region, self.dtype.size_bytes(), out, |from, to| {
            cast_bytes(self.source.dtype(), from, self.dtype, to);
            Ok(())
        })
    }

    fn grain(&self) -> Option<&[u64]> {
        self.source.grain()
    }

    fn decoded_with(&self, element: u64) -> Option<Range<u64>> {
        self.source.decoded_with(element)
    }
}

/// An element as Rust has it, between little-endian bytes and conversions.
trait Element: Copy {
    fn load(bytes: &[u8]) -> Self;
    fn store(self, bytes: &mut [u8]);
}

/// Conversion with the meaning of numpy's `astype`.
trait To<T> {
    fn to(self) -> T;
}

macro_rules! elements {
    ($($t:ty)*) => {$(
        impl Element for $t {
            #[inline]
            fn load(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$t>()];
                raw.copy_from_slice(bytes);
                Self::from_le_bytes(raw)
            }
            #[inline]
            fn store(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

elements!(i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64);

/// A boolean byte; any non-zero byte is true.
#[derive(Clone, Copy)]
struct Truth(bool);

impl Element for Truth {
    fn load(bytes: &[u8]) -> Self {
        Self(bytes[0] != 0)
    }
    fn store(self, bytes: &mut [u8]) {
        bytes[0] = u8::from(self.0);
    }
}

macro_rules! number_casts {
    ($from:ty => $($to:ty)*) => {$(
        impl To<$to> for $from {
            #[inline]
            fn to(self) -> $to { self as $to }
        }
    )*};
}

macro_rules! casts {
    ($($t:ty)*) => {$(
        number_casts!($t => i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
        impl To<f16> for $t {
            #[inline]
            fn to(self) -> f16 { f16::from_f64(self as f64) }
        }
        impl To<Truth> for $t {
            #[inline]
            fn to(self) -> Truth { Truth(self != (0 as $t)) }
        }
        impl To<$t> for f16 {
            #[inline]
            fn to(self) -> $t { self.to_f64() as $t }
        }
        impl To<$t> for Truth {
            #[inline]
            fn to(self) -> $t { u8::from(self.0) as $t }
        }
    )*};
}

casts!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

impl To<f16> for f16 {
    fn to(self) -> f16 {
        self
    }
}
impl To<Truth> for f16 {
    fn to(self) -> Truth {
        Truth(self.to_f32() != 0.0)
    }
}
impl To<f16> for Truth {
    fn to(self) -> f16 {
        f16::from_f32(f32::from(u8::from(self.0)))
    }
}
impl To<Truth> for Truth {
    fn to(self) -> Truth {
        self
    }
}

fn convert<A: Element + To<B>, B: Element>(source: &[u8], out: &mut [u8]) {
    let pairs = source.chunks_exact(size_of::<A>()).zip(out.chunks_exact_mut(size_of::<B>()));
    for (from, to) in pairs {
        A::load(from).to().store(to);
    }
}

/// Calls a macro's body with the Rust type of a real dtype.
macro_rules! with_real {
    ($dtype:expr, $name:ident => $body:expr, complex => $complex:expr) => {
        match $dtype {
            DType::Bool => {
                type $name = Truth;
                $body
            }
            DType::F16 => {
                type $name = f16;
                $body
            }
            DType::F32 => {
                type $name = f32;
                $body
            }
            DType::F64 => {
                type $name = f64;
                $body
            }
            DType::C64 | DType::C128 => $complex,
            integer => with_integer!(integer, $name => $body, $complex),
        }
    };
}

/// Converts little-endian elements. Real to complex gets a zero imaginary part; complex to real
/// keeps the real part, as numpy does (with a warning there).
pub fn cast_bytes(from: DType, source: &[u8], to: DType, out: &mut [u8]) {
    if from == to {
        out.copy_from_slice(source);
        return;
    }
    with_real!(from, A => with_real!(to, B => convert::<A, B>(source, out), complex => {
        let part = complex_part(to);
        let width = part.size_bytes();
        out.fill(0);
        let reals = source.chunks_exact(size_of::<A>());
        for (value, pair) in reals.zip(out.chunks_exact_mut(2 * width)) {
            cast_bytes(from, value, part, &mut pair[..width]);
        }
    }), complex => {
        let part = complex_part(from);
        let width = part.size_bytes();
        if to.kind() == crate::base::dtype::Kind::Complex {
            cast_bytes(part, source, complex_part(to), out);
        } else {
            let pairs = source.chunks_exact(2 * width);
            for (pair, value) in pairs.zip(out.chunks_exact_mut(to.size_bytes())) {
                cast_bytes(part, &pair[..width], to, value);
            }
        }
    });
}

const fn complex_part(dtype: DType) -> DType {
    if matches!(dtype, DType::C64) { DType::F32 } else { DType::F64 }
}

/// The elements as `i64`. Unsigned 64-bit values past `i64::MAX` saturate; other types convert as
/// [`cast_bytes`].
pub fn read_i64(dtype: DType, bytes: &[u8]) -> impl Iterator<Item = i64> + '_ {
    let load: fn(&[u8]) -> i64 = with_real!(dtype, A => |bytes| A::load(bytes).to(), complex => |bytes| {
        let width = bytes.len() / 2;
        if width == 4 { f32::load(&bytes[..width]).to() } else { f64::load(&bytes[..width]).to() }
    });
    let load = if dtype == DType::U64 {
        |bytes: &[u8]| i64::try_from(u64::load(bytes)).unwrap_or(i64::MAX)
    } else {
        load
    };
    bytes.chunks_exact(dtype.size_bytes()).map(load)
}

/// Writes integers as an integer dtype.
///
/// # Errors
/// A value is absent, does not fit, or `dtype` is not an integer.
#[expect(clippy::result_unit_err, reason = "the caller knows what the values mean")]
pub fn write_i64(
    dtype: DType,
    values: impl Iterator<Item = Option<i64>>,
    out: &mut [u8],
) -> Result<(), ()> {
    with_integer!(dtype, T => {
        for (value, target) in values.zip(out.chunks_exact_mut(size_of::<T>())) {
            let value = T::try_from(value.ok_or(())?).map_err(|_| ())?;
            value.store(target);
        }
    }, return Err(()));
    Ok(())
}
