//! The walk over a file's metadata through libhdf5: the reference, and the way for files that our own
//! walk does not know. Its order of files: `walk` asks `attributes` and `dataset`.

mod attributes;
mod dataset;
mod walk;

#[cfg(test)]
pub use walk::ObjectInfo;
pub use walk::root;
