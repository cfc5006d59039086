//! Journals of restores of objects.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(records) = object_restore::Records::parse(data) {
        assert!(records.bytes <= data.len() as u64);
        let _ = records.history();
    }
});
