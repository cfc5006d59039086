//! A log record: any bytes are decoded and listed, or refused.
#![no_main]

use ese::header::Lgpos;
use ese::log::ListedRecord;
use ese::log::record::Record;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok((record, kind, size)) = Record::parse(data) else {
        return;
    };
    assert!(size <= data.len());
    let listed = ListedRecord {
        position: Lgpos::default(),
        kind,
        record: &record,
    };
    assert!(!listed.to_string().is_empty());
    assert!(listed.to_json().starts_with('{'));
    let (_, again, same) =
        Record::parse(&data[..size]).expect("a record does not need what follows it");
    assert_eq!((again, same), (kind, size));
    // Encoded and decoded again, it is the same, except for meaningless bytes.
    let written = record
        .encode(kind)
        .expect("a record that was read can be written");
    let (record, again, _) = Record::parse(&written).expect("a record that was written");
    assert_eq!((again, record.encode(kind)), (kind, Ok(written.clone())));
});
