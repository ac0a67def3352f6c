//! Where the chunk files of one array are: a prefix of keys in the directory of its store.

use std::path::Path;
use std::sync::Arc;

use crate::base::ReadError;
use crate::io::{Directory, Source};

/// One array in a store.
#[derive(Debug)]
pub struct Place {
    pub directory: Arc<dyn Directory>,
    /// Path of the array inside of the store (`/X/data`): for errors.
    pub element: String,
    /// Key of the array's directory.
    pub key: String,
    /// The array's metadata document in it.
    pub document: &'static str,
}

impl Place {
    /// The store, as the user named it: for errors.
    pub fn store(&self) -> &Path {
        self.directory.path()
    }

    /// Opens a chunk file; `None` when there is none.
    pub fn open(&self, key: &str) -> Result<Option<Box<dyn Source + '_>>, ReadError> {
        self.directory.open(&below(&self.key, key)).map_err(|error| self.within(error))
    }

    /// Notices when the array's metadata was written after the store was opened. (A store may be
    /// consolidated and hold no other metadata.)
    pub fn verify_document(&self) -> Result<(), ReadError> {
        let key = below(&self.key, self.document);
        self.directory.verify(&key).map_err(|error| self.within(error))
    }

    /// The error, said of this array.
    pub fn within(&self, error: ReadError) -> ReadError {
        error.within(&self.element)
    }

    /// Bytes of this array that contradict its metadata.
    pub fn corrupt(&self, what: impl Into<String>) -> ReadError {
        ReadError::corrupt(self.store(), &self.element, what)
    }
}

/// The key of what is below a key.
pub fn below(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") }
}
