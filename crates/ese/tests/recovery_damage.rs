//! Logs that are missing, foreign, mixed up, damaged or cut off: recovery refuses and names the generation, or ends in a
//! state that the logs prove. It never ends in any other.

mod common;

use std::path::{Path, PathBuf};

use common::{back_to_creation, contents, database_in, dump, unpacked};
use ese::header::DatabaseHeaders;
use ese::log_set::LogSet;
use ese::recovery::{Error, Options, Stop, Summary, recover};

/// A crashed directory that ships with the project: generations 1 to 3 and the current log.
const CRASHED: &str = "sample-forest/dirty";

fn log_of(folder: &Path, generation: u32) -> PathBuf {
    let set = LogSet::in_folder(folder, "edb").unwrap();
    let log = set.logs.iter().find(|log| log.generation() == generation);
    log.unwrap().path.clone()
}

/// Recovers into another folder; on refusal, that folder stays empty.
fn attempt(folder: &Path, change: impl FnOnce(Options) -> Options) -> Result<Outcome, Error> {
    let out = tempfile::tempdir().unwrap();
    let options = change(Options::new(folder).into_folder(out.path()));
    match recover(options) {
        Ok(summary) => Ok(Outcome {
            dump: dump(&summary.database),
            summary,
        }),
        Err(error) => {
            assert!(contents(out.path()).is_empty(), "a refusal leaves nothing");
            Err(error)
        }
    }
}

struct Outcome {
    dump: Vec<u8>,
    summary: Summary,
}

fn refusal(folder: &Path) -> String {
    match attempt(folder, |options| options) {
        Ok(_) => panic!("recovered"),
        Err(error) => error.to_string(),
    }
}

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
        // The file holds changes of the last one already; without the first nothing can be replayed.
        let with_loss = attempt(folder.path(), |options| options.allow_loss(true));
        match generation == database.header.min_required.get() {
            true => assert!(matches!(with_loss, Err(Error::MissingRequiredLogs { .. }))),
            false => assert!(matches!(with_loss, Err(Error::NewerThanLogs { .. }))),
        }
    }
}

