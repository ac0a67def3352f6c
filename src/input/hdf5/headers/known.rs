//! What is understood of a header, and why not. Anything unusual is [`Unknown::Odd`], never an error: it
//! is then for the library to say what is wrong, or to read it. Only a file that cannot be read, or has
//! changed, is nothing that the library should try.

use crate::base::ReadError;

/// Why a header is not understood.
#[derive(Debug)]
pub enum Unknown {
    /// It has something that only the library knows.
    Odd(String),
    /// The file could not be read, or is not the one that was opened.
    Unread(ReadError),
}

impl From<&str> for Unknown {
    fn from(why: &str) -> Self {
        Self::Odd(why.to_owned())
    }
}

impl From<ReadError> for Unknown {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io { .. } | ReadError::Changed { .. } | ReadError::Cancelled => {
                Self::Unread(error)
            }
            ReadError::Corrupt { .. } | ReadError::Unsupported { .. } => {
                Self::Odd(error.to_string())
            }
        }
    }
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Odd(why) => f.write_str(why),
            Self::Unread(error) => error.fmt(f),
        }
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
