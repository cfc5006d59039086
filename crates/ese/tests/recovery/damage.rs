//! Missing, foreign, mixed-up or damaged logs: recovery fails and names the generation, or ends in
//! a state that follows from the logs.

use std::path::Path;

use crate::attempt::{CRASHED, attempt, log_of, refusal};
use crate::common::{back_to_creation, database_in, unpacked};
use ese::header::DatabaseHeaders;
use ese::log_set::LogSet;
use ese::recovery::Error;

#[test]
fn a_missing_log_is_named() {
    let fixture = testkit::find(CRASHED).unwrap();
    let folder = fixture.unpack();
    let database = DatabaseHeaders::read(&database_in(folder.path())).unwrap();
    let required = database.header.min_required.get()..=database.header.max_required.get();
    println!("required {required:?}");
    for generation in required {
        let folder = fixture.unpack();
        std::fs::remove_file(log_of(folder.path(), generation)).unwrap();
        let text = refusal(folder.path());
        println!("{text}");
        assert!(text.contains(&format!("{generation:#x}")), "{text}");
        assert!(text.contains("missing"), "{text}");
        // The file already holds changes of the last log; without the first log nothing can be
        // replayed.
        let with_loss = attempt(folder.path(), |options| options.allow_loss(true));
        match generation == database.header.min_required.get() {
            true => assert!(matches!(with_loss, Err(Error::MissingRequiredLogs { .. }))),
            false => assert!(matches!(with_loss, Err(Error::NewerThanLogs { .. }))),
        }
    }
}

