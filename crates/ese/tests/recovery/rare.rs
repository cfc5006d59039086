//! Redo of records that no set has: scrubbed, trimmed and cut-off pages, emptied trees.
//!
//! The records are made here, in the layout of `logapi.hxx`, and follow the last one of a real
//! set's logs. The expected result is that of the engine's source: `NDScrubOneUsedPage` and
//! `NDScrubOneUnusedPage` (`node.cxx`), `NDEmptyPage` and `NDSetEmptyTree` (`node.hxx`),
//! `ErrLGRIRedoShrinkDB` and `ErrLGRIRedoTrimDB` (`logredo.cxx`).

use crate::common::back_to_creation;
use crate::scene::Scene;
use ese::Database;
use ese::page::Pgno;
use ese::recovery::Error;

/// Record types, by their numbers in the log.
const INSERT: u8 = 29;
const DELETE: u8 = 35;
const EMPTY_TREE: u8 = 48;
const SCRUB: u8 = 64;
const TRIM: u8 = 81;
const SHRINK: u8 = 99;

#[test]
fn a_scrubbed_page_has_deleted_data_and_free_space_overwritten() {
    let (mut scene, page) = Scene::with(|scene| {
        let has_deleted = |page: &Pgno| {
            let view = scene.recovered.view(*page);
            let mut nodes = view.nodes().map(Result::unwrap);
            let deleted = nodes.any(|node| node.flags.is_deleted() && !node.data.is_empty());
            view.flags().is_leaf() && deleted
        };
        let mut settled = scene
            .used()
            .into_iter()
            .filter(|page| scene.is_settled(*page));
        settled.find(has_deleted)
    });
    let before = scene.recovered.clone();
    let view = before.view(page);
    let operations: Vec<u8> = (view.nodes())
        .map(|node| u8::from(node.unwrap().flags.is_deleted()))
        .collect();
    let (mut record, dbtime) = scene.node_head(SCRUB, page, view.header().dbtime, 0);
    record.extend(0_u32.to_le_bytes());
    record.extend((operations.len() as u32).to_le_bytes());
    record.extend((operations.len() as u16).to_le_bytes());
    record.extend(&operations);
    scene.add(record);
    scene.log();

    let (file, dumped) = scene.recover().unwrap();
    assert!(dumped == scene.expected, "what is not deleted stays");
    let scrubbed = file.view(page);
    assert_eq!(scrubbed.header().dbtime, dbtime);
    assert!(scrubbed.flags().is_scrubbed());
    assert_eq!(scrubbed.node_count(), view.node_count());
    for (at, operation) in operations.iter().enumerate() {
        let (old, new) = (view.node(at).unwrap(), scrubbed.node(at).unwrap());
        assert_eq!(old.key.to_vec(), new.key.to_vec());
        assert_eq!(old.flags.is_deleted(), new.flags.is_deleted());
        match operation {
            0 => assert_eq!(old.data, new.data),
            _ => {
                assert_eq!(new.data, vec![b'D'; old.data.len()]);
                assert!(!new.flags.is_versioned());
            }
        }
    }
    let (end, tags) = file.lines(page);
    assert!(file.is_compact(page));
    assert!(file.page(page)[end..tags].iter().all(|byte| *byte == b'Z'));
}

#[test]
fn a_scrubbed_unused_page_holds_nothing() {
    let (mut scene, page) = Scene::with(Scene::empty_page);
    let (mut record, dbtime) = scene.node_head(SCRUB, page, scene.dbtime(page), 0);
    record.extend(1_u32.to_le_bytes());
    record.extend([0; 6]);
    scene.add(record);
    scene.log();

    let (file, dumped) = scene.recover().unwrap();
    assert!(dumped == scene.expected);
    let scrubbed = file.view(page);
    assert_eq!(
        (scrubbed.header().dbtime, scrubbed.node_count()),
        (dbtime, 0)
    );
    assert!(scrubbed.flags().is_scrubbed() && scrubbed.flags().is_empty());
    let (end, tags) = file.lines(page);
    assert!(file.page(page)[end..tags].iter().all(|byte| *byte == b'U'));
}

/// A secondary index that the undo does not change: the start of its entries in the dump, and its
/// pages, the root first.
fn index_of_two_levels(scene: &Scene) -> Option<(String, Vec<Pgno>)> {
    let file = &scene.recovered;
    let database = Database::over(file.bytes.clone(), "recovered").unwrap();
    database.tables().unwrap().iter().find_map(|entry| {
        let table = database.table(&entry.name).unwrap().unwrap();
        let mut indices = table
            .indexes()
            .iter()
            .filter(|index| !index.flags.is_primary());
        indices.find_map(|index| {
            let pages = file.tree(index.tree.root);
            let fits = file.view(pages[0]).flags().is_parent_of_leaf()
                && pages.iter().all(|page| scene.is_settled(*page));
            let is_entry = format!(
                "{{\"t\":\"ix\",\"table\":\"{}\",\"index\":\"{}\",",
                table.name, index.name
            );
            let dump = String::from_utf8_lossy(&scene.expected);
            (fits && dump.contains(&is_entry)).then_some((is_entry, pages))
        })
    })
}

