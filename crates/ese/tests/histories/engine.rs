//! The engine in memory: pages, sessions with their transactions, and the logs of all changes.

use std::collections::BTreeMap;

use ese::header::Lgpos;
use ese::log::record::{
    Begin, Commit, NodeHead, PageHead, Record, RecordType as T, Rollback, Undo,
};
use ese::page::{PageSize, Pgno};
use zerocopy::{FromZeros, IntoBytes};

use super::catalog::Table;
use super::disk::Disk;
use super::log::{LogWriter, Style};
use super::page::Page;
use super::random::Random;
use super::tree::Tree;

/// The power is off: later operations have no effect.
#[derive(Debug)]
pub struct PowerCut;

pub type Result<T = ()> = std::result::Result<T, PowerCut>;

/// The content of a tree: data by key and, if keys repeat, data.
pub type Content = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

/// The number of the database in log records.
pub const DATABASE: u8 = 1;

/// The way to roll a change back.
#[derive(Debug, Clone, PartialEq)]
pub enum Before {
    Inserted,
    Replaced(Vec<u8>),
    /// The data of the deleted node.
    Deleted(Vec<u8>),
    Added(i32),
}

/// A change of an open transaction.
#[derive(Debug, Clone)]
pub struct Version {
    pub id: u32,
    pub level: u8,
    pub tree: usize,
    pub key: Vec<u8>,
    /// The node's data if keys repeat.
    pub data: Vec<u8>,
    pub before: Before,
    /// The page whose write requires an undo-info record first; 0 if there is none.
    pub page: Pgno,
}

#[derive(Debug, Default)]
pub struct Session {
    pub level: u8,
    pub transaction: u32,
    /// The beginning of its transaction.
    pub begun: Lgpos,
    pub versions: Vec<Version>,
}

/// Records and the resulting pages. All of them take effect together.
#[derive(Debug, Default)]
pub struct Change {
    pub records: Vec<Vec<u8>>,
    pub pages: Vec<Page>,
}

/// A change with a DBTIME that is not logged yet.
struct Held {
    session: u16,
    change: Change,
}

/// The session of an operation, and the kind of its change.
#[derive(Clone, Copy)]
pub struct Actor {
    pub session: u16,
    /// Whether the change can be rolled back.
    pub versioned: bool,
}

pub struct Engine {
    pub random: Random,
    pub size: PageSize,
    pub pages: BTreeMap<Pgno, Page>,
    pub last_page: Pgno,
    pub dbtime: u64,
    transactions: u32,
    versions: u32,
    pub objects: u32,
    pub trees: Vec<Tree>,
    pub tables: Vec<Table>,
    /// The most rows of a table.
    pub rows: usize,
    /// Whether there are more insertions than deletions.
    pub grows: bool,
    /// Whether rows are mostly added after the last.
    pub in_order: bool,
    pub sessions: BTreeMap<u16, Session>,
    /// The content of each tree.
    pub content: Vec<Content>,
    pub log: LogWriter,
    pub disk: Disk,
    pub attached: bool,
    /// The records so far, and their maximum.
    pub records: Vec<(Lgpos, Vec<u8>)>,
    pub power: usize,
    /// The number of records before the current generation.
    pub before_last_log: usize,
    held: Option<Held>,
    /// Newer formats log it when a page is taken.
    pub notes_new_pages: bool,
    /// Whether it also aborts macros and sets external headers.
    pub knows_more: bool,
    pub first_generation: u32,
}

impl Engine {
    pub fn new(random: Random, size: PageSize, style: Style, disk: Disk, generation: u32) -> Self {
        Engine {
            random,
            size,
            pages: BTreeMap::new(),
            last_page: 0,
            dbtime: 64,
            transactions: 4,
            versions: 1,
            objects: 0,
            trees: Vec::new(),
            tables: Vec::new(),
            rows: 1,
            grows: true,
            in_order: false,
            sessions: BTreeMap::new(),
            content: Vec::new(),
            log: LogWriter::new(style),
            disk,
            attached: false,
            records: Vec::new(),
            power: usize::MAX,
            before_last_log: 0,
            held: None,
            knows_more: false,
            notes_new_pages: true,
            first_generation: generation,
        }
    }

