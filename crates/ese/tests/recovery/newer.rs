//! Pages newer than the replayed logs: those that are valid, and those that show that a part of the
//! logs is missing.

use crate::scene;

use crate::common::{self, database_in, options};
use crate::scene::{SESSION, Scene};
use ese::Database;
use ese::header::{DatabaseHeaders, Lgpos};
use ese::page::Pgno;
use ese::recovery::{Error, Options, recover};
use testkit::Fixture;

/// Record types, by their numbers in the log.
const BEGIN: u8 = 8;
const CREATE_SINGLE_EXTENT: u8 = 25;
const INSERT: u8 = 29;
const DELETE: u8 = 35;
const SET_EXTERNAL_HEADER: u8 = 38;
const FREE_TREE: u8 = 74;

/// A page split shortly before the last of several attachments in one log (from a real computer's
/// database): its pages are newer than the database's DBTIME in the log's header, and the split is
/// not replayed, since the file was clean after it.
#[test]
fn a_split_before_the_last_attachment_explains_its_pages() {
    let Some(folder) = testkit::full_set() else {
        return;
    };
    let set = folder.join("reported/recover-split-before-last-attach");
    if !set.is_dir() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(&set).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let fixture = Fixture {
            name: name.clone(),
            archive: set.join(&name),
        };
        if let Some(plain) = name.strip_suffix(".zst") {
            let bytes = fixture.companion(&name).unwrap();
            std::fs::write(folder.path().join(plain), bytes).unwrap();
        }
    }
    let before = std::fs::read(folder.path().join("SRUDB.dat")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let options = Options::new(folder.path()).log_base_name("SRU");
    let summary = recover(options.into_folder(out.path())).unwrap();
    let after = std::fs::read(&summary.database).unwrap();
    let size = DatabaseHeaders::read(&summary.database)
        .unwrap()
        .header
        .page_size();
    let pages = size.offset_of(1) as usize;
    // Unowned pages at the end of the file are cut off.
    assert!(after.len() > pages && before.len() >= after.len());
    assert!(
        before[pages..after.len()] == after[pages..],
        "nothing was changed since"
    );
}

/// A page like those that a tree takes and returns at once if the operation fails.
fn new_page(file: &scene::File, number: Pgno, dbtime: u64) -> Vec<u8> {
    const TAG_COUNT: usize = 34;
    const FREE: usize = 28;
    let used = (1..=file.pages())
        .find(|page| {
            let view = file.view(*page);
            let flags = view.flags();
            !view.is_blank() && flags.is_leaf() && !flags.is_root() && !flags.is_empty()
        })
        .unwrap();
    let mut page = file.page(used).to_vec();
    let room = file.size.bytes() - file.size.header_len() - 4;
    page[8..16].copy_from_slice(&dbtime.to_le_bytes());
    page[FREE..FREE + 2].copy_from_slice(&(room as u16).to_le_bytes());
    page[FREE + 2..FREE + 4].copy_from_slice(&0_u16.to_le_bytes());
    page[FREE + 4..FREE + 6].copy_from_slice(&0_u16.to_le_bytes());
    page[TAG_COUNT..TAG_COUNT + 2].copy_from_slice(&1_u16.to_le_bytes());
    let end = page.len() - 4;
    page[file.size.header_len()..].fill(0);
    page[end..].fill(0);
    ese::checksum::seal_page(&mut page, number);
    page
}

