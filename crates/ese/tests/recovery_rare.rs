//! Redo of records that no set holds: pages scrubbed, moved, trimmed and cut off, trees that became empty.
//!
//! The records are made here, as `logapi.hxx` lays them out, and stand after the last one of a real set's logs. What they must
//! lead to is what the engine's source does with them: `NDScrubOneUsedPage` and `NDScrubOneUnusedPage` (`node.cxx`),
//! `BTPerformPageMove` (`bt.cxx`), `NDEmptyPage` and `NDSetEmptyTree` (`node.hxx`), `ErrLGRIRedoShrinkDB` and
//! `ErrLGRIRedoTrimDB` (`logredo.cxx`).

mod common;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use common::version_7::{append_records, as_version_7};
use common::{back_to_creation, creation, database_in, dump};
use ese::Database;
use ese::header::DatabaseHeaders;
use ese::page::{PageSize, PageView, Pgno, Tag};
use ese::recovery::{Error, Options, recover};
use tempfile::TempDir;
use testkit::Fixture;

/// Crashed directories with short logs.
const CRASHED: [&str; 3] = [
    "sample-forest/dirty",
    "ese/ad2016-ntds",
    "ese/ad2016-uncommitted",
];

/// Record types, by their numbers in the log.
const BEGIN: u8 = 8;
const COMMIT: u8 = 9;
const INSERT: u8 = 29;
const DELETE: u8 = 35;
const EMPTY_TREE: u8 = 48;
const SCRUB: u8 = 64;
const PAGE_MOVE: u8 = 65;
const TRIM: u8 = 81;
const SHRINK: u8 = 99;

/// A session that the logs know nothing of, and its transaction.
const SESSION: u16 = 0x777;
const TRANSACTION: u32 = 0x7000_0000;

/// A crashed directory, and what it becomes without further records.
struct Scene {
    folder: TempDir,
    /// The engine's own dump after recovery.
    expected: Vec<u8>,
    number: u8,
    recovered: File,
    /// The highest DBTIME of a change that is not the undo's.
    logged: u64,
    /// The DBTIME of the next record.
    next: u64,
    records: Vec<Vec<u8>>,
}

/// A database file in memory.
#[derive(Clone)]
struct File {
    bytes: Vec<u8>,
    size: PageSize,
}

impl File {
    fn read(path: &Path) -> Self {
        let header = DatabaseHeaders::read(path).unwrap().header;
        File {
            bytes: std::fs::read(path).unwrap(),
            size: header.page_size(),
        }
    }

    fn pages(&self) -> u32 {
        self.size.pages_in(self.bytes.len() as u64)
    }

    fn page(&self, number: Pgno) -> &[u8] {
        let start = self.size.offset_of(number) as usize;
        &self.bytes[start..start + self.size.bytes()]
    }

    fn view(&self, number: Pgno) -> PageView<'_> {
        PageView::new(self.page(number), number).unwrap()
    }

    /// The pages below a root, the root first.
    fn tree(&self, root: Pgno) -> Vec<Pgno> {
        let mut pages = vec![root];
        let mut next = 0;
        while let Some(page) = pages.get(next).copied() {
            next += 1;
            if !self.view(page).flags().is_leaf() {
                pages.extend(
                    (0..self.view(page).node_count()).map(|at| self.view(page).child(at).unwrap()),
                );
            }
        }
        pages
    }

    /// Where lines end, and where the tags begin.
    fn lines(&self, number: Pgno) -> (usize, usize) {
        let view = self.view(number);
        let count = usize::from(view.header().tag_count);
        let lengths = (0..count).map(|tag| view.line(tag).unwrap().len());
        let start = self.size.header_len() + lengths.sum::<usize>();
        (start, self.size.bytes() - count * Tag::LEN)
    }

    /// Whether no gap lies between the page's lines.
    fn is_compact(&self, number: Pgno) -> bool {
        let count = usize::from(self.view(number).header().tag_count);
        let ends = (0..count).map(|tag| {
            let tag = Tag::read(self.page(number), self.size, tag).unwrap();
            self.size.header_len() + tag.offset + tag.len
        });
        ends.max() == Some(self.lines(number).0)
    }
}

impl Scene {
    /// The first set with a place of the kind that is looked for, and the place.
    fn with<T>(find: impl Fn(&Scene) -> Option<T>) -> (Self, T) {
        let sets = CRASHED.into_iter().filter_map(testkit::find);
        let mut found = sets.filter_map(|fixture| {
            let scene = Scene::of(&fixture);
            find(&scene).map(|place| (scene, place))
        });
        found.next().expect("a set with such a place")
    }