    pub fn tick(&mut self) -> u64 {
        self.dbtime += 1;
        self.dbtime
    }

    pub fn next_version(&mut self) -> u32 {
        self.versions = self.versions.wrapping_add(2);
        self.versions
    }

    pub fn next_transaction(&mut self) -> u32 {
        self.transactions += 4;
        self.transactions
    }

    pub fn page(&self, number: Pgno) -> &Page {
        self.pages.get(&number).expect("a page that was made")
    }

    /// The number of bytes for tags and lines on a page.
    pub fn area(&self) -> usize {
        self.size.bytes() - self.size.header_len()
    }

    // --- the log ---------------------------------------------------------------------------------

    /// Writes a record.
    pub fn write(&mut self, record: Vec<u8>) -> Result<Lgpos> {
        if self.records.len() >= self.power {
            return Err(PowerCut);
        }
        if self.log.logs.is_empty() || !self.log.has_room(record.len()) {
            self.begin_log();
        }
        let position = self.log.append(&record);
        self.records.push((position, record));
        Ok(position)
    }

    pub fn write_record(&mut self, kind: T, record: &Record<'_>) -> Result<Lgpos> {
        self.write(record.encode(kind).expect("a record of this type"))
    }

    fn begin_log(&mut self) {
        self.before_last_log = self.records.len();
        let generation = match self.log.logs.last() {
            Some(log) => log.generation + 1,
            None => self.first_generation,
        };
        let attachments = match self.attached {
            true => self.attachment(),
            false => Vec::new(),
        };
        self.log.begin(generation, attachments, Lgpos::MIN);
    }

    /// The database's entry in the list of attachments at the start of a log.
    fn attachment(&self) -> Vec<u8> {
        const NAME: &[u8] = b"C:\\model\\test.edb\0";
        let header = &self.disk.header;
        [
            &[DATABASE, 0][..],
            &(NAME.len() as u16).to_le_bytes(),
            &self.dbtime.to_le_bytes(),
            &self.objects.to_le_bytes(),
            &[0; 4],
            header.attach.as_bytes(),
            header.consistent.as_bytes(),
            self.disk.database.as_bytes(),
            NAME,
        ]
        .concat()
    }

    /// Begins a new generation although the one before is not full.
    pub fn roll(&mut self) -> Result {
        self.settle()?;
        if self.records.len() < self.power && !self.log.logs.is_empty() {
            self.begin_log();
        }
        Ok(())
    }

    /// The logs with the first `left` records only; the lost ones are of the current generation.
    pub fn without_tail(&self, left: usize) -> LogWriter {
        let mut log = self.log.clone();
        log.clear_current();
        for (_, record) in &self.records[self.before_last_log..left] {
            log.append(record);
        }
        log
    }

    // --- changes ---------------------------------------------------------------------------------

    /// Makes a change. Some changes are logged only after the next one of another session, whose
    /// DBTIME is later.
    pub fn apply(&mut self, session: u16, change: Change) -> Result {
        let numbers = |change: &Change| -> Vec<Pgno> {
            change.pages.iter().map(|page| page.number).collect()
        };
        let held = self.held.take();
        for page in &change.pages {
            self.pages.insert(page.number, page.clone());
            self.last_page = self.last_page.max(page.number);
        }
        match held {
            Some(held) => {
                let own = numbers(&change);
                let apart = numbers(&held.change).iter().all(|page| !own.contains(page));
                match apart && held.session != session {
                    true => {
                        self.log_change(session, change)?;
                        self.log_change(held.session, held.change)
                    }
                    false => {
                        self.log_change(held.session, held.change)?;
                        self.log_change(session, change)
                    }
                }
            }
            None if self.random.once_in(12) => {
                self.held = Some(Held { session, change });
                Ok(())
            }
            None => self.log_change(session, change),
        }
    }

    fn log_change(&mut self, session: u16, change: Change) -> Result {
        let mut begun = self.begun(session);
        // The last record of a macro only lists its pages.
        let record = self.records.len() + change.records.len().saturating_sub(2);
        for bytes in change.records {
            begun = begun.min(self.write(bytes)?);
        }
        let position = self.records[record].0;
        self.disk.last_page = self.last_page;
        for page in &change.pages {
            self.disk.changed(page.number, position, begun, record);
        }
        Ok(())
    }

