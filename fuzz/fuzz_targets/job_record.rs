//! Records of jobs, and of the shipping of their logs.
#![no_main]

use std::path::Path;

use jobs::record::{Record, ShipRecord};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let path = Path::new("nightly.json");
    if let Ok(record) = Record::parse(path, text) {
        let again = Record::parse(path, &json(&record)).expect("what was written is read");
        assert_eq!(without_seconds(again), without_seconds(record));
    }
    if let Ok(record) = ShipRecord::parse(path, text) {
        let again = ShipRecord::parse(path, &json(&record)).expect("what was written is read");
        assert_eq!(again, record);
        for shipped in record.repositories.values() {
            for now in [i64::MIN, 0, i64::MAX] {
                let _ = shipped.lag(now);
            }
        }
    }
});

fn json(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("strings and numbers become JSON")
}

/// The last digit of a number with a fraction may change when it is read.
fn without_seconds(mut record: Record) -> Record {
    for repository in record.repositories.values_mut() {
        for run in &mut repository.runs {
            assert!(run.seconds.is_finite());
            run.seconds = 0.0;
        }
    }
    record
}
