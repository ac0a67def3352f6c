//! One tree, sound or not, through decoding, a plan, and reading the result.
#![no_main]

use anncat_fuzz::{client, draw};
use arbitrary::Unstructured;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut u = Unstructured::new(bytes);
    if let (Ok(options), Ok(tree)) = (draw::options(&mut u), draw::tree(&mut u)) {
        let _ = client::merge(&[tree], &options);
    }
});
