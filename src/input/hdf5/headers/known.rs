//! What is understood of a header, and why not. Anything unusual is [`Unknown`], never an error: it is
//! then for the library to say what is wrong, or to read it.

use crate::base::ReadError;

/// Why a file is left to the library.
#[derive(Debug)]
pub struct Unknown(pub String);

impl From<&str> for Unknown {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<ReadError> for Unknown {
    fn from(error: ReadError) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was understood.
pub type Known<T> = Result<T, Unknown>;

/// An address that leads nowhere.
pub const UNDEFINED: u64 = u64::MAX;

/// `Ok` when something holds that always does in a sound file.
pub fn expect(holds: bool, why: &str) -> Known<()> {
    if holds { Ok(()) } else { Err(why.into()) }
}