/// A log is required if the file may hold changes of it. If it holds none, an administrator who
/// accepts the loss gets everything up to the gap.
#[test]
fn required_logs_can_be_given_up_if_the_file_holds_no_change_of_them() {
    let Some(fixture) = testkit::find("ese/p8192-manygen") else {
        return;
    };
    let (mut recovered, mut refused) = (0, 0);
    let folder = fixture.unpack();
    let header = DatabaseHeaders::read(&database_in(folder.path()))
        .unwrap()
        .header;
    let (first, last) = (header.min_required.get(), header.max_required.get());
    for generation in first + 1..=last {
        // In the current log the damage could be a torn write, which recovery repairs.
        for damage in [false, true]
            .into_iter()
            .take(1 + usize::from(generation < last))
        {
            let folder = fixture.unpack();
            let from_nothing = fixture.unpack();
            let (database, page) = back_to_creation(from_nothing.path(), 0).unwrap();
            std::fs::write(&database, [&page[..], &page[..]].concat()).unwrap();
            for folder in [folder.path(), from_nothing.path()] {
                let path = log_of(folder, generation);
                match damage {
                    false => std::fs::remove_file(path).unwrap(),
                    true => {
                        let mut bytes = std::fs::read(&path).unwrap();
                        bytes[4096 * 9 + 700] ^= 0x41;
                        bytes[4096 * 9 + 801] ^= 0x13;
                        std::fs::write(path, bytes).unwrap();
                    }
                }
            }
            let without_loss = attempt(folder.path(), |options| options);
            assert!(without_loss.is_err(), "{generation:#x}, {damage}");
            let with_loss = |folder: &Path| attempt(folder, |options| options.allow_loss(true));
            let truth = with_loss(from_nothing.path()).unwrap();
            if damage {
                // A file to which no page was written since its creation.
                let (database, page) = back_to_creation(folder.path(), last).unwrap();
                std::fs::write(&database, [&page[..], &page[..]].concat()).unwrap();
            }
            match with_loss(folder.path()) {
                Ok(outcome) => {
                    assert!(outcome.dump == truth.dump, "generation {generation:#x}");
                    let lost = outcome.summary.lost.first().unwrap();
                    assert_eq!(
                        (*lost.start(), *lost.end()),
                        (generation, last),
                        "all of it is named"
                    );
                    recovered += 1;
                }
                Err(error) => {
                    assert!(
                        matches!(error, Error::NewerThanLogs { .. } | Error::Undo { .. }),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
    }
    println!(
        "{}: {first:#x}-{last:#x} required, {recovered} recovered, {refused} refused",
        fixture.name
    );
    assert!(recovered > 0 && refused > 0);
}

#[test]
fn a_damaged_log_is_named() {
    let fixture = testkit::find(CRASHED).unwrap();
    let folder = fixture.unpack();
    let header = DatabaseHeaders::read(&database_in(folder.path()))
        .unwrap()
        .header;
    for generation in header.min_required.get()..=header.max_required.get() {
        for at in [30, 4096 * 3 + 700] {
            let folder = fixture.unpack();
            let path = log_of(folder.path(), generation);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at] ^= 0x40;
            bytes[at + 1] ^= 0x11;
            std::fs::write(&path, bytes).unwrap();
            let text = refusal(folder.path());
            println!("{text}");
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(
                text.contains(&name) || text.contains(&format!("{generation:#x}")),
                "{text}"
            );
        }
    }
}

#[test]
fn a_log_of_another_sequence_is_named() {
    let fixture = testkit::find(CRASHED).unwrap();
    let folder = fixture.unpack();
    let header = DatabaseHeaders::read(&database_in(folder.path()))
        .unwrap()
        .header;
    let generation = header.max_required.get();
    // A log of another sequence: only the signature differs.
    const SIGNATURE: usize = 44;
    let path = log_of(folder.path(), generation);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[SIGNATURE] ^= 1;
    let checksum = ese::checksum::header_checksum(&bytes[..4096]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let text = refusal(folder.path());
    println!("{text}");
    assert!(text.contains(&format!("{generation:#x}")), "{text}");
    assert!(text.contains("another sequence"), "{text}");
}

#[test]
fn exchanged_and_repeated_logs_are_named() {
    let fixture = testkit::find("ese/p8192-manygen")
        .or_else(|| testkit::find(CRASHED))
        .unwrap();
    let folder = fixture.unpack();
    let header = DatabaseHeaders::read(&database_in(folder.path()))
        .unwrap()
        .header;
    let first = header.min_required.get();
    if first < header.max_required.get() {
        let (a, b) = (
            log_of(folder.path(), first),
            log_of(folder.path(), first + 1),
        );
        let parked = folder.path().join("parked");
        std::fs::rename(&a, &parked).unwrap();
        std::fs::rename(&b, &a).unwrap();
        std::fs::rename(&parked, &b).unwrap();
        let text = refusal(folder.path());
        println!("{text}");
        assert!(text.contains(&format!("{first:#x}")), "{text}");
    }

    let folder = fixture.unpack();
    let path = log_of(folder.path(), first);
    let copy = match path.ends_with("edb.log") {
        true => folder.path().join(format!("edb{first:05X}.log")),
        false => folder.path().join("edb.log"),
    };
    std::fs::copy(&path, copy).unwrap();
    let text = refusal(folder.path());
    println!("{text}");
    assert!(text.contains(&format!("{first:#x}")), "{text}");
    assert!(text.contains("twice"), "{text}");
}

/// A disk that lost writes may leave the end of a log blank. Logs of old versions do not show this;
/// the changes of the lost records in the file do.
#[test]
fn a_blank_end_of_a_log_before_the_last_is_noticed() {
    let fixture = testkit::find(CRASHED).unwrap();
    let folder = fixture.unpack();
    let header = DatabaseHeaders::read(&database_in(folder.path()))
        .unwrap()
        .header;
    let path = log_of(folder.path(), header.min_required.get());
    let whole = std::fs::read(&path).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    for place in (8192..used).step_by(4096 * 5) {
        let mut bytes = whole.clone();
        bytes[place..].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        let error = attempt(folder.path(), |options| options).err().unwrap();
        assert!(
            matches!(error, Error::NewerThanLogs { .. } | Error::Undo { .. }),
            "{place:#x}: {error}"
        );
    }
}

#[test]
fn a_current_log_that_cannot_be_read_is_named() {
    let fixture = testkit::find("ese/chain-ad2016:backup-2").or_else(|| testkit::find(CRASHED));
    let folder = unpacked(&fixture.unwrap());
    let set = LogSet::in_folder(folder.path(), "edb").unwrap();
    let newest = set.logs.last().unwrap();
    // In the chain, the database's header does not require this log.
    let current = folder.path().join("edb.log");
    std::fs::rename(&newest.path, &current).unwrap();
    let whole = std::fs::read(&current).unwrap();
    for damaged in [Vec::new(), vec![7; whole.len()], whole[..100].to_vec()] {
        std::fs::write(&current, damaged).unwrap();
        let text = refusal(folder.path());
        assert!(text.contains("edb.log"), "{text}");
        assert!(
            text.contains(&format!("{:#x}", newest.generation())),
            "{text}"
        );
    }
}