#[test]
fn a_new_page_without_content_needs_a_record_only_where_there_are_such() {
    for (name, is_recovered) in [
        ("ese/efv9060-uncommitted", true),
        ("ese/ad2016-uncommitted", true),
        ("ese/p8192-uncommitted", false),
    ] {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let folder = fixture.unpack();
        let path = database_in(folder.path());
        let mut file = scene::File::read(&path);
        let unused = (1..=file.pages()).rfind(|page| file.view(*page).is_blank());
        let unused = unused.expect("a page that was never written");
        let page = new_page(&file, unused, 1 << 40);
        let start = file.size.offset_of(unused) as usize;
        file.bytes[start..start + page.len()].copy_from_slice(&page);
        std::fs::write(&path, &file.bytes).unwrap();

        let out = tempfile::tempdir().unwrap();
        match recover(options(folder.path()).into_folder(out.path())) {
            Ok(_) => assert!(is_recovered, "{name}"),
            Err(Error::NewerThanLogs { page, .. }) => {
                assert!(!is_recovered && page == unused, "{name}: page {page}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

/// The header has an attachment that the logs do not: their end is missing, even if no page is
/// newer.
#[test]
fn logs_that_end_before_the_attachment_are_refused() {
    let folder = testkit::find("sample-forest/dirty").unwrap().unpack();
    let database = database_in(folder.path());
    let mut header = DatabaseHeaders::read(&database).unwrap().header;
    let last = header.max_required.get();
    header.last_attach = Lgpos::new(last, 0xffff, 0);
    header.dbtime = ese::header::DbTime::new(1 << 40);
    let page = header.to_page();
    let mut file = std::fs::read(&database).unwrap();
    file[..2 * page.len()].copy_from_slice(&[&page[..], &page].concat());
    std::fs::write(&database, file).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = recover(Options::new(folder.path()).into_folder(out.path())).unwrap_err();
    assert!(matches!(error, Error::LogsEndTooEarly { .. }), "{error}");
}

/// A secondary index of one page that the undo leaves alone.
fn index_of_one_page(scene: &Scene) -> Option<Pgno> {
    let file = &scene.recovered;
    let database = Database::over(file.bytes.clone(), "recovered").unwrap();
    database.tables().unwrap().iter().find_map(|entry| {
        let table = database.table(&entry.name).unwrap().unwrap();
        let mut indices = (table.indexes().iter()).filter(|index| !index.flags.is_primary());
        let fits = |page: Pgno| {
            let view = file.view(page);
            view.flags().is_leaf() && view.flags().has_non_unique_keys() && scene.is_settled(page)
        };
        indices.find_map(|index| fits(index.tree.root).then_some(index.tree.root))
    })
}

/// The creation of an index is rolled back while another session has added to it and continues:
/// these additions are void, and the only record of it is the one that frees the tree. The engine
/// then forgets them.
#[test]
fn changes_to_a_tree_that_was_freed_are_not_taken_back() {
    const VERSIONED: u8 = 1;
    const OTHER: u16 = SESSION + 1;
    for is_freed in [true, false] {
        let (mut scene, root) = Scene::with(index_of_one_page);
        let mut begin = vec![BEGIN];
        begin.extend(OTHER.to_le_bytes());
        begin.push(0x10);
        begin.extend(0x7000_1000_u32.to_le_bytes());
        scene.add(begin);

        let line = scene.recovered.view(root).node_count() as u16;
        let (mut insert, after) = scene.node_head(INSERT, root, scene.dbtime(root), line);
        insert[1..3].copy_from_slice(&OTHER.to_le_bytes());
        insert[31] = VERSIONED;
        insert[32..36].copy_from_slice(&0x0077_7777_u32.to_le_bytes());
        for size in [8_u16, 0, 4] {
            insert.extend(size.to_le_bytes());
        }
        insert.extend([0xff; 12]);
        scene.add(insert);
        let (delete, _) = scene.node_head(DELETE, root, after, line);
        scene.add(delete);
        if is_freed {
            let mut free = vec![FREE_TREE, 10, 0, 0, 0, scene.number];
            free.extend(root.to_le_bytes());
            free.extend(0_u32.to_le_bytes());
            free.push(2);
            scene.add(free);
        }
        scene.log();
        match scene.recover() {
            Ok((_, dumped)) => assert!(is_freed && dumped == scene.expected),
            Err(error) => assert!(!is_freed && matches!(error, Error::Undo { .. }), "{error}"),
        }
    }
}

/// The last two pages that were never written.
fn unused_pages(scene: &Scene) -> Option<(Pgno, Pgno)> {
    let file = &scene.recovered;
    let mut unused = (1..=file.pages())
        .rev()
        .filter(|page| file.view(*page).is_blank());
    unused.next().zip(unused.next())
}

/// Sets or clears circular logging in the headers of all logs.
fn set_circular(folder: &std::path::Path, is_circular: bool) {
    let at = std::mem::offset_of!(ese::header::LogHeader, flags);
    for log in ese::log_set::LogSet::in_folder(folder, "edb").unwrap().logs {
        let mut bytes = std::fs::read(&log.path).unwrap();
        bytes[at] = bytes[at] & !6 | if is_circular { 6 } else { 0 };
        common::version_7::seal_header(&mut bytes);
        std::fs::write(&log.path, bytes).unwrap();
    }
}

/// With circular logging the engine builds the index of a large table without records: it logs the
/// creation of the tree and, when all its pages are written, a change of its root.
#[test]
fn pages_of_an_index_may_change_without_a_record_while_it_is_built() {
    const OBJECT: u32 = 0x7000;
    #[derive(Debug, PartialEq)]
    enum Changed {
        Amid,
        After,
        Uncreated,
        Logged,
    }
    for changed in [
        Changed::Amid,
        Changed::After,
        Changed::Uncreated,
        Changed::Logged,
    ] {
        let (mut scene, (root, page)) = Scene::with(unused_pages);
        let index = Scene::with(index_of_one_page).1;
        let created = scene.next;
        let mut create = scene.page_head(CREATE_SINGLE_EXTENT, root, 0, 0);
        for field in [OBJECT, index, 1, 0x42] {
            create.extend(field.to_le_bytes());
        }
        if changed != Changed::Uncreated {
            scene.add(create);
        }
        scene.next += 10;
        if changed != Changed::Uncreated {
            let (mut header, _) = scene.node_head(SET_EXTERNAL_HEADER, root, created, 0);
            header[40..44].copy_from_slice(&OBJECT.to_le_bytes());
            header.extend(16_u16.to_le_bytes());
            header.extend([0; 16]);
            scene.add(header);
        }
        scene.log();
        set_circular(scene.folder.path(), changed != Changed::Logged);

        let dbtime = match changed {
            Changed::After => created + 20,
            _ => created + 5,
        };
        let mut built = scene.recovered.page(index).to_vec();
        built[8..16].copy_from_slice(&dbtime.to_le_bytes());
        built[24..28].copy_from_slice(&OBJECT.to_le_bytes());
        ese::checksum::seal_page(&mut built, page);
        scene.put(page, &built);
        match scene.recover() {
            Ok((_, dumped)) => assert!(changed == Changed::Amid && dumped == scene.expected),
            Err(Error::NewerThanLogs { page: found, .. }) => {
                assert!(changed != Changed::Amid && found == page, "{changed:?}");
            }
            Err(error) => panic!("{changed:?}: {error}"),
        }
    }
}
