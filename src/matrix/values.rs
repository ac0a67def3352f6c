//! Numbers of one type, in a vector of that type.

use std::borrow::Cow;

use bytemuck::Pod;
use half::f16;
use num_complex::{Complex32, Complex64};

use crate::array::beyond_memory;
use crate::base::{DType, ReadError, huge_pages};

/// A type of numbers that arrays hold.
pub trait Element: Pod + Send + Sync {
    /// What files call it.
    const DTYPE: DType;

    /// The vector, when it holds this type.
    fn take(values: Values) -> Option<Vec<Self>>;

    /// The vector as values.
    fn wrap(vector: Vec<Self>) -> Values;
}

macro_rules! values {
    ($($name:ident: $type:ty),* $(,)?) => {
        /// Numbers of one type. Booleans are bytes, 0 or 1.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Values {
            /// Booleans.
            Bool(Vec<u8>),
            $(
                #[doc = concat!("`", stringify!($type), "`.")]
                $name(Vec<$type>),
            )*
        }

        $(impl Element for $type {
            const DTYPE: DType = DType::$name;

            fn take(values: Values) -> Option<Vec<Self>> {
                match values {
                    Values::$name(vector) => Some(vector),
                    _ => None,
                }
            }

            fn wrap(vector: Vec<Self>) -> Values {
                Values::$name(vector)
            }
        })*

        impl Values {
            /// So many zeros, in memory that the system has cleared and nobody touched yet.
            ///
            /// # Errors
            /// There is not so much memory.
            pub fn zeroed(dtype: DType, len: u64) -> Result<Self, ReadError> {
                match dtype {
                    DType::Bool => zeroed(len).map(Self::Bool),
                    $(DType::$name => zeroed(len).map(Self::$name),)*
                }
            }

            /// The type of the numbers.
            #[must_use]
            pub const fn dtype(&self) -> DType {
                match self {
                    Self::Bool(_) => DType::Bool,
                    $(Self::$name(_) => DType::$name,)*
                }
            }

            /// How many there are.
            #[must_use]
            pub fn len(&self) -> usize {
                match self {
                    Self::Bool(vector) => vector.len(),
                    $(Self::$name(vector) => vector.len(),)*
                }
            }

            /// Their bytes, in memory order.
            #[must_use]
            pub fn bytes(&self) -> &[u8] {
                match self {
                    Self::Bool(vector) => vector,
                    $(Self::$name(vector) => bytemuck::cast_slice(vector),)*
                }
            }

            /// Their bytes, to be filled.
            pub fn bytes_mut(&mut self) -> &mut [u8] {
                match self {
                    Self::Bool(vector) => vector,
                    $(Self::$name(vector) => bytemuck::cast_slice_mut(vector),)*
                }
            }

            /// Those at these positions, in this order.
            #[must_use]
            pub(super) fn picked(&self, at: &[usize]) -> Self {
                match self {
                    Self::Bool(vector) => Self::Bool(at.iter().map(|&i| vector[i]).collect()),
                    $(Self::$name(vector) => Self::$name(at.iter().map(|&i| vector[i]).collect()),)*
                }
            }
        }
    };
}

values!(
    I8: i8, I16: i16, I32: i32, I64: i64,
    U8: u8, U16: u16, U32: u32, U64: u64,
    F16: f16, F32: f32, F64: f64,
    C64: Complex32, C128: Complex64,
);

impl Values {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Integers, as positions; `None` for other numbers and negative ones.
    #[must_use]
    pub fn positions(&self) -> Option<Cow<'_, [u64]>> {
        Some(match self {
            Self::U64(vector) => Cow::Borrowed(vector),
            Self::I32(vector) => Cow::Owned(positions(vector)?),
            Self::I64(vector) => Cow::Owned(positions(vector)?),
            Self::U32(vector) => Cow::Owned(positions(vector)?),
            Self::I8(vector) => Cow::Owned(positions(vector)?),
            Self::I16(vector) => Cow::Owned(positions(vector)?),
            Self::U8(vector) | Self::Bool(vector) => Cow::Owned(positions(vector)?),
            Self::U16(vector) => Cow::Owned(positions(vector)?),
            _ => return None,
        })
    }
}

fn positions<T: Copy + TryInto<u64>>(values: &[T]) -> Option<Vec<u64>> {
    values.iter().map(|&value| value.try_into().ok()).collect()
}

fn zeroed<T: Pod>(len: u64) -> Result<Vec<T>, ReadError> {
    let mut values: Vec<T> = usize::try_from(len)
        .ok()
        .and_then(|len| bytemuck::allocation::try_zeroed_vec(len).ok())
        .ok_or_else(|| beyond_memory(&format!("{len} numbers of {} bytes", size_of::<T>())))?;
    huge_pages::prefer(bytemuck::cast_slice_mut(&mut values));
    Ok(values)
}
