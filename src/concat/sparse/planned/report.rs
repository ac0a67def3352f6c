//! What a planned matrix needs, part by part: for `inspect` and for notices.

use crate::anndata::SparseBody;
use crate::array::len_bytes;

use super::matrix::{Origin, PartSource, PlannedSparse, Treatment};

/// One part of a [`SparseReport`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReport {
    /// Where the part comes from.
    pub origin: Origin,
    /// What it needs.
    pub treatment: Treatment,
    /// Bytes (decoded) that a census or a conversion reads before the result is known.
    pub read_bytes: u64,
}

/// What a planned matrix needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparseReport {
    /// Part by part, in order.
    pub parts: Vec<PartReport>,
}

impl SparseReport {
    /// Bytes that censuses read, when none of them is kept from before.
    #[must_use]
    pub fn census_bytes(&self) -> u64 {
        self.bytes_of(Treatment::Census)
    }

    /// Bytes that conversions read.
    #[must_use]
    pub fn conversion_bytes(&self) -> u64 {
        self.bytes_of(Treatment::Converted)
    }

    fn bytes_of(&self, treatment: Treatment) -> u64 {
        self.parts
            .iter()
            .filter(|part| part.treatment == treatment)
            .map(|part| part.read_bytes)
            .fold(0, u64::saturating_add)
    }
}

impl PlannedSparse {
    /// What each part needs. Reads nothing.
    #[must_use]
    pub fn report(&self) -> SparseReport {
        let parts = self
            .parts
            .iter()
            .map(|planned| PartReport {
                origin: planned.part.origin.clone(),
                treatment: planned.treatment,
                read_bytes: read_bytes(&planned.part.source, planned.treatment),
            })
            .collect();
        SparseReport { parts }
    }
}

fn read_bytes(source: &PartSource, treatment: Treatment) -> u64 {
    match (source, treatment) {
        (PartSource::Dense(array), Treatment::Converted) => len_bytes(&**array),
        (PartSource::Sparse(sparse), _) => match (&sparse.body, treatment) {
            (SparseBody::Stored { indices, .. }, Treatment::Census) => len_bytes(&**indices),
            (SparseBody::Stored { indices, data, .. }, Treatment::Converted) => {
                len_bytes(&**indices).saturating_add(len_bytes(&**data))
            }
            _ => 0,
        },
        _ => 0,
    }
}
