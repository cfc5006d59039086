//! What can be read of a damaged database is read, in whole lines, and what is missing is said.

use std::path::Path;

use crate::lab::set::{Set, damage_page, edit_header, run, succeed};
use ese::Database;
use ese::page::PageKind;

/// The catalog's tree, and that of its copy.
const CATALOG: u32 = 2;

/// The pages of the catalog that hold records.
fn catalog_leaves(database: &str) -> Vec<u32> {
    let database = Database::open(database).expect("open");
    let is_leaf = |number: &u32| {
        let page = database.page(*number).expect("readable");
        let view = page.view();
        let flags = view.flags();
        view.header().objid == CATALOG
            && flags.kind() == PageKind::Primary
            && flags.is_leaf()
            && view.node_count() > 0
    };
    (1..=database.page_count()).filter(is_leaf).collect()
}

#[test]
fn the_catalogs_copy_stands_in_for_a_damaged_catalog() {
    let whole = Set::shipped("sample-forest/clean");
    for damaged in [4, catalog_leaves(&whole.database)[1]] {
        let set = Set::shipped("sample-forest/clean");
        damage_page(&set.database, damaged);
        for command in [
            &["tables", "--json"][..],
            &["dump"],
            &["dump", "--csv", "--table", "hiddentable"],
            &["facts"],
        ] {
            let expected = succeed(&[command, &[&whole.database]].concat());
            let found = succeed(&[command, &[&set.database]].concat());
            assert!(
                found.stdout.replace(&set.database, "")
                    == expected.stdout.replace(&whole.database, ""),
                "{command:?}"
            );
            assert!(
                found.stderr.contains("MSysObjectsShadow")
                    && found.stderr.contains("catalog is damaged"),
                "{command:?}: {}",
                found.stderr
            );
        }
        let checked = run(&["verify-db", &set.database]);
        assert_eq!(checked.code, Some(1), "{checked}");
    }
}

#[test]
fn damage_inside_a_row_leaves_whole_lines() {
    // Leaves of long values, which end a row in its middle.
    let whole = Set::shipped("sample-forest/clean");
    let pages: Vec<u32> = {
        let database = Database::open(&whole.database).expect("open");
        let is_leaf = |number: &u32| {
            let page = database.page(*number).expect("readable");
            let (flags, nodes) = (page.view().flags(), page.view().node_count());
            flags.kind() == PageKind::LongValue && flags.is_leaf() && !flags.is_root() && nodes > 0
        };
        (1..=database.page_count()).filter(is_leaf).collect()
    };
    assert!(!pages.is_empty());
    let mut damaged = 0;
    for page in pages.iter().step_by(pages.len().div_ceil(4)) {
        let set = Set::shipped("sample-forest/clean");
        damage_page(&set.database, *page);
        let found = run(&["dump", "-q", &set.database]);
        if found.code == Some(0) {
            continue;
        }
        damaged += 1;
        assert_eq!(found.code, Some(3), "{}", found.stderr);
        assert!(
            found.stdout.ends_with('\n'),
            "page {page}: the last line is cut off"
        );
        for line in found.stdout.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a whole line");
        }
        let csv = run(&["dump", "-q", "--csv", "--table", "datatable", &set.database]);
        let rows = records(&csv.stdout);
        assert!(
            rows.iter().all(|row| row.len() == rows[0].len()),
            "page {page}"
        );
    }
    assert!(damaged > 0);
}

/// The records of a CSV text, as RFC 4180 has them.
fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                assert!(field.is_empty(), "a quotation mark inside a field: {field}");
                loop {
                    match characters.next().expect("the field ends") {
                        '"' if characters.peek() == Some(&'"') => {
                            field.push('"');
                            characters.next();
                        }
                        '"' => break,
                        other => field.push(other),
                    }
                }
                assert!(
                    matches!(characters.peek(), Some(',' | '\n') | None),
                    "a field ends with its quotation mark: {field}"
                );
            }
            ',' => record.push(std::mem::take(&mut field)),
            '\n' => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            other => field.push(other),
        }
    }
    records
}

#[test]
fn a_field_of_several_texts_has_one_pair_of_quotation_marks() {
    for name in ["sample-forest/clean", "ntds/contoso-small"] {
        let Some(set) = testkit::find(name).and_then(|fixture| Set::of(&fixture)) else {
            continue;
        };
        let csv = succeed(&["dump", "-q", "--csv", "--table", "datatable", &set.database]).stdout;
        let rows = records(&csv);
        let several = rows
            .iter()
            .flatten()
            .filter(|field| field.contains(';'))
            .count();
        assert!(
            rows.len() > 100 && several > 10,
            "{name}: {} rows, {several}",
            rows.len()
        );
        for row in &rows {
            assert_eq!(row.len(), rows[0].len(), "{name}: {row:?}");
        }
    }
}

