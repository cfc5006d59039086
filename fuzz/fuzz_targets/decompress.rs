//! Any bytes are decompressed or refused; the result has the predicted length.
#![no_main]

use ese::compression::{decompress, decompressed_len};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut out = vec![1, 2, 3];
    match decompress(data, &mut out) {
        Ok(()) => {
            assert_eq!(out[..3], [1, 2, 3]);
            assert!(out.len() - 3 <= (64 << 10).max(data.len() * 8));
            if let Some(len) = decompressed_len(data) {
                assert_eq!(out.len() - 3, len);
            }
        }
        Err(_) => assert_eq!(out, [1, 2, 3]),
    }
});
