//! Index arrays: integers of any width, read with their bounds checked, written as `int32` or
//! `int64`.

use crate::base::DType;
use crate::base::dtype::with_integer;

/// The dtype of the result's `indices` and `indptr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexType {
    /// `int32`
    Narrow,
    /// `int64`
    Wide,
}

impl IndexType {
    /// What `scipy.sparse.get_index_dtype` chooses for numbers up to `max`.
    pub const fn holding(max: u64) -> Self {
        if max > i32::MAX as u64 { Self::Wide } else { Self::Narrow }
    }

    pub const fn dtype(self) -> DType {
        match self {
            Self::Narrow => DType::I32,
            Self::Wide => DType::I64,
        }
    }

    pub const fn size_bytes(self) -> usize {
        self.dtype().size_bytes()
    }

    /// Writes numbers over all of `out`.
    pub fn write(self, numbers: impl Iterator<Item = u64>, out: &mut [u8]) {
        match self {
            Self::Narrow => {
                for (number, target) in numbers.zip(out.as_chunks_mut::<4>().0) {
                    *target = (number as i32).to_le_bytes();
                }
            }
            Self::Wide => {
                for (number, target) in numbers.zip(out.as_chunks_mut::<8>().0) {
                    *target = (number as i64).to_le_bytes();
                }
            }
        }
    }
}

/// A little-endian integer. Negative ones become huge, so that an upper bound rejects them too.
trait Integer: Copy {
    fn load(bytes: &[u8]) -> u64;
}

macro_rules! integers {
    ($($t:ty => $wide:ty),*) => {$(
        impl Integer for $t {
            #[inline]
            fn load(bytes: &[u8]) -> u64 {
                let mut raw = [0; size_of::<$t>()];
                raw.copy_from_slice(bytes);
                Self::from_le_bytes(raw) as $wide as u64
            }
        }
    )*};
}

integers!(i8 => i64, i16 => i64, i32 => i64, i64 => i64, u8 => u64, u16 => u64, u32 => u64, u64 => u64);

/// A number that does not belong where it stands, as the file has it.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfRange(pub i64);

/// Appends integers of `dtype`, which must be an integer type, to `out`.
pub fn load_u64(dtype: DType, bytes: &[u8], out: &mut Vec<u64>) {
    with_integer!(dtype, T => out.extend(bytes.chunks_exact(size_of::<T>()).map(T::load)), ());
}

/// Replaces `out` with integers below `bound`.
pub fn load_minors(
    dtype: DType,
    bytes: &[u8],
    bound: u32,
    out: &mut Vec<u32>,
) -> Result<(), OutOfRange> {
    out.clear();
    let bad = match dtype {
        // The nearly only case, kept in 32 bits so that it vectorizes.
        DType::I32 | DType::U32 => {
            let mut bad = false;
            out.extend(bytes.as_chunks::<4>().0.iter().map(|&raw| {
                let number = u32::from_le_bytes(raw);
                bad |= number >= bound;
                number
            }));
            bad
        }
        _ => {
            let mut bad = false;
            with_integer!(dtype, T => out.extend(bytes.chunks_exact(size_of::<T>()).map(|raw| {
                let number = T::load(raw);
                bad |= number >= u64::from(bound);
                number as u32
            })), ());
            bad
        }
    };
    if bad { Err(first_out_of_range(dtype, bytes, u64::from(bound))) } else { Ok(()) }
}

/// Copies integers below `bound` into `out` as `to`, each `shift` larger.
pub fn copy_shifted(
    dtype: DType,
    bytes: &[u8],
    bound: u64,
    shift: u64,
    to: IndexType,
    out: &mut [u8],
) -> Result<(), OutOfRange> {
    let mut bad = false;
    match (dtype, to) {
        (DType::I32, IndexType::Narrow) => {
            // Numbers of the result fit 31 bits, so the bound and the shift do.
            let (narrow_bound, narrow_shift) = (bound.min(1 << 31) as u32, shift as u32);
            for (raw, target) in bytes.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<4>().0) {
                let number = u32::from_le_bytes(*raw);
                bad |= number >= narrow_bound;
                *target = number.wrapping_add(narrow_shift).to_le_bytes();
            }
        }
        _ => with_integer!(dtype, T => to.write(
            bytes.chunks_exact(size_of::<T>()).map(|raw| {
                let number = T::load(raw);
                bad |= number >= bound;
                number.wrapping_add(shift)
            }),
            out,
        ), ()),
    }
    if bad { Err(first_out_of_range(dtype, bytes, bound)) } else { Ok(()) }
}

/// The same over numbers that already stand in place: 32-bit ones that stay 32-bit.
pub fn shift_in_place(bytes: &mut [u8], bound: u64, shift: u64) -> Result<(), OutOfRange> {
    let (narrow_bound, narrow_shift) = (bound.min(1 << 31) as u32, shift as u32);
    let mut bad = false;
    for raw in bytes.as_chunks::<4>().0 {
        bad |= u32::from_le_bytes(*raw) >= narrow_bound;
    }
    if bad {
        return Err(first_out_of_range(DType::I32, bytes, bound));
    }
    if narrow_shift != 0 {
        for raw in bytes.as_chunks_mut::<4>().0 {
            *raw = u32::from_le_bytes(*raw).wrapping_add(narrow_shift).to_le_bytes();
        }
    }
    Ok(())
}

/// Replaces `int32` numbers by what stands at their positions in `table`.
pub fn map_in_place(bytes: &mut [u8], table: &[u32]) -> Result<(), OutOfRange> {
    // In two passes, the first of which vectorizes: cheaper than a branch an element.
    let mut largest = 0;
    for raw in bytes.as_chunks::<4>().0 {
        largest = u32::from_le_bytes(*raw).max(largest);
    }
    if largest as usize >= table.len() && !bytes.is_empty() {
        return Err(first_out_of_range(DType::I32, bytes, table.len() as u64));
    }
    for raw in bytes.as_chunks_mut::<4>().0 {
        // SAFETY: no number is larger than `largest`, which is a position in the table.
        let target = unsafe { table.get_unchecked(u32::from_le_bytes(*raw) as usize) };
        *raw = target.to_le_bytes();
    }
    Ok(())
}

fn first_out_of_range(dtype: DType, bytes: &[u8], bound: u64) -> OutOfRange {
    let number = with_integer!(
        dtype,
        T => bytes.chunks_exact(size_of::<T>()).map(T::load).find(|&number| number >= bound),
        None
    );
    OutOfRange(number.unwrap_or(u64::MAX) as i64)
}
