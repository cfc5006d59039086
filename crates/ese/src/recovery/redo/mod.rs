//! Redo: every change that the logs hold and the pages lack is made again, page by page.
//!
//! A page carries the DBTIME of its last change, a record the page's DBTIME before and after. If the page is as the
//! record found it, the change is made; if the page is at or past the record's DBTIME, it is there already; anything
//! else is a gap and ends the recovery.

mod builds;
pub(super) mod database;
pub(super) mod macros;
mod merge;
mod moves;
pub(super) mod node;
mod pages;
mod space;
mod split;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::versions::Session;
use crate::edit::EditPage;
use crate::header::{DatabaseHeader, Lgpos};
use crate::log::Entry;
use crate::log::record::{PageHead, Record};
use crate::page::{Fault, Pgno};
use crate::page_store::{PageMap, PageStore};
use builds::Builds;
use pages::LostPages;

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records read.
    pub records: u64,
    /// Changes of pages that were made again.
    pub redone: u64,
    /// Changes of pages that were there already.
    pub present: u64,
    /// Changes of transactions without a commit that were taken back.
    pub undone: u64,
    /// Transactions that were rolled back.
    pub rolled_back: u64,
}

/// The state of a replay between two records.
#[derive(Debug)]
pub(in crate::recovery) struct Redo {
    pub store: PageStore,
    pub counts: Counts,
    /// The header as it becomes.
    pub header: DatabaseHeader,
    /// The highest DBTIME that was seen.
    pub dbtime: u64,
    /// The highest OBJID that was seen.
    pub last_object: u32,
    database: PathBuf,
    sessions: BTreeMap<u16, Session>,
    /// The number (DBID) that records call the database by, while it is attached.
    attached: Option<u8>,
    /// The last generation whose changes may be in the file already.
    max_required: u32,
    lost: LostPages,
    /// DBTIME to which the logs brought each page that the file may hold changes of.
    reached: PageMap<u64>,
    builds: Builds,
    /// The number that the logs call the database by where the replay stands, also before it was attached for the last time.
    known_as: Option<u8>,
    /// The file is the copy that a streaming backup made.
    is_backup: bool,
    /// The record that is being replayed.
    position: Lgpos,
    /// The last mark that the engine was about to stop; the databases that were in use then are consistent there.
    shut_down: Option<Lgpos>,
}

/// From here on, DBTIMEs are marks, such as "none".
const DBTIME_LIMIT: u64 = 1 << 63;

/// What to do with a record that belongs to a session and a database.
enum Admission {
    /// It is another database's, or its change is in the file for certain.
    Skip,
    /// It takes effect with its macro.
    Stored,
    /// Now.
    Go,
}

/// Whose change a record is.
#[derive(Clone, Copy)]
struct Origin {
    session: u16,
    database: u8,
    dbtime: u64,
    object: u32,
}

impl Origin {
    fn of(page: &PageHead, object: u32) -> Self {
        Origin {
            session: page.session.get(),
            database: page.database,
            dbtime: page.dbtime.get(),
            object,
        }
    }
}

impl Redo {
    /// A replay into `store`, whose pages hold what `header` says.
    pub fn new(database: PathBuf, store: PageStore, header: DatabaseHeader) -> Self {
        let attached = (!header.is_clean()).then_some(header.database_id.get() as u8);
        Redo {
            store,
            counts: Counts::default(),
            dbtime: header.dbtime.get(),
            last_object: header.last_object_id.get(),
            max_required: match attached {
                Some(_) => header.max_required.get(),
                None => 0,
            },
            is_backup: header.current_full_backup.low != 0,
            header,
            database,
            sessions: BTreeMap::new(),
            attached,
            lost: LostPages::default(),
            reached: PageMap::default(),
            builds: Builds::default(),
            known_as: None,
            position: Lgpos::MIN,
            shut_down: None,
        }
    }