    fn of(fixture: &Fixture) -> Self {
        let folder = fixture.unpack();
        let database = database_in(folder.path());
        let mut header = DatabaseHeaders::read(&database).unwrap().header;
        let created_here = creation(folder.path(), &header) == Some(header.last_attach);
        let mut logged = 0;
        as_version_7(folder.path(), 1, |entry| {
            if let Some(head) = entry.record.page_head()
                && head.dbtime.get() < 1 << 62
            {
                logged = logged.max(head.dbtime.get());
            }
            vec![entry.bytes.to_vec()]
        });
        // The records now stand elsewhere.
        if let Some(position) = creation(folder.path(), &header).filter(|_| created_here) {
            header.last_attach = position;
            let page = header.to_page();
            let mut file = std::fs::read(&database).unwrap();
            file[..2 * page.len()].copy_from_slice(&[&page[..], &page].concat());
            std::fs::write(&database, file).unwrap();
        }
        let out = tempfile::tempdir().unwrap();
        let summary = recover(Options::new(folder.path()).into_folder(out.path())).unwrap();
        let after = DatabaseHeaders::read(&summary.database).unwrap().header;
        Scene {
            number: header.database_id.get() as u8,
            recovered: File::read(&summary.database),
            expected: fixture.companion("expected.jsonl.zst").unwrap(),
            logged,
            next: after.dbtime.get() + 100,
            records: vec![
                [
                    &[BEGIN][..],
                    &SESSION.to_le_bytes(),
                    &[0x10],
                    &TRANSACTION.to_le_bytes(),
                ]
                .concat(),
            ],
            folder,
        }
    }

    /// Whether the page is, where the logs end, as it is in the recovered file.
    fn is_settled(&self, page: Pgno) -> bool {
        let dbtime = self.recovered.view(page).header().dbtime;
        dbtime > 0 && dbtime <= self.logged
    }

    /// All pages of the tables' and indices' trees.
    fn used(&self) -> BTreeSet<Pgno> {
        let database = Database::over(self.recovered.bytes.clone(), "recovered").unwrap();
        let mut pages = BTreeSet::new();
        for entry in database.tables().unwrap() {
            let table = database.table(&entry.name).unwrap().unwrap();
            let indices = table.indexes().iter().map(|index| index.tree.root);
            let roots = indices
                .chain([table.tree.root])
                .chain(table.long_values.map(|tree| tree.root));
            pages.extend(roots.flat_map(|root| self.recovered.tree(root)));
        }
        pages
    }

    /// A page that was given back to its tree.
    fn empty_page(&self) -> Option<Pgno> {
        let used = self.used();
        let is_empty = |page: &Pgno| {
            !used.contains(page)
                && self.is_settled(*page)
                && self.recovered.view(*page).flags().is_empty()
        };
        (1..=self.recovered.pages()).find(is_empty)
    }

    /// What a record that changes a page begins with: type and LRPAGE_.
    fn page_head(&mut self, kind: u8, page: Pgno, before: u64, line: u16) -> Vec<u8> {
        let dbtime = self.next;
        self.next += 1;
        let mut head = vec![kind];
        head.extend(SESSION.to_le_bytes());
        head.push(self.number);
        head.extend(page.to_le_bytes());
        head.extend(dbtime.to_le_bytes());
        head.extend(before.to_le_bytes());
        head.extend(TRANSACTION.to_le_bytes());
        head.push(1);
        head.extend(line.to_le_bytes());
        head.push(0);
        head
    }

    /// The same for a record that changes a node: LRNODE_. Gives the DBTIME that the page gets, too.
    fn node_head(&mut self, kind: u8, page: Pgno, before: u64, line: u16) -> (Vec<u8>, u64) {
        let object = match page <= self.recovered.pages() {
            true => self.recovered.view(page).header().objid,
            false => 5,
        };
        let mut head = self.page_head(kind, page, before, line);
        for field in [0, page, object] {
            head.extend(field.to_le_bytes());
        }
        (head, self.next - 1)
    }

    fn dbtime(&self, page: Pgno) -> u64 {
        match page {
            0 => 0,
            page => self.recovered.view(page).header().dbtime,
        }
    }

    fn add(&mut self, record: Vec<u8>) {
        self.records.push(record);
    }

    /// Appends the records to the logs.
    fn log(&mut self) {
        let commit = [
            &[COMMIT][..],
            &SESSION.to_le_bytes(),
            &[0],
            &(TRANSACTION + 1).to_le_bytes(),
        ];
        self.records.push(commit.concat());
        append_records(self.folder.path(), &std::mem::take(&mut self.records));
    }

    fn recover(&self) -> Result<(File, Vec<u8>), Error> {
        let out = tempfile::tempdir().unwrap();
        let summary = recover(Options::new(self.folder.path()).into_folder(out.path()))?;
        Ok((File::read(&summary.database), dump(&summary.database)))
    }