    /// The beginning of a session's transaction.
    pub fn begun(&self, session: u16) -> Lgpos {
        self.sessions
            .get(&session)
            .map_or(Lgpos::MAX, |session| session.begun)
    }

    /// Logs the waiting change.
    pub fn settle(&mut self) -> Result {
        match self.held.take() {
            Some(held) => self.log_change(held.session, held.change),
            None => Ok(()),
        }
    }

    /// Logs the waiting change of the session, which must precede the session's other records.
    fn settle_session(&mut self, session: u16) -> Result {
        match self
            .held
            .as_ref()
            .is_some_and(|held| held.session == session)
        {
            true => self.settle(),
            false => Ok(()),
        }
    }

    /// The head of every record about a node.
    pub fn node_head(
        &self,
        actor: Actor,
        tree: &Tree,
        page: &Page,
        line: usize,
        dbtime: u64,
        version: u32,
    ) -> NodeHead {
        let mut head = NodeHead::new_zeroed();
        head.page = self.page_head(actor.session, page, line, dbtime);
        if actor.versioned {
            head.page.flags |= PageHead::FLAG_VERSIONED;
            head.version = version.into();
        }
        if tree.unique {
            head.page.flags |= PageHead::FLAG_UNIQUE;
        }
        if tree.is_space() {
            head.page.flags |= PageHead::FLAG_SPACE;
        }
        head.root = tree.root.into();
        head.object = tree.object.into();
        head
    }

    pub fn page_head(&self, session: u16, page: &Page, line: usize, dbtime: u64) -> PageHead {
        let state = self.sessions.get(&session);
        let mut head = PageHead::new_zeroed();
        head.session = session.into();
        head.database = DATABASE;
        head.page = page.number.into();
        head.dbtime = dbtime.into();
        head.dbtime_before = page.dbtime.into();
        head.transaction = state.map_or(0, |session| session.transaction).into();
        head.level = state.map_or(0, |session| session.level);
        head.line = (line as u16).into();
        head
    }

    // --- transactions ----------------------------------------------------------------------------

    pub fn begin(&mut self, number: u16, levels: u8) -> Result {
        self.settle_session(number)?;
        let level = self.sessions.entry(number).or_default().level;
        let transaction = (level == 0).then(|| self.next_transaction());
        let kind = if level == 0 { T::BEGIN0 } else { T::BEGIN };
        let begin = Begin {
            session: number,
            level_from: level,
            levels,
            transaction,
        };
        let position = self.write_record(kind, &Record::Begin(begin))?;
        let session = self.sessions.entry(number).or_default();
        session.level += levels;
        if let Some(transaction) = transaction {
            session.transaction = transaction;
            session.begun = position;
        }
        Ok(())
    }

    /// Commits the deepest level.
    pub fn commit(&mut self, number: u16) -> Result {
        self.settle_session(number)?;
        let level = self.sessions[&number].level - 1;
        let transaction = (level == 0).then(|| self.next_transaction());
        let kind = if level == 0 { T::COMMIT0 } else { T::COMMIT };
        let commit = Commit {
            session: number,
            level_to: level,
            transaction,
        };
        self.write_record(kind, &Record::Commit(commit))?;
        let session = self.sessions.get_mut(&number).expect("a session");
        session.level = level;
        match level {
            0 => session.versions.clear(),
            level => {
                for version in &mut session.versions {
                    version.level = version.level.min(level);
                }
            }
        }
        Ok(())
    }

    /// Rolls the deepest level back.
    pub fn roll_back(&mut self, number: u16) -> Result {
        self.settle()?;
        let level = self.sessions[&number].level;
        while let Some(version) = (self.sessions[&number].versions.last())
            .filter(|version| version.level == level)
            .cloned()
        {
            self.undo(number, &version)?;
            let session = self.sessions.get_mut(&number).expect("a session");
            session.versions.pop();
            self.forget(&version);
        }
        let mut rollback = Rollback::new_zeroed();
        rollback.session = number.into();
        rollback.levels = 1;
        self.settle()?;
        self.write_record(T::ROLLBACK, &Record::Rollback(&rollback))?;
        self.sessions.get_mut(&number).expect("a session").level -= 1;
        Ok(())
    }

