//! What the reader finds in a clean database is, line for line, what the real engine finds in it.

use std::path::PathBuf;

use ese::Database;
use ese::dump::Dump;

/// The database files of a fixture's folder.
fn databases(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("list the folder")
        .map(|entry| entry.expect("folder entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|kind| kind == "edb" || kind == "dit")
        })
        .collect();
    found.sort();
    found
}

#[test]
fn the_dump_of_a_clean_database_equals_the_engines() {
    let (mut compared, mut failed) = (0, 0);
    for fixture in testkit::every() {
        let Some(expected) = fixture.companion("expected.jsonl.zst") else {
            continue;
        };
        let folder = fixture.unpack();
        for path in databases(folder.path()) {
            let database = Database::open(&path).expect("open the database");
            if !database.is_clean() {
                continue;
            }
            let mut found = Vec::new();
            Dump::new()
                .with_indexes(true)
                .write(&database, &mut found)
                .unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
            let (mut lines, mut different) = (0, 0);
            let (mut left, mut right) = (
                expected.split(|b| *b == b'\n'),
                found.split(|b| *b == b'\n'),
            );
            loop {
                let (left, right) = (left.next(), right.next());
                if left.is_none() && right.is_none() {
                    break;
                }
                lines += 1;
                if left != right {
                    different += 1;
                    if different <= 3 {
                        let show = |line: Option<&[u8]>| {
                            line.map(|line| {
                                String::from_utf8_lossy(&line[..line.len().min(600)]).into_owned()
                            })
                        };
                        eprintln!(
                            "{} line {lines}:\n  engine {:?}\n  reader {:?}",
                            fixture.name,
                            show(left),
                            show(right)
                        );
                    }
                }
            }
            println!("{}: {lines} lines, {different} different", fixture.name);
            failed += usize::from(different > 0);
            compared += 1;
        }
    }
    assert_eq!(failed, 0, "dumps that differ");
    assert!(compared > 0, "there are clean databases to compare");
}

#[test]
fn the_structure_of_every_clean_database_is_sound() {
    let mut sound = 0;
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        for path in databases(folder.path()) {
            let database = Database::open(&path).expect("open the database");
            if !database.is_clean() {
                continue;
            }
            let mut findings = Vec::new();
            let summary =
                ese::structure::verify_structure(&database, &mut |finding| findings.push(finding))
                    .expect("readable");
            assert!(findings.is_empty(), "{}: {findings:?}", fixture.name);
            assert_eq!(
                summary.leaked_pages + summary.orphaned_long_values,
                0,
                "{}",
                fixture.name
            );
            println!("{}: {summary:?}", fixture.name);
            sound += 1;
        }
    }
    assert!(sound > 0, "there are clean databases to verify");
}
