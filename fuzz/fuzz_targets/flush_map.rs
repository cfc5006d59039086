//! Flush maps.
#![no_main]

use ese::flush_map::{FLUSH_MAP_PAGE, FlushMap};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    fuzz::with_and_without_checksum(data, FLUSH_MAP_PAGE, |data| {
        if let Ok(map) = FlushMap::parse(data) {
            map.header().listing();
            for number in [0, 1, 32_511, 32_512, 40_000, u32::MAX] {
                map.flush_type(number);
                map.lost_flush(data, number);
            }
        }
    });
});
