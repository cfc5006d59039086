//! Replication metadata, and the table of prefixes for its numbers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use objects::metadata;
use objects::prefix::PrefixTable;

fuzz_target!(|data: &[u8]| {
    let mut prefixes = PrefixTable::default();
    let _ = prefixes.add_stored(data);
    for entry in metadata::parse(data).unwrap_or_default() {
        if let Some(oid) = prefixes.oid(entry.attribute.0) {
            assert!(!oid.is_empty());
        }
    }
});
