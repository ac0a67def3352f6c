//! How long work tells how far it is, and hears that it should stop.

use super::ReadError;

/// Listens to the progress of one piece of work at a time. Called from any thread.
pub trait Progress: Send + Sync {
    /// Work begins: what it is (`counting kept values`), and its size in bytes.
    fn begin(&self, what: &str, total_bytes: u64);
    /// More bytes are done.
    fn advance(&self, bytes: u64);
    /// The work is over.
    fn end(&self);

    /// Whether nobody wants the result any more.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// What work asks between two of its pieces.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`], when nobody wants the result any more.
    fn go_on(&self) -> Result<(), ReadError> {
        if self.is_cancelled() { Err(ReadError::Cancelled) } else { Ok(()) }
    }
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _what: &str, _total_bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}