#[test]
fn a_tree_that_became_empty_is_one_empty_leaf() {
    let (mut scene, (is_entry, pages)) = Scene::with(index_of_two_levels);
    let before = scene.recovered.clone();
    let (root, leaves) = pages.split_first().unwrap();
    // Merges leave one child in the end.
    let mut dbtime = scene.dbtime(*root);
    for line in (1..leaves.len()).rev() {
        let (record, after) = scene.node_head(DELETE, *root, dbtime, line as u16);
        scene.add(record);
        dbtime = after;
    }
    let (mut record, after) = scene.node_head(EMPTY_TREE, *root, dbtime, 0);
    record.extend((16 * leaves.len() as u16).to_le_bytes());
    for leaf in leaves {
        record.extend(scene.dbtime(*leaf).to_le_bytes());
        record.extend(leaf.to_le_bytes());
        record.extend(before.view(*leaf).flags().0.to_le_bytes());
    }
    scene.add(record);
    scene.log();

    let (file, dumped) = scene.recover().unwrap();
    let rest: Vec<u8> = (scene.expected.split_inclusive(|byte| *byte == b'\n'))
        .filter(|line| !line.starts_with(is_entry.as_bytes()))
        .collect::<Vec<_>>()
        .concat();
    assert!(rest.len() < scene.expected.len());
    assert!(
        dumped == rest,
        "the index has no entries, all else is as before"
    );
    let view = file.view(*root);
    assert_eq!((view.header().dbtime, view.node_count()), (after, 0));
    assert!(view.flags().is_leaf() && view.flags().is_root() && !view.flags().is_parent_of_leaf());
    assert_eq!(view.external_header(), before.view(*root).external_header());
    for leaf in leaves {
        let view = file.view(*leaf);
        assert!(view.flags().is_empty());
        assert_eq!((view.header().dbtime, view.node_count()), (after, 0));
    }
}

/// The insertion of a node into a missing page.
fn insert(scene: &mut Scene, page: Pgno) -> Vec<u8> {
    let (mut record, _) = scene.node_head(INSERT, page, 77, 0);
    for size in [4_u16, 0, 4] {
        record.extend(size.to_le_bytes());
    }
    record.extend(b"keysdata");
    record
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum When {
    Never,
    Before,
    After,
}

/// Recovers with a change to a page without content, and a record that returns the page to the
/// system.
fn with_lost_page(
    page: impl Fn(&Scene) -> Option<Pgno>,
    when: When,
    given_back: impl Fn(&Scene, Pgno) -> Vec<u8>,
) {
    let (mut scene, page) = Scene::with(page);
    if page <= scene.recovered.pages() {
        scene.put(page, &vec![0; scene.recovered.size.bytes()]);
    }
    let change = insert(&mut scene, page);
    let given_back = given_back(&scene, page);
    match when {
        When::Never => scene.add(change),
        When::Before => scene.records.extend([given_back, change]),
        When::After => scene.records.extend([change, given_back]),
    }
    scene.log();
    match (when, scene.recover()) {
        (When::After, Ok((file, dumped))) => {
            assert!(dumped == scene.expected);
            assert_eq!(file.pages(), scene.recovered.pages());
        }
        (When::After, Err(error)) => panic!("{error}"),
        (_, Err(Error::LostPage { page: lost, .. })) => assert_eq!(lost, page, "{when:?}"),
        (_, other) => panic!("{when:?}: {:?}", other.map(|_| "recovered")),
    }
}

#[test]
fn a_page_that_a_shrink_cut_off_later_is_not_missed() {
    for when in [When::After, When::Before, When::Never] {
        with_lost_page(
            |scene| Some(scene.recovered.pages() + 40),
            when,
            |scene, _| {
                let mut record = vec![SHRINK, scene.number];
                record.extend(scene.recovered.pages().to_le_bytes());
                record.extend(64_u32.to_le_bytes());
                record.extend((scene.next + 1).to_le_bytes());
                record
            },
        );
    }
}

/// A page that was never written.
fn blank_page(scene: &Scene) -> Option<Pgno> {
    (1..=scene.recovered.pages()).find(|page| scene.recovered.view(*page).is_blank())
}

fn trim(number: u8, page: Pgno) -> Vec<u8> {
    let mut record = vec![TRIM, number];
    record.extend(page.to_le_bytes());
    record.extend(1_u32.to_le_bytes());
    record
}

#[test]
fn a_page_that_a_trim_gave_back_later_is_not_missed() {
    for when in [When::After, When::Before, When::Never] {
        with_lost_page(blank_page, when, |scene, page| trim(scene.number, page));
    }
}

#[test]
fn a_trim_after_the_required_range_clears_its_pages() {
    let (mut scene, page) = Scene::with(Scene::empty_page);
    scene.add(trim(1, page));
    scene.log();
    let (database, header) = back_to_creation(scene.folder.path(), 0).unwrap();
    std::fs::write(&database, [header.clone(), header].concat()).unwrap();
    let (file, dumped) = scene.recover().unwrap();
    assert!(dumped == scene.expected);
    assert!(file.page(page).iter().all(|byte| *byte == 0));
}