    /// Writes a page into the crashed file.
    fn put(&self, number: Pgno, page: &[u8]) {
        let path = database_in(self.folder.path());
        let mut bytes = std::fs::read(&path).unwrap();
        let start = self.recovered.size.offset_of(number) as usize;
        if bytes.len() < start + page.len() {
            bytes.resize(start + page.len(), 0);
        }
        bytes[start..start + page.len()].copy_from_slice(page);
        std::fs::write(path, bytes).unwrap();
    }
}

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

/// A leaf amid a tree, its siblings, its parent and its place there; the undo changes none of them.
fn leaf_to_move(scene: &Scene) -> Option<(Pgno, Pgno, Pgno, Pgno, usize)> {
    let file = &scene.recovered;
    let used = scene.used();
    let mut parents = HashMap::new();
    for page in &used {
        let view = file.view(*page);
        for at in (0..view.node_count()).filter(|_| !view.flags().is_leaf()) {
            parents.insert(view.child(at).unwrap(), (*page, at));
        }
    }
    used.iter().find_map(|page| {
        let view = file.view(*page);
        let (left, right) = (view.header().previous, view.header().next);
        let (parent, line) = *parents.get(page)?;
        let pages = [*page, left, right, parent];
        let fits = view.flags().is_leaf()
            && file.is_compact(*page)
            && view.node_count() > 1
            && pages
                .iter()
                .all(|page| *page > 0 && scene.is_settled(*page));
        fits.then_some((*page, left, right, parent, line))
    })
}

#[test]
fn a_moved_page_is_found_at_its_new_place_whatever_was_written_before_the_crash() {
    let (mut scene, ((source, left, right, parent, line), target)) =
        Scene::with(|scene| Some((leaf_to_move(scene)?, scene.empty_page()?)));
    let before = scene.recovered.clone();
    let dbtime = scene.next;
    let mut record = scene.page_head(PAGE_MOVE, source, scene.dbtime(source), 0);
    for page in [target, left, right, parent] {
        record.extend(page.to_le_bytes());
    }
    for page in [left, right, parent] {
        record.extend(scene.dbtime(page).to_le_bytes());
    }
    let (end, tags) = before.lines(source);
    let image = before.page(source);
    for field in [
        parent,
        before.view(source).header().objid,
        line as u32,
        0,
        end as u32,
        (image.len() - tags) as u32,
    ] {
        record.extend(field.to_le_bytes());
    }
    record.extend(&image[..end]);
    record.extend(&image[tags..]);
    scene.add(record);
    scene.log();

    let (moved, dumped) = scene.recover().unwrap();
    assert!(dumped == scene.expected, "every row is still found");
    // The content is that of the source; nobody reads what lies between lines and tags.
    let (old, new) = (before.view(source), moved.view(target));
    assert_eq!(new.header().dbtime, dbtime);
    assert_eq!(new.header().objid, old.header().objid);
    assert_eq!((new.header().previous, new.header().next), (left, right));
    assert_eq!(moved.page(target)[tags..], image[tags..]);
    let header = before.size.header_len();
    assert_eq!(moved.page(target)[header..end], image[header..end]);
    assert!(moved.view(source).flags().is_empty());
    assert_eq!(moved.view(source).node_count(), 0);
    assert_eq!(moved.view(left).header().next, target);
    assert_eq!(moved.view(right).header().previous, target);
    assert_eq!(moved.view(parent).child(line).unwrap(), target);
    let pages = [source, target, left, right, parent];
    for page in pages {
        assert_eq!(moved.view(page).header().dbtime, dbtime);
    }

    // Some of the five pages reached the disk before the crash: without the source's old content, the record has it.
    let crashed = File::read(&database_in(scene.folder.path()));
    for written in 0..1_u32 << pages.len() {
        for (at, page) in pages.iter().enumerate() {
            match written >> at & 1 {
                1 => scene.put(*page, moved.page(*page)),
                _ if *page <= crashed.pages() => scene.put(*page, crashed.page(*page)),
                _ => scene.put(*page, &vec![0; crashed.size.bytes()]),
            }
        }
        let (again, dumped) = scene.recover().unwrap();
        assert!(dumped == scene.expected, "{written:#b}");
        for page in pages {
            let [one, other] = [&again, &moved].map(|file| {
                let view = file.view(page);
                let lines = (0..usize::from(view.header().tag_count))
                    .map(|tag| view.line(tag).unwrap().to_vec());
                (*view.header(), lines.collect::<Vec<_>>())
            });
            assert_eq!(one.1, other.1, "{written:#b}: page {page}");
            assert_eq!(one.0.dbtime, other.0.dbtime, "{written:#b}: page {page}");
            assert_eq!(one.0.flags, other.0.flags, "{written:#b}: page {page}");
        }
    }
}

/// A secondary index that the undo leaves alone: how its entries begin in the dump, and its pages, the root first.
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

/// A node inserted into a page that is not there.
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

/// Recovers with a change to a page without content, and a record that says that the page was given back.
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

/// A page that nothing was ever written to.
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
