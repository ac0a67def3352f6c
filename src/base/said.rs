//! What was said where something failed: by the system, or by a panic.

use std::any::Any;
use std::error::Error;
use std::io;

/// An error of the system with words before it.
#[derive(Debug, thiserror::Error)]
#[error("{words}: {error}")]
struct Said {
    words: String,
    #[source]
    error: io::Error,
}

/// The same error of the system, with words before it that say what it is about. Its kind stays, and
/// [`errno`] still tells its number.
#[must_use]
pub fn with_words(words: impl Into<String>, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Said { words: words.into(), error })
}

/// The number that the system gave, also where words stand before it.
#[must_use]
pub fn errno(error: &io::Error) -> Option<i32> {
    let behind_words = || errno(error.source()?.downcast_ref::<io::Error>()?);
    error.raw_os_error().or_else(behind_words)
}

/// What a panic said, of which this is the payload.
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    let formatted = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(formatted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::fault::is_full;
    use std::panic::catch_unwind;

    #[test]
    fn words_leave_the_kind_and_the_number_as_they_are() {
        for number in [libc::ENOSPC, libc::EDQUOT, libc::EMFILE] {
            let plain = io::Error::from_raw_os_error(number);
            let said = with_words("a temporary file", io::Error::from_raw_os_error(number));
            assert_eq!(said.to_string(), format!("a temporary file: {plain}"));
            assert_eq!((said.kind(), errno(&said)), (plain.kind(), Some(number)));
            assert_eq!(errno(&with_words("of a mount", said)), Some(number));
            let said = with_words("a temporary file", io::Error::from_raw_os_error(number));
            assert_eq!(is_full(&said), is_full(&plain));
            assert_eq!(errno(&plain), Some(number));
        }
        assert_eq!(errno(&io::Error::other("no number")), None);
    }

    #[test]
    fn a_panic_has_said_what_it_was_told_to() {
        let said = |panic: fn()| {
            let payload = catch_unwind(panic).unwrap_err();
            panic_message(&*payload).map(str::to_owned)
        };
        assert_eq!(said(|| panic!("oh")).as_deref(), Some("oh"));
        assert_eq!(said(|| panic!("{} {}", "oh", 1)).as_deref(), Some("oh 1"));
        assert_eq!(said(|| std::panic::panic_any(1)), None);
    }
}
