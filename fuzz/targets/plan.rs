//! Two or three trees as one.
#![no_main]

use anncat_fuzz::{client, draw};
use arbitrary::Unstructured;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut u = Unstructured::new(bytes);
    let Ok(options) = draw::options(&mut u) else { return };
    let count = u.int_in_range(2..=3).unwrap_or(2);
    let trees: Result<Vec<_>, _> = (0..count).map(|_| draw::tree(&mut u)).collect();
    if let Ok(trees) = trees {
        let _ = client::merge(&trees, &options);
    }
});
