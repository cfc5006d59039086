//! Database headers and the patch page of a streaming backup.
#![no_main]

use ese::header::{DatabaseHeader, DatabaseHeaders, FileKind, PatchHeader};
use ese::log_set::RequiredLogs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    FileKind::of(data);
    for size in [2048, 4096, 8192, 16384, 32768] {
        fuzz::with_and_without_checksum(data, size, |data| {
            let patch = data
                .get(..size)
                .and_then(|page| PatchHeader::parse(page).ok());
            if let Ok(headers) = DatabaseHeaders::parse(data) {
                headers.header.listing(patch.as_ref());
                let _ = RequiredLogs::of(&headers.header, patch.as_ref(), None);
                let page = headers.header.to_page();
                assert!(DatabaseHeader::parse(&page).is_ok());
            }
        });
    }
});
