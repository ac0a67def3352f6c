//! How much of a file is walked. The same whoever walks.

/// Groups nested deeper than this are not walked.
pub const DEEPEST: usize = 64;
/// Hard links can make a small file an endless tree; no real one has as many objects.
pub const MOST_OBJECTS: usize = 1_000_000;