    /// Rolls one change back, with a record.
    fn undo(&mut self, number: u16, version: &Version) -> Result {
        if version.page != 0 {
            self.log_undo_info(number, version)?;
        }
        let tree = self.trees[version.tree].clone();
        let (leaf, line, found) = self.find(&tree, &version.key, &version.data);
        assert!(found, "a node with a version stays");
        let mut page = self.page(leaf).clone();
        let dbtime = self.tick();
        let actor = Actor {
            session: number,
            versioned: false,
        };
        let mut head = self.node_head(actor, &tree, &page, line, dbtime, 0);
        head.version = version.id.into();
        let undo = Undo {
            head: &head,
            operation: version.operation(),
            level: version.level,
            key: &version.key,
            bookmark_data: &version.data,
        };
        let record = Record::Undo(undo).encode(T::UNDO).expect("an undo record");
        let node = &mut page.nodes[line];
        match &version.before {
            Before::Inserted => node.deleted = true,
            Before::Deleted(_) => node.deleted = false,
            Before::Replaced(before) => node.data.clone_from(before),
            Before::Added(delta) => add(&mut node.data, -delta),
        }
        page.touch(dbtime);
        let change = Change {
            records: vec![record],
            pages: vec![page],
        };
        self.apply(number, change)
    }

    /// Restores the content before the change.
    fn forget(&mut self, version: &Version) {
        let place = (version.key.clone(), version.data.clone());
        undo_in(&mut self.content[version.tree], place, version);
    }

    /// The content of the trees after rollback of all open transactions.
    pub fn committed(&self) -> Vec<Content> {
        let mut content = self.content.clone();
        for session in self.sessions.values() {
            for version in session.versions.iter().rev() {
                let place = (version.key.clone(), version.data.clone());
                undo_in(&mut content[version.tree], place, version);
            }
        }
        content
    }

    /// Whether another session has an uncommitted change of the node; additions do not exclude each
    /// other.
    pub fn is_locked(&self, number: u16, tree: usize, key: &[u8], data: &[u8], adds: bool) -> bool {
        self.sessions.iter().any(|(session, state)| {
            let mut versions = state.versions.iter();
            versions.any(|version| {
                let same = version.tree == tree && version.key == key && version.data == data;
                let shared = adds && matches!(version.before, Before::Added(_));
                same && *session != number && !shared
            })
        })
    }

    /// All versions of a node.
    pub fn versions_of<'a>(
        &'a self,
        tree: usize,
        key: &'a [u8],
        data: &'a [u8],
    ) -> impl Iterator<Item = &'a Version> {
        (self.sessions.values())
            .flat_map(|session| &session.versions)
            .filter(move |version| {
                version.tree == tree && version.key == key && version.data == data
            })
    }
}

impl Version {
    /// The number of its kind in records.
    pub fn operation(&self) -> u16 {
        match self.before {
            Before::Inserted => 1,
            Before::Replaced(_) => 2,
            Before::Deleted(_) => 3,
            Before::Added(_) => 4,
        }
    }
}

/// The offset of the counter in a row's data.
pub const COUNTER: usize = 8;

/// Adds to a row's counter.
pub fn add(data: &mut [u8], delta: i32) {
    let place: &mut [u8; 4] = (&mut data[COUNTER..COUNTER + 4])
        .try_into()
        .expect("four bytes");
    *place = i32::from_le_bytes(*place).wrapping_add(delta).to_le_bytes();
}

fn undo_in(content: &mut Content, place: (Vec<u8>, Vec<u8>), version: &Version) {
    match &version.before {
        Before::Inserted => {
            content.remove(&place);
        }
        Before::Replaced(before) | Before::Deleted(before) => {
            content.insert(place, before.clone());
        }
        Before::Added(delta) => {
            let row = content.get_mut(&place).expect("a row with a counter");
            add(row, -delta);
        }
    }
}
