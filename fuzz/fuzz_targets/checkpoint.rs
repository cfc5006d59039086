//! Checkpoint files.
#![no_main]

use ese::header::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    fuzz::with_and_without_checksum(data, 4096, |data| {
        if let Ok(checkpoint) = Checkpoint::parse(data) {
            checkpoint.listing();
            checkpoint.attachments();
        }
    });
});
