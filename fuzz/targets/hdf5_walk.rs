//! A whole HDF5 file through our own walk, and what it found through our own reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anncat_fuzz::client::read_hdf5(bytes));
