//! The reader's dump of a clean database equals, line for line, that of the real engine.

use crate::clean;
use ese::dump::Dump;
use ese::structure::verify_structure;

#[test]
fn the_dump_of_a_clean_database_equals_the_engines() {
    let mut failed = 0;
    clean::each(|fixture, database| {
        let Some(expected) = fixture.companion("expected.jsonl.zst") else {
            return;
        };
        let mut found = Vec::new();
        let dump = Dump::new().with_indexes(true);
        dump.write(database, &mut found)
            .unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        let (mut lines, mut different) = (0, 0);
        let mut left = expected.split(|byte| *byte == b'\n');
        let mut right = found.split(|byte| *byte == b'\n');
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
                    let (left, right) = (show(left), show(right));
                    let name = &fixture.name;
                    eprintln!("{name} line {lines}:\n  engine {left:?}\n  reader {right:?}");
                }
            }
        }
        println!("{}: {lines} lines, {different} different", fixture.name);
        failed += usize::from(different > 0);
    });
    assert_eq!(failed, 0, "dumps that differ");
}

#[test]
fn the_structure_of_every_clean_database_is_sound() {
    clean::each(|fixture, database| {
        let name = &fixture.name;
        let mut findings = Vec::new();
        let summary = verify_structure(database, &mut |finding| findings.push(finding));
        let summary = summary.expect("readable");
        assert!(findings.is_empty(), "{name}: {findings:?}");
        let leaks = summary.leaked_pages + summary.orphaned_long_values;
        assert_eq!(leaks, 0, "{name}");
        println!("{name}: {summary:?}");
    });
}
