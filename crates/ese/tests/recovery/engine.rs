//! A recovered database equals, line for line, the result of the real engine's own recovery.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::{back_to_creation, contents, databases_in, dump, options, unpacked};
use ese::recovery::{Options, Summary, recover};
use testkit::Fixture;

/// Whether the line may be missing: rows of `escrow` whose count fell to zero are deleted by a task
/// of the engine that may or may not have run.
fn is_optional(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    (line.starts_with(r#"{"t":"row","table":"escrow""#) && line.contains(r#""ref":["00000000"]"#))
        || line.starts_with(r#"{"t":"rowcount","table":"escrow""#)
}

/// The number of different lines; prints the first few.
fn differences(name: &str, expected: &[u8], found: &[u8]) -> usize {
    let keep = |line: &&[u8]| !line.is_empty() && !is_optional(line);
    let mut expected = expected.split(|byte| *byte == b'\n').filter(keep);
    let mut found = found.split(|byte| *byte == b'\n').filter(keep);
    let (mut count, mut different) = (0, 0);
    loop {
        let (expected, found) = (expected.next(), found.next());
        if expected.is_none() && found.is_none() {
            println!("{name}: {count} lines, {different} different");
            return different;
        }
        count += 1;
        if expected != found {
            different += 1;
            if different <= 3 {
                let show = |line: Option<&[u8]>| {
                    let shown = line.map(|line| &line[..line.len().min(400)]);
                    shown.map(|line| String::from_utf8_lossy(line).into_owned())
                };
                eprintln!("{name} line {count}:");
                eprintln!("  engine {:?}\n  we     {:?}", show(expected), show(found));
            }
        }
    }
}

fn recovered(fixture: &Fixture, out: &Path) -> Summary {
    let folder = unpacked(fixture);
    let before = contents(folder.path());
    let summary = recover(options(folder.path()).into_folder(out));
    let summary = summary.unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
    assert_eq!(before, contents(folder.path()), "the input is as it was");
    summary
}

fn companion(fixture: &Fixture, name: &str, ending: &str) -> Option<Vec<u8>> {
    let name = match fixture.name.split_once(":backup-") {
        Some((_, part)) => format!("{name}-{part}{ending}"),
        None => format!("{name}{ending}"),
    };
    fixture.companion(&name)
}

/// The dump of the database that the engine recovered.
fn expected(fixture: &Fixture) -> Option<Vec<u8>> {
    companion(fixture, "expected", ".jsonl.zst")
        .or_else(|| companion(fixture, "engine-dump", ".jsonl.zst"))
}

#[test]
fn every_set_is_as_the_engine_recovers_it() {
    let mut compared = 0;
    let mut failed = Vec::new();
    for fixture in testkit::every() {
        let out = tempfile::tempdir().unwrap();
        let folder = unpacked(&fixture);
        let summary = match recover(options(folder.path()).into_folder(out.path())) {
            Ok(summary) => summary,
            Err(error) => {
                eprintln!("{}: {error}", fixture.name);
                failed.push(fixture.name.clone());
                continue;
            }
        };
        println!(
            "{}: {} records, {} changes redone, {} present, {} undone in {} transactions, {:.1} MB \
             of log in {:?}",
            fixture.name,
            summary.counts.records,
            summary.counts.redone,
            summary.counts.present,
            summary.counts.undone,
            summary.counts.rolled_back,
            summary.log_bytes as f64 / 1e6,
            summary.elapsed
        );
        let found = dump(&summary.database);
        // Recovery in place gives the same pages.
        let in_place = recover(options(folder.path())).unwrap().database;
        let [copy, in_place] = [&summary.database, &in_place].map(|path| pages(path));
        assert!(copy == in_place, "{}", fixture.name);
        let different = if let Some(expected) = expected(&fixture) {
            differences(&fixture.name, &expected, &found)
        } else if let Some(objects) = companion(&fixture, "objects", ".jsonl.zst") {
            directory_differences(&fixture.name, &objects, &found)
        } else {
            continue;
        };
        compared += 1;
        if different > 0 {
            failed.push(fixture.name.clone());
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    assert!(compared > 0);
}

/// The pages of a database, without the headers.
fn pages(database: &Path) -> Vec<u8> {
    let headers = ese::header::DatabaseHeaders::read(database).unwrap();
    let start = headers.header.page_size().offset_of(1) as usize;
    std::fs::read(database).unwrap().split_off(start)
}

/// Each has its own number in the records of the logs that they share.
#[test]
fn two_databases_of_one_sequence_of_logs_are_recovered_one_after_the_other() {
    let Some(fixture) = testkit::find("ese/twodb-p8192") else {
        return;
    };
    let expected = ["expected.jsonl.zst", "expected-two.jsonl.zst"];
    let expected = expected.map(|name| fixture.companion(name).unwrap());
    let in_place = fixture.unpack();
    let databases = databases_in(in_place.path());
    let names = databases.iter().map(|path| path.file_name().unwrap());
    for (name, expected) in names.zip(&expected) {
        let name = name.to_str().unwrap();
        let out = tempfile::tempdir().unwrap();
        let folder = fixture.unpack();
        let new = Options::new(folder.path()).database(name);
        let new = recover(new.into_folder(out.path())).unwrap();
        let same = Options::new(in_place.path()).database(name);
        let same = recover(same.archive_logs(true)).unwrap();
        for database in [new.database, same.database] {
            assert_eq!(differences(name, expected, &dump(&database)), 0);
        }
    }
}

/// The value of a field of a flat JSON object, up to the next comma.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let start = line.find(&format!("\"{name}\":"))? + name.len() + 3;
    let rest = &line[start..];
    Some(rest[..rest.find([',', '}'])?].trim_matches('"'))
}

/// The first value of a column of a dumped row, as a number.
fn column(line: &str, name: &str) -> Option<u64> {
    let start = line.find(&format!("\"{name}\":[\""))? + name.len() + 5;
    let bytes = line[start..].split('"').next()?;
    let bytes: Vec<u8> = (0..bytes.len() / 2)
        .map(|index| u8::from_str_radix(&bytes[2 * index..2 * index + 2], 16).unwrap())
        .collect();
    let mut number = [0; 8];
    number.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    Some(u64::from_le_bytes(number))
}

/// Compares rows of the directory with the objects written to it: number, parent, naming context,
/// references, both USNs.
fn directory_differences(name: &str, objects: &[u8], dump: &[u8]) -> usize {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    let mut rows = BTreeMap::new();
    for line in text(dump).lines() {
        if line.starts_with(r#"{"t":"row","table":"datatable""#) {
            let columns = [
                "PDNT_col",
                "NCDNT_col",
                "cnt_col",
                "ATTq131091",
                "ATTq131192",
            ];
            let values = columns.map(|name| column(line, name));
            rows.insert(column(line, "DNT_col").unwrap(), values);
        }
    }
    let mut count = 0;
    let mut different = 0;
    for line in text(objects).lines() {
        let number = |name| field(line, name).and_then(|value| value.parse::<u64>().ok());
        let names = ["pdnt", "ncdnt", "refcount", "uSNCreated", "uSNChanged"];
        let expected = names.map(number);
        let dnt = number("dnt").unwrap();
        let found = rows.remove(&dnt);
        count += 1;
        // The objects file has fewer fields of the first three rows.
        let agrees = |found: [Option<u64>; 5]| {
            let mut pairs = expected.iter().zip(found);
            pairs.all(|(expected, found)| expected.is_none() || *expected == found)
        };
        if !found.is_some_and(agrees) {
            different += 1;
            if different <= 3 {
                eprintln!("{name} DNT {dnt}: expected {expected:?}, found {found:?}");
            }
        }
    }
    println!(
        "{name}: {count} objects, {different} different, {} rows too many",
        rows.len()
    );
    different + rows.len()
}

/// The lines of a header dump that do not depend on the time and the program of the recovery.
fn essential(text: &str) -> Vec<String> {
    const NAMES: &[&str] = &[
        "cbDbPage",
        "State",
        "Log Required",
        "Log Committed",
        "Log Recovering",
        "Log Consistent",
        "Shadowed",
        "Last Objid",
        "Format ulVersion",
        "Last Attach",
        "DB Signature",
        "Log Signature",
        "Dbid",
        "Repair Count",
        "Old Repair Count",
        "Shrink Count",
        "Trim Count",
        "Log Gen",
        "Mark",
        "Gen. Max. Req. Creation Time",
        "Gen. Max. Com. Creation Time",
    ];
    text.lines()
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.trim();
            // The position is followed by the time at which that recovery reached it.
            let value = match name {
                "Last Attach" => value.split(')').next()?,
                _ => value,
            };
            NAMES
                .contains(&name)
                .then(|| format!("{name}: {}", value.trim()))
        })
        .collect()
}

#[test]
fn the_header_is_as_the_engine_leaves_it() {
    let mut compared = 0;
    for fixture in testkit::every() {
        let Some(expected) = companion(&fixture, "header-after", ".txt") else {
            continue;
        };
        let out = tempfile::tempdir().unwrap();
        let summary = recovered(&fixture, out.path());
        let headers = ese::header::DatabaseHeaders::read(&summary.database).unwrap();
        assert_eq!(headers.copies, ese::header::HeaderCopies::Identical);
        let listed: String = (headers.header.listing(None).iter())
            .map(|field| format!("{}: {}\n", field.name, field.value))
            .collect();
        let expected = String::from_utf8(expected).unwrap();
        let (expected, found) = (essential(&expected), essential(&listed));
        for (expected, found) in expected.iter().zip(&found) {
            assert_eq!(expected, found, "{}", fixture.name);
        }
        assert_eq!(expected.len(), found.len(), "{}", fixture.name);
        compared += 1;
    }
    assert!(compared > 0);
}

fn failed_to_recover(fixture: &Fixture, folder: &Path, what: &str) -> bool {
    let out = tempfile::tempdir().unwrap();
    let summary = match recover(options(folder).into_folder(out.path())) {
        Ok(summary) => summary,
        Err(error) => {
            eprintln!("{} {what}: {error}", fixture.name);
            return true;
        }
    };
    println!(
        "{} {what}: {} records, {} changes redone, {} present, {} undone in {} transactions, {:.1} \
         MB of log in {:?}",
        fixture.name,
        summary.counts.records,
        summary.counts.redone,
        summary.counts.present,
        summary.counts.undone,
        summary.counts.rolled_back,
        summary.log_bytes as f64 / 1e6,
        summary.elapsed
    );
    match expected(fixture) {
        Some(expected) => {
            let name = format!("{} {what}", fixture.name);
            differences(&name, &expected, &dump(&summary.database)) > 0
        }
        None => false,
    }
}

/// The strictest test of redo: the database file is emptied, so that every change since its
/// creation is redone, and any that does not fit the one before is detected.
#[test]
fn a_database_is_rebuilt_from_its_first_log_on() {
    let mut failed = Vec::new();
    let mut compared = 0;
    for fixture in testkit::every() {
        let folder = unpacked(&fixture);
        let Some((database, page)) = back_to_creation(folder.path(), 0) else {
            continue;
        };
        std::fs::write(&database, [&page[..], &page[..]].concat()).unwrap();
        if failed_to_recover(&fixture, folder.path(), "from nothing") {
            failed.push(fixture.name.clone());
        }
        compared += 1;
    }
    assert!(failed.is_empty(), "{failed:?}");
    assert!(compared > 0);
}

/// If the creation itself was interrupted, the engine deletes the file and creates the database
/// again.
#[test]
fn a_database_that_was_just_created_is_created_anew() {
    const JUST_CREATED: u32 = 1;
    let mut compared = 0;
    for fixture in testkit::every() {
        let folder = unpacked(&fixture);
        let Some((database, page)) = back_to_creation(folder.path(), 0) else {
            continue;
        };
        let mut header = ese::header::DatabaseHeader::parse(&page).unwrap();
        header.state = JUST_CREATED.into();
        header.last_attach = ese::header::Lgpos::MIN;
        header.min_required = 0.into();
        let page = header.to_page();
        // Unrecorded content of the file must not matter.
        let stale = std::fs::read(&database).unwrap();
        let file = [
            &page[..],
            &page[..],
            &stale[2 * page.len()..][..8 * page.len()],
        ]
        .concat();
        std::fs::write(&database, &file).unwrap();
        assert!(!failed_to_recover(&fixture, folder.path(), "just created"));

        // Recovery fails without the logs.
        let set = ese::log_set::LogSet::in_folder(folder.path(), "edb").unwrap();
        std::fs::remove_file(&set.get(1, &header.log_signature).unwrap().path).unwrap();
        let out = tempfile::tempdir().unwrap();
        let error = recover(options(folder.path()).into_folder(out.path())).unwrap_err();
        assert!(error.to_string().contains("Just Created"), "{error}");
        compared += 1;
    }
    assert!(compared > 0);
}

/// The engine writes pages in any order. Here an arbitrary part of them was never written since the
/// database was created, while the others are in their state of the crash: splits, merges and moves
/// find one of their pages done and the other not.
#[test]
fn pages_may_have_been_written_in_any_order() {
    let mut failed = Vec::new();
    let mut compared = 0;
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for fixture in testkit::every() {
        // The state after a clean shutdown or a backup may be newer or older than the logs' own
        // end.
        let folder = unpacked(&fixture);
        let headers = ese::header::DatabaseHeaders::read;
        let dirty = (contents(folder.path()).into_keys())
            .filter_map(|path| headers(&path).ok())
            .any(|headers| !headers.header.is_clean() && !headers.header.awaits_patch());
        let Some((database, page)) = back_to_creation(folder.path(), u32::MAX - 1) else {
            continue;
        };
        if !dirty || fixture.name.starts_with("ntds") {
            continue;
        }
        let last = ese::log_set::LogSet::in_folder(folder.path(), "edb").unwrap();
        let last = last.logs.last().unwrap().generation();
        let (_, page_of_last) = back_to_creation(folder.path(), last).unwrap();
        assert_eq!(page.len(), page_of_last.len());
        let size = page.len();
        let original = std::fs::read(&database).unwrap();
        for part in [10, 50, 90] {
            let mut file = original.clone();
            file[..size].copy_from_slice(&page_of_last);
            file[size..2 * size].copy_from_slice(&page_of_last);
            for page in file[2 * size..].chunks_mut(size) {
                if next() % 100 < part {
                    page.fill(0);
                }
            }
            std::fs::write(&database, &file).unwrap();
            let what = format!("without {part}% of its pages");
            if failed_to_recover(&fixture, folder.path(), &what) {
                failed.push(format!("{} {what}", fixture.name));
            }
            compared += 1;
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
    assert!(compared > 0);
}
