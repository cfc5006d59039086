//! Every record of every log, compared with the real engine's own listing if the fixture has one.

use std::fs;
use std::path::{Path, PathBuf};

use ese::log::record::Record;
use ese::log::{ListedRecord, LogKind, LogReader, OpenLog};

/// The engine's listing of one log file: name, and one entry per record (its lines joined).
fn listed(text: &str) -> Vec<(String, Vec<String>)> {
    let mut logs: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            logs.push((name.trim().to_string(), Vec::new()));
        } else if let Some((_, records)) = logs.last_mut() {
            if line.starts_with('>') {
                records.push(normal(line));
            } else if let Some(record) = records.last_mut()
                && (line.trim_start().starts_with("ReplDiff") || is_setting(line))
            {
                record.push(' ');
                record.push_str(&normal(line));
            }
        }
    }
    logs
}

/// Whether the line is one of those after an Init record.
fn is_setting(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("Env SystemPath:C") || line.starts_with("Env OpenLogPath:C")
}

/// Normalises a line: single spaces between words, without the size of a difference's lengths (1B,
/// 2B) and the word for a signature without a computer's name.
fn normal(line: &str) -> String {
    let words = line
        .split_whitespace()
        .filter(|word| !matches!(*word, "1B" | "2B"))
        .map(|word| word.trim_end_matches("<None>"));
    words.collect::<Vec<_>>().join(" ")
}

/// The listing of a record with the first bytes of its content, which the engine shows and ours
/// does not: they prove that the record was parsed as the engine does.
fn with_first_bytes(mut text: String, record: &Record) -> String {
    let mut contents: Vec<Vec<u8>> = vec![match record {
        Record::PrepareCommit(prepare) => prepare.data.to_vec(),
        Record::CommitContext(context) => context.content.to_vec(),
        Record::Merge(merge) => merge.parent_separator.to_vec(),
        Record::EmptyTree(empty) => empty.list.to_vec(),
        Record::Insert(insert) => [insert.prefix, insert.suffix, insert.data].concat(),
        Record::FlagInsertReplace(insert) => [insert.key, insert.data].concat(),
        Record::Replace(replace) => replace.content.to_vec(),
        Record::UndoInfo(info) => [info.key, info.bookmark_data, info.data].concat(),
        Record::SetExternalHeader(set) => set.data.to_vec(),
        Record::Scrub(scrub) => scrub.data.to_vec(),
        _ => Vec::new(),
    }];
    if let Record::ReplaceDelta(replace) = record {
        contents = (replace.differences())
            .map(|difference| difference.unwrap().new.to_vec())
            .collect();
    }
    for content in contents.iter().filter(|content| !content.is_empty()) {
        let first: String = (content.iter().take(16))
            .map(|byte| format!("{byte:02X} "))
            .collect();
        let length = format!("<{} bytes>", content.len());
        assert!(text.contains(&length), "{length}: {text}");
        text = text.replacen(&length, &first, 1);
    }
    assert!(!text.contains(" bytes>"), "{text}");
    text
}

/// Our listing of a log, in the same form.
fn ours(log: &OpenLog) -> Vec<String> {
    let mut lines = Vec::new();
    let mut records = log.records();
    while let Some((position, kind, record)) = records.next().unwrap() {
        let record = &record;
        let text = ListedRecord {
            position,
            kind,
            record,
        }
        .to_string();
        let text = with_first_bytes(text, record);
        let mut entry = text.lines().enumerate().filter_map(|(index, line)| {
            let kept = index == 0 || line.trim_start().starts_with("ReplDiff") || is_setting(line);
            kept.then(|| normal(line))
        });
        let first = entry.next().unwrap();
        lines.push(entry.fold(first, |all, line| all + " " + &line));
    }
    lines
}

#[test]
fn the_listing_is_that_of_the_engine() {
    let mut sets = 0;
    for fixture in testkit::every() {
        let Some(text) = fixture.companion("log-records.txt.zst") else {
            continue;
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        let folder = fixture.unpack();
        let mut records = 0;
        for (name, expected) in listed(&text) {
            let kind = match name.as_str() {
                "edb.log" => LogKind::Current,
                _ => LogKind::Numbered,
            };
            let log = OpenLog::read(&folder.path().join(&name), kind).unwrap();
            let found = ours(&log);
            for (expected, found) in expected.iter().zip(&found) {
                assert_eq!(expected, found, "{}: {name}", fixture.name);
            }
            assert_eq!(expected.len(), found.len(), "{}: {name}", fixture.name);
            records += found.len();
        }
        println!("{}: {records} records equal", fixture.name);
        sets += 1;
    }
    assert!(sets > 0 || testkit::full_set().is_none());
}

#[test]
fn every_record_of_every_set_is_written_as_it_was_read() {
    let mut records = 0;
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        for (path, kind) in logs_of(folder.path()) {
            let log = OpenLog::read(&path, kind).unwrap();
            let mut entries = log.records();
            while let Some(entry) = entries.next_entry().unwrap() {
                let place = || format!("{}: {} at {}", fixture.name, entry.kind, entry.position);
                let written = (entry.record.encode(entry.kind))
                    .unwrap_or_else(|error| panic!("{}: {error}", place()));
                assert_eq!(written, entry.bytes, "{}", place());
                records += 1;
            }
        }
    }
    println!("{records} records");
    assert!(records > 100_000);
}

/// The logs in a folder, in order.
fn logs_of(folder: &Path) -> Vec<(PathBuf, LogKind)> {
    let mut files: Vec<(PathBuf, LogKind)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| match path.file_name()?.to_str()? {
            "edb.log" => Some((path, LogKind::Current)),
            name if name.starts_with("edb0") && name.ends_with(".log") => {
                Some((path, LogKind::Numbered))
            }
            _ => None,
        })
        .collect();
    files.sort_by_key(|(path, kind)| (*kind == LogKind::Current, path.clone()));
    files
}

#[test]
fn every_record_of_every_chain_is_read() {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        let files = logs_of(folder.path());
        let (mut records, mut macros) = (0, 0);
        let mut last = None;
        LogReader::new(files)
            .for_each(|_, position, _, record| {
                assert!(last < Some(position), "{position}");
                last = Some(position);
                records += 1;
                macros += i32::from(matches!(record, Record::MacroBegin(_)));
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        println!("{}: {records} records, {macros} macros", fixture.name);
    }
}

#[test]
fn a_log_of_another_series_or_a_missing_generation_is_refused() {
    let Some(fixture) = testkit::find("ese/p16384-timer") else {
        return;
    };
    let folder = fixture.unpack();
    let log = |name: &str| (folder.path().join(name), LogKind::Numbered);
    let read = |files| LogReader::new(files).for_each(|_, _, _, _| Ok(()));
    assert!(read(vec![log("edb00000002.log"), log("edb00000003.log")]).is_ok());
    let gap = read(vec![log("edb00000002.log"), log("edb00000004.log")]).unwrap_err();
    assert!(gap.to_string().contains("expected 0x3"), "{gap}");
    if let Some(other) = testkit::find("sample-forest/dirty") {
        let other = other.unpack();
        let foreign = (other.path().join("edb00003.log"), LogKind::Numbered);
        let error = read(vec![log("edb00000002.log"), foreign]).unwrap_err();
        assert!(error.to_string().contains("log signature"), "{error}");
    }
}
