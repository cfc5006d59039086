//! Known errors of other readers of the format.

use std::path::PathBuf;

use ese::Database;
use ese::compression::Scheme;
use ese::dump::Dump;
use ese::long_value::{LongValueKey, LongValueRoot, LongValues};
use ese::rows::Value;

/// The databases of all fixtures, unpacked one at a time.
fn each_database(mut check: impl FnMut(&str, &Database)) {
    for fixture in testkit::every() {
        let folder = fixture.unpack();
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder.path())
            .expect("list the folder")
            .map(|entry| entry.expect("folder entry").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|kind| kind == "edb" || kind == "dit")
            })
            .collect();
        files.sort();
        for file in files {
            check(
                &fixture.name,
                &Database::open(&file).expect("open the database"),
            );
        }
    }
}

#[test]
fn deleted_nodes_are_no_rows() {
    let mut hidden = 0;
    // Dirty databases have them. If the pages of such a database do not match, the rows end.
    each_database(|name, database| {
        for entry in database.tables().unwrap_or_default() {
            let Ok(Some(table)) = database.table(&entry.name) else {
                continue;
            };
            let mut bookmarks = Vec::new();
            let mut rows = database.rows(&table).include_deleted();
            while let Ok(Some(row)) = rows.next() {
                bookmarks.push((row.is_deleted(), row.bookmark().to_vec()));
            }
            let mut rows = database.rows(&table);
            for (_, bookmark) in bookmarks.iter().filter(|(deleted, _)| !deleted) {
                let row = rows.next().expect("a row").expect("one more");
                assert!(
                    !row.is_deleted() && row.bookmark().to_vec() == *bookmark,
                    "{name}: {}",
                    entry.name
                );
            }
            for (_, bookmark) in bookmarks.iter().filter(|(deleted, _)| *deleted) {
                assert!(
                    rows.find(bookmark).expect("a search").is_none(),
                    "{name}: {}",
                    entry.name
                );
                hidden += 1;
            }
        }
    });
    assert!(hidden > 0, "some fixture holds rows that wait for clean-up");
}

#[test]
fn uncompressed_chunks_that_look_compressed_are_read_as_they_are() {
    let mut misleading = 0;
    each_database(|name, database| {
        if !database.is_clean() {
            return;
        }
        for entry in database.tables().expect("tables") {
            let table = database
                .table(&entry.name)
                .expect("a table")
                .expect("is there");
            let Some(tree) = table.long_values else {
                continue;
            };
            let mut values = LongValues::new(database.pages(), tree, table.chunk_len);
            let mut cursor = database.nodes(tree);
            let mut root = None;
            while cursor.advance().expect("a node") {
                let node = cursor.node().expect("a node").expect("is there");
                match LongValueKey::read(&node.key).expect("a key of a long value") {
                    LongValueKey::Root(id) => {
                        root = Some((id, LongValueRoot::read(node.data).expect("a root")))
                    }
                    LongValueKey::Chunk(id, offset) => {
                        let Some((_, root)) = root.filter(|(root, _)| *root == id) else {
                            continue;
                        };
                        let whole = table.chunk_len.min(root.len - offset) as usize;
                        let looks_compressed =
                            !matches!(Scheme::of(node.data[0]), Scheme::Unknown(_));
                        if node.data.len() == whole && looks_compressed && !node.flags.is_deleted()
                        {
                            misleading += 1;
                            let mut value = Vec::new();
                            values.read(id, &mut value).expect("a value");
                            assert_eq!(
                                value.len(),
                                root.len as usize,
                                "{name}: {} {id}",
                                entry.name
                            );
                            let start = offset as usize;
                            assert_eq!(
                                &value[start..start + whole],
                                node.data,
                                "{name}: {} {id}",
                                entry.name
                            );
                        }
                    }
                }
            }
        }
    });
    assert!(misleading > 0, "some fixture holds such chunks");
}