    /// The number that the first log knows the database by from its beginning on.
    pub fn known_as(&mut self, number: Option<u8>) {
        self.known_as = number;
    }

    /// Whether indices may have been built without records.
    pub fn expect_unlogged_builds(&mut self, expect: bool) {
        self.builds.expect(expect);
    }

    /// What the headers of logs and checkpoints say of the counters, which records alone do not tell.
    pub fn count_up_to(&mut self, dbtime: u64, last_object: u32) {
        self.dbtime = self.dbtime.max(dbtime);
        self.last_object = self.last_object.max(last_object);
    }

    /// Whether the database is in use where the replay stands.
    pub fn is_attached(&self) -> bool {
        self.attached.is_some()
    }

    /// The database file, as errors name it.
    pub fn database(&self) -> &std::path::Path {
        &self.database
    }

    /// Replays one record.
    pub fn apply(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.position = entry.position;
        self.counts.records += 1;
        self.follow_number(&entry.record);
        if !self.lost.is_empty() && !self.in_required_range() {
            self.check_lost()?;
        }
        match &entry.record {
            Record::Begin(begin) => {
                let session = self.session(begin.session);
                if session.begun || begin.level_from == 0 {
                    let level = begin.level_from.saturating_add(begin.levels);
                    session.level = session.level.max(level);
                    session.begun = true;
                }
            }
            Record::Commit(commit) => {
                let session = self.session(commit.session);
                if session.begun {
                    session.commit_to(commit.level_to);
                }
                if commit.level_to == 0 {
                    self.builds.commit(commit.session, self.dbtime);
                }
            }
            Record::Rollback(rollback) => {
                let session = self.session(rollback.session.get());
                if session.begun {
                    session.roll_back(rollback.levels);
                }
            }
            Record::Refresh(refresh) => {
                let session = self.session(refresh.session.get());
                if session.begun {
                    session.level = 1;
                }
            }
            Record::MacroBegin(mark) => self.begin_macro(mark)?,
            Record::MacroCommit(mark) => self.commit_macro(mark)?,
            Record::MacroAbort(mark) => self.abort_macro(mark),
            Record::ShutDownMark => self.shut_down = Some(entry.position),
            Record::Init(_) | Record::RecoveryQuitKeepAttachments(_) => self.end_sessions()?,
            Record::Term(_) | Record::RecoveryQuit(_) => {
                self.end_sessions()?;
                self.shut_down_database()?;
            }

            Record::Insert(_)
            | Record::FlagInsert(_)
            | Record::FlagInsertReplace(_)
            | Record::FlagDelete(_)
            | Record::Replace(_)
            | Record::ReplaceDelta(_)
            | Record::Delete(_)
            | Record::Delta(_)
            | Record::Undo(_)
            | Record::UndoInfo(_)
            | Record::SetExternalHeader(_)
            | Record::EmptyTree(_)
            | Record::Scrub(_) => self.node_record(entry)?,

            Record::Split(split) => {
                self.store_in_macro(Origin::of(&split.head.page, split.head.object.get()), entry)?;
            }
            Record::Merge(merge) => {
                self.store_in_macro(Origin::of(&merge.head.page, merge.head.object.get()), entry)?;
            }
            Record::RootPageMove(root) => {
                let origin = Origin {
                    session: root.session.get(),
                    database: root.database,
                    dbtime: root.dbtime.get(),
                    object: root.object.get(),
                };
                self.store_in_macro(origin, entry)?;
            }
            Record::PageMove(page_move) => {
                let head = page_move.head;
                let origin = Origin::of(&head.page, head.object.get());
                if let Admission::Go = self.admit(origin, entry) {
                    self.move_page(page_move)?;
                }
            }
            Record::NewPage(new) => {
                let origin = Origin {
                    session: new.session.get(),
                    database: new.database,
                    dbtime: new.dbtime.get(),
                    object: new.object.get(),
                };
                if let Admission::Go = self.admit(origin, entry) {
                    self.new_page(new)?;
                }
            }
            Record::CreateMultipleExtent(create) => {
                self.forget_tree(create.page.database, create.page.page.get());
                let origin = Origin::of(&create.page, create.object.get());
                if let Admission::Go = self.admit(origin, entry) {
                    self.create_multiple_extent(create)?;
                }
            }
            Record::CreateSingleExtent(create) => {
                self.forget_tree(create.page.database, create.page.page.get());
                let origin = Origin::of(&create.page, create.object.get());
                if let Admission::Go = self.admit(origin, entry) {
                    self.create_single_extent(create)?;
                }
            }
            Record::Convert(convert) => {
                let origin = Origin::of(&convert.head.page, convert.head.object.get());
                if let Admission::Go = self.admit(origin, entry) {
                    self.convert(convert)?;
                }
            }

            Record::FreeTree(free) => self.forget_tree(free.database, free.root.get()),

            Record::CreateDatabase(create) => self.create_database(create)?,
            Record::AttachDatabase(attach) => self.attach_database(attach)?,
            Record::ReattachDatabase(reattach) => self.reattach_database(reattach),
            Record::DetachDatabase(detach) => self.detach_database(detach)?,
            Record::ExtendDatabase(extend) => self.extend_database(extend)?,
            Record::ShrinkDatabase(shrink) => self.shrink_database(shrink)?,
            Record::TrimDatabase(trim) => self.trim_database(trim)?,
            Record::SetDatabaseVersion(version) => self.set_database_version(version),
            Record::Backup(backup) => self.note_backup(backup),

            // Nothing to redo: marks for readers of logs, notes, requests to the engine, parts of other records.
            Record::CreateDatabaseFinish(_)
            | Record::SignalAttachDatabase(_)
            | Record::ScanCheck(_)
            | Record::ScanCheck2(_)
            | Record::PagePatchRequest(_)
            | Record::ExtentFreed(_)
            | Record::RecoveryUndo(_)
            | Record::OldBackup(_)
            | Record::MacroInfo(_)
            | Record::CommitContext(_)
            | Record::PrepareCommit(_)
            | Record::JetCall(_)
            | Record::Trace(_)
            | Record::ForceLogRollover(_)
            | Record::ForceWriteLog(_)
            | Record::ExternalRestore(_)
            | Record::MultiSector(_)
            | Record::Checksum(_)
            | Record::Nop
            | Record::End
            | Record::FragmentBegin { .. }
            | Record::Fragment(_)
            | Record::Ignored { .. } => {}
        }
        Ok(())
    }