#[test]
fn a_directory_whose_schema_cannot_be_read_is_dumped_without_its_secrets() {
    for name in ["sample-forest/clean", "ntds/contoso-small"] {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let set = Set::of(&fixture).expect("a database");
        let by_schema = succeed(&["dump", "-q", &set.database]).stdout;
        let root = {
            let database = Database::open(&set.database).expect("open");
            let table = database
                .table("datatable")
                .expect("readable")
                .expect("there");
            table.index("PDNT_index").expect("there").tree.root
        };
        damage_page(&set.database, root);
        let found = succeed(&["dump", &set.database]);
        assert!(
            found.stderr.contains("schema cannot be read"),
            "{}",
            found.stderr
        );
        assert_eq!(found.stdout.lines().count(), by_schema.lines().count());
        // As stored where the directory encrypts, withheld where it does not, and else as before.
        assert!(found.stdout.contains("\"ATTk589914\":[\"13000000"));
        let (mut withheld, mut more) = (0, 0);
        for (line, before) in found.stdout.lines().zip(by_schema.lines()) {
            withheld += before.matches("(withheld)").count();
            let now = line.matches("(withheld)").count();
            more += usize::from(now > before.matches("(withheld)").count());
            assert!(
                now >= before.matches("(withheld)").count(),
                "a secret shows"
            );
        }
        println!("{name}: {withheld} values withheld by the schema, more in {more} lines without");
        let redacted = succeed(&["dump", "-q", "--redact-secrets", &set.database]).stdout;
        assert!(!redacted.contains("\"ATTk589914\":[\"13"));
        let csv = succeed(&["dump", "-q", "--csv", "--table", "datatable", &set.database]);
        assert!(
            csv.stderr.contains("schema cannot be read"),
            "{}",
            csv.stderr
        );
    }
}

#[test]
fn a_file_that_is_cut_short_is_an_error() {
    let set = Set::shipped("sample-forest/clean");
    edit_header(&set.database, |_| {});
    let length = std::fs::metadata(&set.database).unwrap().len();
    let database = Database::open(&set.database).expect("open");
    let file = std::fs::File::options()
        .write(true)
        .open(Path::new(&set.database))
        .unwrap();
    // Others cut the file while it is read.
    file.set_len(length / 16).unwrap();
    let mut lines = Vec::new();
    let dumped = ese::dump::Dump::new().write(&database, &mut lines);
    let error = dumped.expect_err("pages are missing").to_string();
    assert!(error.contains("the end of the file"), "{error}");
    let mut findings = 0;
    let checked = ese::structure::verify_structure(&database, &mut |_| findings += 1);
    assert!(!checked.expect("damage is a finding").is_sound() && findings > 0);
}

/// The roots of the trees of long values, and how many long values the rows have.
fn long_values(database: &str) -> (Vec<u32>, usize) {
    let database = Database::open(database).expect("open");
    let (mut roots, mut count) = (Vec::new(), 0);
    for entry in database.tables().expect("tables") {
        let Some(tree) = entry.long_values.filter(|_| !entry.flags.is_system()) else {
            continue;
        };
        roots.push(tree.root);
        let table = database.table(&entry.name).expect("a table").expect("it");
        let mut rows = database.rows(&table);
        while let Some(row) = rows.next().expect("a row") {
            row.visit(|value| {
                count += usize::from(matches!(value.stored, ese::rows::Stored::Separated(_)));
                Ok(())
            })
            .expect("values");
        }
    }
    (roots, count)
}

#[test]
fn a_dump_goes_on_where_long_values_are_gone() {
    let whole = Set::shipped("sample-forest/clean");
    let (roots, count) = long_values(&whole.database);
    assert!(count > 0, "the fixture has long values");
    let set = Set::shipped("sample-forest/clean");
    for root in roots {
        damage_page(&set.database, root);
    }
    let expected = succeed(&["dump", "--indexes", &whole.database]).stdout;
    let dump = run(&["dump", "--indexes", &set.database]);
    assert_eq!(dump.code, Some(3), "{}", dump.stderr);
    let mut missing = 0;
    assert_eq!(dump.stdout.lines().count(), expected.lines().count());
    for (found, expected) in dump.stdout.lines().zip(expected.lines()) {
        let gone = found.matches("(missing)").count();
        assert!(gone > 0 || found == expected, "{found}");
        missing += gone;
    }
    // Those that hold passwords are not looked at.
    assert!(missing > 0 && missing <= count, "{missing} of {count}");
    let named = dump
        .stderr
        .lines()
        .filter(|line| line.contains(", value 1: "));
    assert!(named.count() > 0, "{}", dump.stderr);
    assert!(
        dump.stderr.contains(&format!("{missing} value")),
        "{}",
        dump.stderr
    );

    let table = ["dump", "--csv", "--table", "datatable"];
    let rows = |set: &Set| run(&[&table[..], &[&set.database]].concat()).stdout;
    assert_eq!(rows(&set).lines().count(), rows(&whole).lines().count());
    assert_eq!(rows(&set).matches("(missing)").count(), missing);
}
