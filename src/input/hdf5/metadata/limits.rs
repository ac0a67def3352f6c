//! How much of a file is walked, whoever walks it.

use foldhash::HashSet;

/// Groups nested deeper than this are not walked.
pub const DEEPEST: usize = 64;
/// No real file has as many objects.
const MOST_OBJECTS: usize = 1_000_000;
/// Hard links can make a small file an endless tree; in no real one are as many objects met again
/// under another path.
const MOST_MET_AGAIN: usize = 10_000;

/// The objects that a walk has met, by the addresses of their headers.
#[derive(Default)]
pub struct Met {
    addresses: HashSet<u64>,
    again: usize,
}

impl Met {
    /// Takes note of an object.
    ///
    /// # Errors
    /// There are more than a real file has.
    pub fn note(&mut self, address: u64) -> Result<(), String> {
        if self.addresses.len() >= MOST_OBJECTS {
            return Err(format!("the file has more than {MOST_OBJECTS} objects"));
        }
        if !self.addresses.insert(address) {
            self.again += 1;
        }
        if self.again > MOST_MET_AGAIN {
            return Err(format!(
                "hard links give the file's objects more than {MOST_MET_AGAIN} further paths"
            ));
        }
        Ok(())
    }
}
