//! A zarr array: the length of its document (two bytes), its document, and the bytes of each chunk.
//! Version 3 where the document has a `data_type`.
#![no_main]

use anncat_fuzz::client::read_zarr;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((len, rest)) = bytes.split_first_chunk::<2>() else { return };
    let len = usize::from(u16::from_le_bytes(*len));
    let Some((array, chunk)) = rest.split_at_checked(len) else { return };
    if array.windows(9).any(|word| word == b"data_type") {
        let group = br#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#;
        read_zarr(&[("zarr.json", group), ("a/zarr.json", array)], chunk);
    } else {
        read_zarr(&[(".zgroup", br#"{"zarr_format": 2}"#), ("a/.zarray", array)], chunk);
    }
});