    /// Keeps track of the number that the logs call the database by.
    fn follow_number(&mut self, record: &Record<'_>) {
        let signature = self.header.database_signature;
        match record {
            Record::CreateDatabase(create) if create.head.signature == signature => {
                self.known_as = Some(create.head.database);
            }
            Record::AttachDatabase(attach) if attach.head.signature == signature => {
                self.known_as = Some(attach.head.database);
            }
            Record::DetachDatabase(detach) if self.known_as == Some(detach.head.database) => {
                self.known_as = None;
            }
            Record::Term(_) | Record::RecoveryQuit(_) => self.known_as = None,
            _ => {}
        }
    }

    /// The replay has come to its end; afterwards only undo is left.
    pub fn end(&mut self) -> Result<()> {
        self.check_lost()?;
        for session in self.sessions.values_mut() {
            session.macros.clear();
        }
        Ok(())
    }

    /// The sessions with open transactions, in the order of their numbers.
    pub fn take_sessions(&mut self) -> BTreeMap<u16, Session> {
        std::mem::take(&mut self.sessions)
    }

    fn session(&mut self, number: u16) -> &mut Session {
        self.sessions.entry(number).or_default()
    }

    /// The tree is gone, or its root page becomes that of another: what open transactions changed in it is not to be taken back.
    ///
    /// That is how it is when the creation of an index was rolled back while other sessions went on adding to it: these
    /// changes are in no page, and no record says that they are void (`ErrLGRIPurgeFcbs`).
    fn forget_tree(&mut self, database: u8, root: Pgno) {
        if self.attached == Some(database) {
            for session in self.sessions.values_mut() {
                session.forget_tree(root);
            }
        }
    }

