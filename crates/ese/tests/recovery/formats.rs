//! Formats that no set has: logs of version 7, logs of several databases, generations beyond
//! 0xFFFFF, records of unknown types. The records are those of a real set, in a new layout.

use std::path::Path;

use crate::common;
use crate::common::dump;
use crate::common::version_7::{HEADER, as_version_7, seal_header};
use ese::checksum::ecc;
use ese::header::DatabaseHeaders;
use ese::log::record::Record;
use ese::log_set::{LogName, LogSet};
use ese::recovery::{Error, Options, recover};

/// Version 8.4000.4.3 logs, of which 6 and 7 are required.
const CRASHED: &str = "sample-forest/dirty";

fn recovered(folder: &Path) -> Result<Vec<u8>, Error> {
    let out = tempfile::tempdir().unwrap();
    let summary = recover(Options::new(folder).into_folder(out.path()))?;
    Ok(dump(&summary.database))
}

fn expected() -> Vec<u8> {
    let fixture = testkit::find(CRASHED).unwrap();
    fixture.companion("expected.jsonl.zst").unwrap()
}

#[test]
fn logs_of_version_7_are_replayed() {
    let folder = testkit::find(CRASHED).unwrap().unpack();
    as_version_7(folder.path(), 6, |entry| vec![entry.bytes.to_vec()]);
    assert!(recovered(folder.path()).unwrap() == expected());

    // These logs have no code that corrects a flipped bit.
    let log = folder.path().join("edb00006.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes[HEADER + 10_000] ^= 4;
    std::fs::write(&log, bytes).unwrap();
    let error = recovered(folder.path()).unwrap_err();
    let is_named = matches!(error, Error::UnusableLog { generation: 6, .. });
    assert!(is_named, "{error}");
}

/// Whether the record is about no database but belongs to a session, whose number is in its bytes 1
/// and 2.
fn is_of_a_session(record: &Record<'_>) -> bool {
    matches!(
        record,
        Record::Begin(_)
            | Record::Commit(_)
            | Record::Rollback(_)
            | Record::MacroBegin(_)
            | Record::MacroCommit(_)
            | Record::MacroAbort(_)
    )
}

#[test]
fn changes_of_another_database_in_the_same_logs_are_passed_over() {
    const OTHER_DATABASE: u8 = 5;
    let folder = testkit::find(CRASHED).unwrap().unpack();
    let mut others = 0;
    as_version_7(folder.path(), 6, |entry| {
        let mut other = entry.bytes.to_vec();
        let is_change = entry.record.page_head().is_some();
        if !is_change && !is_of_a_session(&entry.record) {
            return vec![other];
        }
        // Other sessions that make the same changes to pages of the same numbers.
        let session = u16::from_le_bytes([other[1], other[2]]) ^ 0x100;
        other[1..3].copy_from_slice(&session.to_le_bytes());
        if is_change {
            other[3] = OTHER_DATABASE;
            others += 1;
        }
        vec![other, entry.bytes.to_vec()]
    });
    assert!(others > 1_000, "{others}");
    assert!(recovered(folder.path()).unwrap() == expected());
}

#[test]
fn a_record_of_an_unknown_type_ends_the_recovery() {
    let folder = testkit::find(CRASHED).unwrap().unpack();
    let before = common::contents(folder.path());
    let mut count = 0;
    as_version_7(folder.path(), 6, |entry| {
        count += 1;
        match count {
            1000 => vec![vec![0xee; 9], entry.bytes.to_vec()],
            _ => vec![entry.bytes.to_vec()],
        }
    });
    let error = recovered(folder.path()).unwrap_err().to_string();
    println!("{error}");
    assert!(
        error.contains("edb00006.log") && error.contains("not supported"),
        "{error}"
    );
    let allowed = recover(Options::new(folder.path()).allow_loss(true));
    assert!(
        allowed.is_err(),
        "nor is it passed over where loss is allowed"
    );
    let database = folder.path().join("ntds.dit");
    let after = common::contents(folder.path());
    assert_eq!(after[&database], before[&database]);
}

#[test]
fn generations_beyond_five_digits_are_replayed() {
    const SEGMENT: usize = 4096;
    const LATER: u32 = 0x10_0000;
    let folder = testkit::find(CRASHED).unwrap().unpack();
    let folder = folder.path();
    let set = LogSet::in_folder(folder, "edb").unwrap();
    for file in &set.logs {
        let mut bytes = std::fs::read(&file.path).unwrap();
        std::fs::remove_file(&file.path).unwrap();
        let generation = file.generation() + LATER;
        if file.generation() < 6 {
            continue;
        }
        bytes[4..8].copy_from_slice(&generation.to_le_bytes());
        seal_header(&mut bytes);
        for (number, segment) in bytes.chunks_mut(SEGMENT).enumerate().skip(1) {
            let stored = u64::from_le_bytes(segment[..8].try_into().unwrap());
            // At its own place, or as the spare copy of the one before.
            let places = [number as u32, number as u32 - 1];
            let is_sealed_for = |place: &u32| ecc(segment, *place, true) == stored;
            let Some(place) = places.into_iter().find(is_sealed_for) else {
                assert!(segment.iter().all(|byte| *byte == 0));
                continue;
            };
            segment[12..16].copy_from_slice(&generation.to_le_bytes());
            let checksum = ecc(segment, place, true);
            segment[..8].copy_from_slice(&checksum.to_le_bytes());
        }
        let name = match file.name {
            LogName::Current => "edb.log".to_owned(),
            _ => format!("edb{generation:08X}.log"),
        };
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    let database = folder.join("ntds.dit");
    let mut header = DatabaseHeaders::read(&database).unwrap().header;
    for field in [
        &mut header.min_required,
        &mut header.max_required,
        &mut header.max_committed,
    ] {
        *field = (field.get() + LATER).into();
    }
    let mut file = std::fs::read(&database).unwrap();
    let page = header.to_page();
    file[..page.len()].copy_from_slice(&page);
    file[page.len()..2 * page.len()].copy_from_slice(&page);
    std::fs::write(&database, file).unwrap();
    assert!(folder.join("edb00100006.log").exists());
    assert!(recovered(folder).unwrap() == expected());
}