#[test]
fn every_entry_of_every_index_is_found_by_its_key_and_leads_to_its_row() {
    let mut last_on_page = 0;
    each_database(|name, database| {
        if !database.is_clean() {
            return;
        }
        for entry in database.tables().expect("tables") {
            let table = database
                .table(&entry.name)
                .expect("a table")
                .expect("is there");
            for index in table.indexes() {
                let mut walk = database.nodes(index.tree);
                let mut seek = database.nodes(index.tree);
                let mut rows = database.rows(&table);
                while walk.advance().expect("a node") {
                    let node = walk.node().expect("a node").expect("is there");
                    let is_last = walk
                        .page()
                        .is_some_and(|page| Some(page.node_count() - 1) == walk.index());
                    last_on_page += usize::from(is_last);
                    let key = node.key.to_vec();
                    let data = if index.flags.is_unique() {
                        &[]
                    } else {
                        node.data
                    };
                    assert!(
                        seek.seek(&key, data).expect("a search"),
                        "{name}: {}.{}",
                        entry.name,
                        index.name
                    );
                    let found = seek.node().expect("a node").expect("is there");
                    assert_eq!(
                        (found.key, found.data),
                        (node.key, node.data),
                        "{name}: {}.{}",
                        entry.name,
                        index.name
                    );
                    if !node.flags.is_deleted() && !index.flags.is_primary() {
                        let row = rows.find(node.data).expect("a search");
                        assert!(row.is_some(), "{name}: {}.{}", entry.name, index.name);
                    }
                }
                // There are as many nodes backwards.
                let (mut forwards, mut backwards) = (0, 0);
                let mut cursor = database.nodes(index.tree);
                while cursor.advance().expect("a node") {
                    forwards += 1;
                }
                cursor.reset();
                while cursor.retreat().expect("a node") {
                    backwards += 1;
                }
                assert_eq!(forwards, backwards, "{name}: {}.{}", entry.name, index.name);
            }
        }
    });
    assert!(
        last_on_page > 100,
        "leaves end with entries that were looked for"
    );
}

#[test]
fn the_catalog_can_be_read_as_a_table_although_it_describes_itself_wrongly() {
    each_database(|name, database| {
        let catalog = database
            .table("MSysObjects")
            .expect("a table")
            .expect("is there");
        let column = |name| catalog.column(name).expect("a column of the catalog");
        let (kind, id, owner) = (column("Type"), column("Id"), column("ObjidTable"));
        let mut rows = database.rows(&catalog);
        let mut tables = 0;
        while let Ok(Some(row)) = rows.next() {
            if row.typed(kind).expect("a type") == Value::Short(1) {
                assert_eq!(
                    row.typed(id).expect("an id"),
                    row.typed(owner).expect("an id"),
                    "{name}"
                );
                tables += 1;
            }
        }
        if database.is_clean() {
            assert_eq!(tables, database.tables().expect("tables").len(), "{name}");
        }
    });
}

#[test]
fn databases_of_every_format_open_and_the_newest_too() {
    let mut revisions = std::collections::BTreeSet::new();
    each_database(|name, database| {
        revisions.insert(database.headers().header.update_major.get());
        assert!(database.tables().expect("tables").len() >= 2, "{name}");
    });
    assert!(revisions.contains(&290), "0x620,290 is among {revisions:?}");
    assert!(revisions.contains(&20), "0x620,20 is among {revisions:?}");
}

#[test]
fn dirty_databases_are_read_without_a_panic() {
    each_database(|name, database| {
        if database.is_clean() {
            return;
        }
        let mut lines = Counter(0);
        match Dump::new().with_indexes(true).write(database, &mut lines) {
            Ok(()) => println!("{name}: {} bytes", lines.0),
            Err(error) => println!("{name}: {} bytes, then {error}", lines.0),
        }
        // The catalog was flushed before the crash, so it is readable without recovery.
        assert!(lines.0 > 0, "{name}");
    });
}

/// Counts the bytes written to it.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