    /// All sessions end, since the engine started or stopped. What they changed was committed or taken back before.
    fn end_sessions(&mut self) -> Result<()> {
        if self.attached.is_some() {
            let open = self.sessions.values().any(Session::has_versions);
            if open {
                let what = "the engine starts or stops while a transaction is open".into();
                return Err(self.contradiction(what));
            }
        }
        self.sessions.clear();
        Ok(())
    }

    /// Decides what to do with a record, and keeps the counters of the database.
    fn admit(&mut self, origin: Origin, entry: &Entry<'_>) -> Admission {
        if self.concerns(origin.database) {
            self.builds.follow(origin, &entry.record);
        }
        let Some(session) = self.sessions.get_mut(&origin.session) else {
            self.count(origin);
            self.pass_over(origin.database, &entry.record);
            return Admission::Skip;
        };
        if session.begun
            && !matches!(entry.record, Record::UndoInfo(_))
            && session.store_in_macro(origin.dbtime, entry)
        {
            return Admission::Stored;
        }
        let begun = session.begun;
        match self.count(origin) && begun {
            true => Admission::Go,
            false => {
                self.pass_over(origin.database, &entry.record);
                Admission::Skip
            }
        }
    }

    /// The record's change is in the file already, or is another database's.
    fn pass_over(&mut self, database: u8, record: &Record<'_>) {
        if self.known_as == Some(database) {
            self.note_pages_of(record);
        }
    }

    /// Counts a change of the database; `false` if it is not one, or one from before it was attached.
    fn count(&mut self, origin: Origin) -> bool {
        let concerns = self.concerns(origin.database);
        if concerns {
            if origin.dbtime < DBTIME_LIMIT {
                self.dbtime = self.dbtime.max(origin.dbtime);
            }
            self.last_object = self.last_object.max(origin.object);
        }
        concerns
    }

    /// Whether the current record is about the database, in the state in which the header shows it.
    fn concerns(&self, database: u8) -> bool {
        self.attached == Some(database) && self.position > self.header.last_attach
    }

    /// A record that takes effect only with its macro.
    fn store_in_macro(&mut self, origin: Origin, entry: &Entry<'_>) -> Result<()> {
        match self.admit(origin, entry) {
            Admission::Go => Err(self.contradiction(format!("a {} outside a macro", entry.kind))),
            Admission::Skip | Admission::Stored => Ok(()),
        }
    }

    /// Whether the file may hold changes of records after the current one.
    fn in_required_range(&self) -> bool {
        self.position.generation() <= self.max_required
    }

    /// Makes a change to a page, which then has this DBTIME.
    fn change<T>(
        &mut self,
        number: Pgno,
        dbtime: u64,
        change: impl FnOnce(&mut EditPage) -> Result<T, Fault>,
    ) -> Result<T> {
        let cached = self.store.page(number)?;
        match change(&mut cached.page) {
            Ok(done) => {
                cached.page.touch(dbtime);
                cached.mark_changed();
                self.counts.redone += 1;
                Ok(done)
            }
            Err(fault) => Err(self.fault(fault)),
        }
    }

    /// A page contradicts the record that is to change it.
    #[cold]
    fn fault(&self, fault: Fault) -> Error {
        self.contradiction(format!(
            "{}: {fault}. The log does not belong to the file, or one of them is damaged",
            self.database.display()
        ))
    }

    #[cold]
    fn contradiction(&self, what: String) -> Error {
        Error::Contradiction {
            position: self.position,
            what,
        }
    }
}