/// Required are all logs that the file may hold something of. As long as it does not, an administrator who accepts the loss
/// gets everything up to the gap.
#[test]
fn required_logs_can_be_given_up_while_the_file_holds_nothing_of_them() {
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
        // In the current log the damage could be taken for a torn write, which is mended.
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
                // A file to which nothing was written back since its creation.
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
    // A log of a sequence that began at another time: only the signature differs.
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

#[test]
fn a_later_log_without_those_before_it_is_not_passed_over() {
    // The database needs the logs up to the end of its copying only, but more are there, with a gap.
    let Some(fixture) = testkit::find("ese/chain-ad2016:backup-2") else {
        return;
    };
    let folder = unpacked(&fixture);
    let set = LogSet::in_folder(folder.path(), "edb").unwrap();
    let last = set.logs.last().unwrap().generation();
    std::fs::remove_file(log_of(folder.path(), last - 1)).unwrap();
    let text = refusal(folder.path());
    println!("{text}");
    assert!(text.contains(&format!("{:#x}", last - 1)), "{text}");

    // Nor if the place to stop lies after the gap.
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let begun = moment(&set.logs.last().unwrap().header.created);
    for stop in [Stop::Generation(last), Stop::Time(soon), Stop::Time(begun)] {
        let error = attempt(folder.path(), |options| options.until(stop)).err();
        assert!(matches!(error, Some(Error::MissingCommittedLogs { .. })));
    }
    let before = attempt(folder.path(), |options| {
        options.until(Stop::Generation(last - 2))
    });
    assert!(before.is_ok());

    let outcome = attempt(folder.path(), |options| options.allow_loss(true)).unwrap();
    assert_eq!(outcome.summary.lost, [last - 1..=last]);
    assert_eq!(outcome.summary.generations.unwrap().end() + 1, last - 1);
}

#[test]
fn replay_stops_where_it_is_told() {
    let Some(fixture) = testkit::find("ese/chain-ad2016:backup-2") else {
        return;
    };
    let folder = unpacked(&fixture);
    let all = attempt(folder.path(), |options| options).unwrap();
    let last = *all.summary.generations.as_ref().unwrap().end();

    let until = |stop| attempt(folder.path(), |options| options.until(stop));
    let earlier = until(Stop::Generation(last - 1)).unwrap();
    assert_eq!(earlier.summary.generations.unwrap().end() + 1, last);
    assert_eq!(earlier.summary.lost, [last..=last]);
    assert_ne!(earlier.dump, all.dump);

    // The same logs without the last one lead to the same state.
    std::fs::rename(log_of(folder.path(), last), folder.path().join("away")).unwrap();
    let without = attempt(folder.path(), |options| options).unwrap();
    assert_eq!(without.dump, earlier.dump);
    std::fs::rename(
        folder.path().join("away"),
        folder.path().join(format!("edb{last:05X}.log")),
    )
    .unwrap();

    let error = until(Stop::Generation(1)).err().unwrap();
    assert!(matches!(error, Error::StopTooEarly { .. }), "{error}");
    let soon = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    assert_eq!(until(Stop::Time(soon)).unwrap().dump, all.dump);
    let long_ago = until(Stop::Time(std::time::UNIX_EPOCH)).err().unwrap();
    assert!(matches!(long_ago, Error::StopTooEarly { .. }), "{long_ago}");
}

/// A disk that lied may also leave a blank end amid the logs, which those of old versions do not show. What the file holds
/// of the lost records gives it away.
#[test]
fn a_blank_end_amid_the_logs_is_noticed() {
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
fn a_current_log_that_cannot_be_read_is_not_passed_over() {
    let fixture = testkit::find("ese/chain-ad2016:backup-2").or_else(|| testkit::find(CRASHED));
    let folder = unpacked(&fixture.unwrap());
    let set = LogSet::in_folder(folder.path(), "edb").unwrap();
    let newest = set.logs.last().unwrap();
    // Of the chain it lies beyond what the database's header asks for.
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

#[test]
fn a_flipped_bit_of_a_log_is_corrected_for_the_replay_and_told() {
    const SEGMENT: usize = 4096;
    let fixture = testkit::find(CRASHED).unwrap();
    let expected = fixture.companion("expected.jsonl.zst").unwrap();
    let folder = fixture.unpack();
    let header = DatabaseHeaders::read(&database_in(folder.path()))
        .unwrap()
        .header;
    let (first, last) = (header.min_required.get(), header.max_required.get());
    for (generation, from) in [(first, 1), (last, 1), (last, 5)] {
        let path = log_of(folder.path(), generation);
        let sound = std::fs::read(&path).unwrap();
        // One bit of each written segment, each time another; not one of the checksum itself.
        let mut bytes = sound.clone();
        let mut told = Vec::new();
        for (number, segment) in bytes.chunks_mut(SEGMENT).enumerate().skip(from).step_by(7) {
            let bit = 64 + (number * 1237 + 11) % (SEGMENT * 8 - 64);
            let lgpos = segment.get(8..16).unwrap();
            let is_written = lgpos[4..8] == generation.to_le_bytes()
                && usize::from(u16::from_le_bytes([lgpos[2], lgpos[3]])) == number;
            // Without the flag that says so, no code is looked for.
            if is_written && bit != 36 * 8 + 13 {
                segment[bit / 8] ^= 1 << (bit % 8);
                told.push((generation, number as u32, bit as u32));
            }
        }
        std::fs::write(&path, &bytes).unwrap();
        let outcome = attempt(folder.path(), |options| options).unwrap();
        assert!(outcome.dump == expected, "as from the sound log");
        let corrected = &outcome.summary.corrected_log_bits;
        let found: Vec<_> = (corrected.iter())
            .map(|bit| (bit.generation, bit.flipped.segment, bit.flipped.bit))
            .collect();
        assert_eq!(found, told);
        assert!(!told.is_empty());
        assert_eq!(
            std::fs::read(&path).unwrap(),
            bytes,
            "the log stays as it is"
        );

        // Two bits of one segment are beyond the code.
        let (_, segment, bit) = told[0];
        let other = (bit as usize + 4321) % (SEGMENT * 8);
        bytes[segment as usize * SEGMENT + other / 8] ^= 1 << (other % 8);
        std::fs::write(&path, &bytes).unwrap();
        let text = refusal(folder.path());
        assert!(text.contains(&format!("{generation:#x}")), "{text}");
        std::fs::write(&path, &sound).unwrap();
    }
}

/// Flips these bits of every page in `pages`, and writes the database.
fn flip(database: &Path, sound: &[u8], pages: &[u32], bits: &[usize]) {
    let size = DatabaseHeaders::parse(sound).unwrap().header.page_size();
    let mut bytes = sound.to_vec();
    for page in pages {
        let start = size.offset_of(*page) as usize;
        for bit in bits {
            bytes[start + bit / 8] ^= 1 << (bit % 8);
        }
    }
    std::fs::write(database, bytes).unwrap();
}

/// The engine corrects single bits by a page's error-correcting code as it reads the page. So does recovery; larger damage
/// of a page that it needs is named.
#[test]
fn a_flipped_bit_is_corrected_and_larger_damage_is_named() {
    for name in [CRASHED, "ese/p4096-uncommitted", "ese/p32768-uncommitted"] {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let folder = fixture.unpack();
        let database = database_in(folder.path());
        let sound = std::fs::read(&database).unwrap();
        let size = DatabaseHeaders::read(&database).unwrap().header.page_size();
        let written: Vec<u32> = (1..=size.pages_in(sound.len() as u64))
            .filter(|page| {
                let start = size.offset_of(*page) as usize;
                !ese::checksum::is_zero(&sound[start..start + size.bytes()])
            })
            .collect();
        let expected = attempt(folder.path(), |options| options).unwrap().dump;

        // Which pages does recovery read?
        flip(&database, &sound, &written, &[1234]);
        let out = tempfile::tempdir().unwrap();
        let read = recover(Options::new(folder.path()).into_folder(out.path()))
            .unwrap()
            .corrected_pages;
        println!(
            "{name}: {} of {} pages are read: {read:?}",
            read.len(),
            written.len()
        );
        assert!(!read.is_empty());
        // Every bit of the page counts, the checksum's own included.
        for bit in [3, 77, 320, 1234, 8 * size.bytes() - 1] {
            flip(&database, &sound, &read, &[bit]);
            let outcome = attempt(folder.path(), |options| options);
            match outcome {
                Ok(outcome) => assert!(outcome.dump == expected, "{name}, bit {bit}"),
                // A flipped bit of the checksum itself cannot be told from other damage.
                Err(error) => assert!(bit < 64, "{name}, bit {bit}: {error}"),
            }
        }
        let mut refused = 0;
        for page in &read {
            flip(&database, &sound, &[*page], &[1234, 2345, 3456]);
            match attempt(folder.path(), |options| options) {
                Ok(outcome) => assert!(outcome.dump == expected, "the page is made anew"),
                Err(error) => {
                    assert!(
                        error.to_string().contains(&format!("page {page}")),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
        // Where all logs since the creation are there, every page is made anew.
        assert!(refused > 0 || name != CRASHED);
    }
}

/// The moment that a header tells.
fn moment(time: &ese::header::LogTime) -> std::time::SystemTime {
    let month_lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let year = u64::from(time.year());
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut days: u64 = (1970..year)
        .map(|year| 365 + u64::from(is_leap(year)))
        .sum();
    days += month_lengths[..usize::from(time.month()) - 1]
        .iter()
        .sum::<u64>();
    days += u64::from(time.month() > 2 && is_leap(year)) + u64::from(time.day()) - 1;
    let (hours, minutes, seconds, milliseconds) = time.time_of_day();
    let seconds =
        ((days * 24 + u64::from(hours)) * 60 + u64::from(minutes)) * 60 + u64::from(seconds);
    std::time::UNIX_EPOCH
        + std::time::Duration::from_millis(seconds * 1000 + u64::from(milliseconds))
}

#[test]
fn a_time_to_stop_falls_between_two_generations() {
    let Some(fixture) = testkit::find("ese/chain-ad2016:backup-2") else {
        return;
    };
    let folder = unpacked(&fixture);
    let until = |stop| attempt(folder.path(), |options| options.until(stop));
    let set = LogSet::in_folder(folder.path(), "edb").unwrap();
    let mut stopped = 0;
    for next in &set.logs {
        let before = next.generation() - 1;
        // Its first record comes after it was created.
        let at = until(Stop::Time(moment(&next.header.created)));
        let short = std::time::Duration::from_millis(1);
        let earlier = until(Stop::Time(moment(&next.header.created) - short));
        match until(Stop::Generation(before)) {
            Ok(expected) => {
                let at = at.unwrap();
                assert_eq!(at.summary.generations, expected.summary.generations);
                assert!(at.dump == expected.dump);
                // A moment earlier the log before it may still have got a record.
                let ended =
                    earlier.map_or(0, |outcome| *outcome.summary.generations.unwrap().end());
                assert!(ended < before);
                stopped += 1;
            }
            Err(error) => {
                assert!(matches!(error, Error::StopTooEarly { .. }), "{error}");
                assert!(matches!(at, Err(Error::StopTooEarly { .. })));
            }
        }
    }
    assert!(stopped > 0);
}

/// How a log loses its end.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// The file ends there.
    Short,
    /// Zeros follow, as in the unwritten part of the current log.
    Zeros,
}

/// Cuts the last log in every place and compares what comes of it: the crashed database, if it can be recovered at all,
/// must hold exactly what the logs hold that are left. What these hold is found by replaying them from the beginning.
#[test]
fn whatever_is_cut_off_a_log_never_leads_to_a_wrong_database() {
    // The file of the first set is abreast of its logs, that of the second far behind.
    cut_everywhere(&testkit::find(CRASHED).unwrap(), 4);
    if let Some(fixture) = testkit::find("ese/p8192-manygen") {
        let recovered = cut_everywhere(&fixture, 1);
        assert!(recovered > 20);
    }
    // These were attached several times in the log that is cut.
    for name in ["ese/restart-p4096", "ese/restart-ad2016"] {
        if let Some(fixture) = testkit::find(name) {
            cut_everywhere(&fixture, 4);
        }
    }
}

/// How many cuts left a database that could be recovered. Every `step`th sector is a place to cut.
fn cut_everywhere(fixture: &testkit::Fixture, step: usize) -> usize {
    let crashed = fixture.unpack();
    let from_nothing = fixture.unpack();
    let (database, page) = back_to_creation(from_nothing.path(), 0).unwrap();
    std::fs::write(&database, [&page[..], &page[..]].concat()).unwrap();

    let current = crashed.path().join("edb.log");
    let same_current = from_nothing.path().join("edb.log");
    let whole = std::fs::read(&current).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut places: Vec<usize> = (4096..used + 8192).step_by(4096 * step).collect();
    let mut random = 88172645463325252_u64;
    for _ in 0..24 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        places.push(4096 + random as usize % (used - 4096));
    }
    let (mut recovered, mut refused) = (0, 0);
    let mut states = std::collections::HashSet::new();
    for place in places {
        for cut in [Cut::Short, Cut::Zeros] {
            let bytes = match cut {
                Cut::Short => whole[..place].to_vec(),
                Cut::Zeros => {
                    let mut bytes = whole.clone();
                    bytes[place..].fill(0);
                    bytes
                }
            };
            std::fs::write(&current, &bytes).unwrap();
            std::fs::write(&same_current, &bytes).unwrap();
            let with_loss = |folder: &Path| attempt(folder, |options| options.allow_loss(true));
            let without_loss = attempt(crashed.path(), |options| options);
            let from_crash = with_loss(crashed.path());
            let truth = match with_loss(from_nothing.path()) {
                Ok(truth) => truth,
                // Not even the creation is left.
                Err(Error::LogsEndTooEarly { .. }) => {
                    assert!(from_crash.is_err(), "{cut:?} at {place:#x}");
                    continue;
                }
                Err(error) => panic!("{cut:?} at {place:#x}: {error}"),
            };
            states.insert(truth.dump.clone());
            if let Cut::Short = cut
                && place < whole.len()
            {
                assert!(
                    without_loss.is_err(),
                    "{cut:?} at {place:#x}: loss is not silent"
                );
                assert!(!truth.summary.lost.is_empty());
            }
            match from_crash {
                Ok(outcome) => {
                    assert!(outcome.dump == truth.dump, "{cut:?} at {place:#x}");
                    recovered += 1;
                }
                Err(error) => {
                    assert!(
                        matches!(
                            error,
                            Error::NewerThanLogs { .. }
                                | Error::Undo { .. }
                                | Error::LogsEndTooEarly { .. }
                        ),
                        "{cut:?} at {place:#x}: {error}"
                    );
                    refused += 1;
                }
            }
            if let Ok(outcome) = without_loss {
                assert!(outcome.dump == truth.dump, "{cut:?} at {place:#x}");
            }
        }
    }
    println!(
        "{}: {recovered} recovered, {refused} refused, {} states",
        fixture.name,
        states.len()
    );
    recovered
}
