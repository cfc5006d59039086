//! A crashed directory whose logs are continued with records made by a test.

use std::collections::BTreeSet;
use std::path::Path;

use ese::Database;
use ese::header::DatabaseHeaders;
use ese::page::{PageSize, PageView, Pgno, Tag};
use ese::recovery::{Error, Options, recover};
use tempfile::TempDir;
use testkit::Fixture;

use crate::common::version_7::{append_records, as_version_7};
use crate::common::{creation, database_in, dump};

/// Crashed directories with short logs.
const CRASHED: [&str; 3] = [
    "sample-forest/dirty",
    "ese/ad2016-ntds",
    "ese/ad2016-uncommitted",
];
/// Record types, by their numbers in the log.
const BEGIN: u8 = 8;
const COMMIT: u8 = 9;

/// A session that is not in the logs, and its transaction.
pub const SESSION: u16 = 0x777;
const TRANSACTION: u32 = 0x7000_0000;

/// A crashed directory, and its recovered state without further records.
pub struct Scene {
    pub folder: TempDir,
    /// The engine's own dump after recovery.
    pub expected: Vec<u8>,
    pub number: u8,
    pub recovered: File,
    /// The highest DBTIME of a change that is not the undo's.
    pub logged: u64,
    /// The DBTIME of the next record.
    pub next: u64,
    pub records: Vec<Vec<u8>>,
}

/// A database file in memory.
#[derive(Clone)]
pub struct File {
    pub bytes: Vec<u8>,
    pub size: PageSize,
}

impl File {
    pub fn read(path: &Path) -> Self {
        let header = DatabaseHeaders::read(path).unwrap().header;
        File {
            bytes: std::fs::read(path).unwrap(),
            size: header.page_size(),
        }
    }

    pub fn pages(&self) -> u32 {
        self.size.pages_in(self.bytes.len() as u64)
    }

    pub fn page(&self, number: Pgno) -> &[u8] {
        let start = self.size.offset_of(number) as usize;
        &self.bytes[start..start + self.size.bytes()]
    }

    pub fn view(&self, number: Pgno) -> PageView<'_> {
        PageView::new(self.page(number), number).unwrap()
    }

    /// The pages below a root, the root first.
    pub fn tree(&self, root: Pgno) -> Vec<Pgno> {
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

    /// The end of the lines, and the start of the tags.
    pub fn lines(&self, number: Pgno) -> (usize, usize) {
        let view = self.view(number);
        let count = usize::from(view.header().tag_count);
        let lengths = (0..count).map(|tag| view.line(tag).unwrap().len());
        let start = self.size.header_len() + lengths.sum::<usize>();
        (start, self.size.bytes() - count * Tag::LEN)
    }

    /// Whether there is no gap between the page's lines.
    pub fn is_compact(&self, number: Pgno) -> bool {
        let count = usize::from(self.view(number).header().tag_count);
        let ends = (0..count).map(|tag| {
            let tag = Tag::read(self.page(number), self.size, tag).unwrap();
            self.size.header_len() + tag.offset + tag.len
        });
        ends.max() == Some(self.lines(number).0)
    }
}

impl Scene {
    /// The first set with a place for which `find` returns `Some`, and the place.
    pub fn with<T>(find: impl Fn(&Scene) -> Option<T>) -> (Self, T) {
        Self::find(find).expect("a set with such a place")
    }

    /// The same; `None` if no available set has such a place.
    pub fn find<T>(find: impl Fn(&Scene) -> Option<T>) -> Option<(Self, T)> {
        let sets = CRASHED.into_iter().filter_map(testkit::find);
        let mut found = sets.filter_map(|fixture| {
            let scene = Scene::of(&fixture);
            find(&scene).map(|place| (scene, place))
        });
        found.next()
    }

    pub fn of(fixture: &Fixture) -> Self {
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
        // The creation record now has another position.
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

    /// Whether the page at the end of the logs is the same as in the recovered file.
    pub fn is_settled(&self, page: Pgno) -> bool {
        let dbtime = self.recovered.view(page).header().dbtime;
        dbtime > 0 && dbtime <= self.logged
    }

    /// All pages of the tables' and indices' trees.
    pub fn used(&self) -> BTreeSet<Pgno> {
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

    /// A page that was returned to its tree.
    pub fn empty_page(&self) -> Option<Pgno> {
        let used = self.used();
        let is_empty = |page: &Pgno| {
            !used.contains(page)
                && self.is_settled(*page)
                && self.recovered.view(*page).flags().is_empty()
        };
        (1..=self.recovered.pages()).find(is_empty)
    }

    /// The head of a record that changes a page: type and LRPAGE_.
    pub fn page_head(&mut self, kind: u8, page: Pgno, before: u64, line: u16) -> Vec<u8> {
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

    /// The same for a record that changes a node: LRNODE_. Also returns the new DBTIME of the page.
    pub fn node_head(&mut self, kind: u8, page: Pgno, before: u64, line: u16) -> (Vec<u8>, u64) {
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

    pub fn dbtime(&self, page: Pgno) -> u64 {
        match page {
            0 => 0,
            page => self.recovered.view(page).header().dbtime,
        }
    }

    pub fn add(&mut self, record: Vec<u8>) {
        self.records.push(record);
    }

    /// Appends the records to the logs.
    pub fn log(&mut self) {
        let commit = [
            &[COMMIT][..],
            &SESSION.to_le_bytes(),
            &[0],
            &(TRANSACTION + 1).to_le_bytes(),
        ];
        self.records.push(commit.concat());
        append_records(self.folder.path(), &std::mem::take(&mut self.records));
    }

    pub fn recover(&self) -> Result<(File, Vec<u8>), Error> {
        let out = tempfile::tempdir().unwrap();
        let summary = recover(Options::new(self.folder.path()).into_folder(out.path()))?;
        Ok((File::read(&summary.database), dump(&summary.database)))
    }

    /// Writes a page into the crashed file.
    pub fn put(&self, number: Pgno, page: &[u8]) {
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
