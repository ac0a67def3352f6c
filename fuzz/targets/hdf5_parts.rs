//! Parts of HDF5 files by themselves; the first byte says which.
#![no_main]

use anncat::input::hdf5::fuzzing;
use anncat_fuzz::memory;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((&[kind, rank], rest)) = bytes.split_first_chunk::<2>() else { return };
    match kind % 6 {
        0 => fuzzing::datatype_message(rest),
        1 => fuzzing::dataspace_message(rest),
        2 => fuzzing::layout_message(rest),
        3 => fuzzing::collection(rest),
        4 => {
            let rank = usize::from(rank % 4) + 1;
            fuzzing::chunk_index(memory::path(), rank, &memory::with_file(rest));
        }
        _ => {
            let Some((record, file)) = rest.split_first_chunk() else { return };
            fuzzing::heap_value(memory::path(), record, &memory::with_file(file));
        }
    }
});
