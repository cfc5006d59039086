//! Log headers and their lists of attached databases.
#![no_main]

use ese::header::LogHeader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    fuzz::with_and_without_checksum(data, 4096, |data| {
        if let Ok(header) = LogHeader::parse(data) {
            header.listing();
            header.attachments();
            header.file_size();
        }
    });
});
