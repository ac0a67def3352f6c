//! [`Dims`] for `serde`, as a list of numbers (`#[serde(with = "plain_dims")]`).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::region::Dims;

/// Writes a list.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(dims: &Dims, serializer: S) -> Result<S::Ok, S::Error> {
    dims.as_slice().serialize(serializer)
}

/// Reads a list.
///
/// # Errors
/// The deserializer's.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dims, D::Error> {
    Vec::<u64>::deserialize(deserializer).map(Dims::from)
}
