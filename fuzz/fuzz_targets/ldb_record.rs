//! Records of Samba's databases, in all their forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use samba::ldb::Record;

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = Record::parse(data) {
        let values = record.elements.iter().flat_map(|element| &element.values);
        // Each value is inside the record, and outside the others.
        assert!(values.map(|value| value.len() + 1).sum::<usize>() <= data.len());
    }
});
