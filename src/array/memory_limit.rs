//! Memory that what a file claims would need.

use crate::base::{ReadError, memory};

/// Bytes from which on memory is asked for before it is taken.
const MUCH: u64 = 64 << 20;

/// Zeros for so many elements. How many there are is what a file claims: memory that cannot be had
/// is an error here, not the end of the process, and so are claims beyond reason ([`memory`]).
///
/// # Errors
/// There is not so much memory, or it may not be used.
pub fn zeroed(num_elements: u64, element_bytes: usize) -> Result<Vec<u8>, ReadError> {
    let len_bytes = num_elements.checked_mul(element_bytes as u64);
    let beyond = || match len_bytes {
        Some(len_bytes) => beyond_memory(&format!("{len_bytes} bytes")),
        None => beyond_memory(&format!("{num_elements} elements")),
    };
    let len = len_bytes.and_then(|len| usize::try_from(len).ok()).ok_or_else(beyond)?;
    if len as u64 > memory::most_bytes() {
        return Err(beyond());
    }
    // `vec!` gets its zeros from the system, untouched, but aborts where it gets none; to ask first
    // costs little, for what is given back at once is never touched.
    if len as u64 >= MUCH {
        Vec::<u8>::new().try_reserve_exact(len).map_err(|_| beyond())?;
    }
    Ok(vec![0; len])
}

/// The error of a read that needs more memory than there is, or may be used.
#[must_use]
pub fn beyond_memory(amount: &str) -> ReadError {
    let what = format!(
        "{amount} have to be in memory at once, more than may be used\n  hint: the file may be damaged; \
         if it is not, --memory allows more"
    );
    ReadError::io("", "", std::io::Error::new(std::io::ErrorKind::OutOfMemory, what))
}
