//! The documents of zarr groups, consolidated: of version 2 where the first byte is odd, else of
//! version 3.
#![no_main]

use anncat_fuzz::client::read_zarr;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((version, document)) = bytes.split_first() else { return };
    if version % 2 == 1 {
        let group = br#"{"zarr_format": 2}"#;
        read_zarr(&[(".zgroup", group), (".zmetadata", document)], b"");
    } else {
        read_zarr(&[("zarr.json", document)], b"");
    }
});
