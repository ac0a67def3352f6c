//! The filters of HDF5 chunks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| anncat::input::hdf5::fuzzing::filters(bytes));
