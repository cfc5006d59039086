//! Redo: repeats every change that the logs hold and the pages lack, page by page.
//!
//! A page carries the DBTIME of its last change, a record the page's DBTIME before and after. If
//! the page has the DBTIME before, redo makes the change; if it has the DBTIME after or a later
//! one, the change is already there; anything else is a gap and ends the recovery.
//!
//! Each family of records has a type that holds what its redo needs:
//!
//! | family | type | needs |
//! | --- | --- | --- |
//! | transactions, macros | [`Sessions`] | |
//! | nodes of a page | [`NodeRedo`] | pages, sessions |
//! | splits | [`SplitRedo`] | pages, sessions |
//! | merges | [`MergeRedo`] | pages |
//! | moves of pages and roots | [`MoveRedo`] | pages |
//! | new trees and their space | [`SpaceRedo`] | pages |
//! | the database as a whole | [`DatabaseRedo`] | its header; pages |
//!
//! [`Redo`] decides whether a record concerns this database, and whether it takes effect now.

mod builds;
mod database;
mod macros;
mod merge;
mod moves;
mod node;
mod origin;
mod pages;
mod record_pages;
mod sessions;
mod space;
mod split;

use std::path::PathBuf;

use super::error::Result;
use crate::header::DatabaseHeader;
use crate::log::Entry;
use crate::log::record::{Macro, Record};
use crate::page_store::PageStore;
use builds::Builds;
pub(super) use database::DatabaseRedo;
use merge::{MergeMacro, MergeRedo};
use moves::{MoveRedo, RootMoveMacro};
use node::{NodeRedo, node_head};
use origin::Origin;
pub use pages::Counts;
pub(super) use pages::Pages;
pub(super) use sessions::Sessions;
use space::SpaceRedo;
use split::{SplitMacro, SplitRedo};

/// The state of a replay between two records.
#[derive(Debug)]
pub(in crate::recovery) struct Redo {
    pub pages: Pages,
    pub database: DatabaseRedo,
    pub sessions: Sessions,
    builds: Builds,
}

/// The treatment of a record of a session and a database.
enum Admission {
    /// Skip it: it is another database's, or its change is certainly in the file.
    Skip,
    /// It was stored and takes effect with its macro.
    Stored,
    /// Redo it now.
    Go,
}

impl Redo {
    /// A replay into `store`, whose pages are in the state of `header`.
    pub fn new(file: PathBuf, store: PageStore, header: DatabaseHeader) -> Self {
        let max_required = match header.is_clean() {
            true => 0,
            false => header.max_required.get(),
        };
        Redo {
            pages: Pages::new(file, store, max_required),
            database: DatabaseRedo::new(header),
            sessions: Sessions::default(),
            builds: Builds::default(),
        }
    }

    /// Sets whether indices may have been built without records.
    pub fn expect_unlogged_builds(&mut self, expect: bool) {
        self.builds.expect(expect);
    }

    /// Whether the page may have got this DBTIME during the unlogged build of its tree, an index.
    pub fn may_be_unlogged(&self, object: u32, dbtime: u64) -> bool {
        self.builds.explain(object, dbtime)
    }

    /// Replays one record.
    pub fn apply(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.database.follow_number(&entry.record);
        self.pages.begin_record(entry.position)?;
        match &entry.record {
            Record::Begin(begin) => self.sessions.begin(begin),
            Record::Commit(commit) => {
                self.sessions.commit(commit);
                if commit.level_to == 0 {
                    self.builds.commit(commit.session, self.database.dbtime);
                }
            }
            Record::Rollback(rollback) => self.sessions.roll_back(rollback),
            Record::Refresh(refresh) => self.sessions.refresh(refresh),
            Record::MacroBegin(mark) => {
                let begun = self.sessions.begin_macro(mark);
                begun.map_err(|what| self.pages.contradiction(what.into()))?;
            }
            Record::MacroCommit(mark) => self.commit_macro(mark)?,
            Record::MacroAbort(mark) => self.sessions.abort_macro(mark),
            Record::ShutDownMark => self.database.note_shut_down_mark(entry.position),
            Record::Init(_) | Record::RecoveryQuitKeepAttachments(_) => self.end_sessions()?,
            Record::Term(_) | Record::RecoveryQuit(_) => {
                self.end_sessions()?;
                self.database.shut_down(&self.pages)?;
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
            | Record::Scrub(_) => {
                if let Some(head) = node_head(&entry.record)
                    && self.admits(Origin::of(&head.page, head.object.get()), entry)
                {
                    let (pages, sessions) = (&mut self.pages, &mut self.sessions);
                    NodeRedo { pages, sessions }.redo(&entry.record, head)?;
                }
            }

            Record::Split(split) => {
                self.store_in_macro(Origin::of(&split.head.page, split.head.object.get()), entry)?;
            }
            Record::Merge(merge) => {
                self.store_in_macro(Origin::of(&merge.head.page, merge.head.object.get()), entry)?;
            }
            Record::RootPageMove(root) => self.store_in_macro(Origin::of_root_move(root), entry)?,
            Record::PageMove(page_move) => {
                let head = page_move.head;
                if self.admits(Origin::of(&head.page, head.object.get()), entry) {
                    self.moves().move_page(page_move)?;
                }
            }

            Record::NewPage(new) => {
                if self.admits(Origin::of_new_page(new), entry) {
                    self.space().new_page(new)?;
                }
            }
            Record::CreateMultipleExtent(create) => {
                self.forget_tree(create.page.database, create.page.page.get());
                if self.admits(Origin::of(&create.page, create.object.get()), entry) {
                    self.space().create_multiple_extent(create)?;
                }
            }
            Record::CreateSingleExtent(create) => {
                self.forget_tree(create.page.database, create.page.page.get());
                if self.admits(Origin::of(&create.page, create.object.get()), entry) {
                    self.space().create_single_extent(create)?;
                }
            }
            Record::Convert(convert) => {
                let head = convert.head;
                if self.admits(Origin::of(&head.page, head.object.get()), entry) {
                    self.space().convert(convert)?;
                }
            }
            Record::FreeTree(free) => self.forget_tree(free.database, free.root.get()),

            Record::CreateDatabase(_)
            | Record::AttachDatabase(_)
            | Record::ReattachDatabase(_)
            | Record::DetachDatabase(_)
            | Record::ExtendDatabase(_)
            | Record::ShrinkDatabase(_)
            | Record::TrimDatabase(_)
            | Record::SetDatabaseVersion(_)
            | Record::Backup(_) => self.database.redo(&entry.record, &mut self.pages)?,

            // Nothing to redo: marks for readers of logs, requests to the engine, parts of other
            // records.
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

    fn moves(&mut self) -> MoveRedo<'_> {
        MoveRedo {
            pages: &mut self.pages,
        }
    }

    fn space(&mut self) -> SpaceRedo<'_> {
        SpaceRedo {
            pages: &mut self.pages,
        }
    }

    /// Ends the replay; only undo remains.
    pub fn end(&mut self) -> Result<()> {
        self.pages.check_lost()?;
        self.sessions.drop_macros();
        Ok(())
    }

    /// Forgets the changes of open transactions to a tree that is deleted, or whose root page
    /// becomes that of another: they are not rolled back.
    ///
    /// This happens if the creation of an index is rolled back while other sessions still add to
    /// it: their changes are in no page, and no record voids them (`ErrLGRIPurgeFcbs`).
    fn forget_tree(&mut self, database: u8, root: u32) {
        if self.database.is_attached_as(database) {
            self.sessions.forget_tree(root);
        }
    }

    /// Ends all sessions, since the engine started or stopped. Their changes were committed or
    /// rolled back before.
    fn end_sessions(&mut self) -> Result<()> {
        if self.database.is_attached() && self.sessions.have_versions() {
            let what = "the engine starts or stops while a transaction is open".into();
            return Err(self.pages.contradiction(what));
        }
        self.sessions = Sessions::default();
        Ok(())
    }

    /// Whether to redo the record now. Updates the database's counters.
    fn admits(&mut self, origin: Origin, entry: &Entry<'_>) -> bool {
        matches!(self.admit(origin, entry), Admission::Go)
    }

    fn admit(&mut self, origin: Origin, entry: &Entry<'_>) -> Admission {
        if self.database.concerns(origin.database, entry.position) {
            self.builds.follow(origin, &entry.record);
        }
        let begun = match self.sessions.begun(origin.session) {
            Some(session) => {
                if !matches!(entry.record, Record::UndoInfo(_))
                    && session.store_in_macro(origin.dbtime, entry)
                {
                    return Admission::Stored;
                }
                true
            }
            None => false,
        };
        match self.database.count(origin, entry.position) && begun {
            true => Admission::Go,
            false => {
                self.pass_over(origin.database, &entry.record);
                Admission::Skip
            }
        }
    }

    /// Skips a record whose change is already in the file, or is another database's.
    fn pass_over(&mut self, database: u8, record: &Record<'_>) {
        if self.database.is_known_as(database) {
            self.pages.note_pages_of(record);
        }
    }

    /// Stores a record that takes effect only with its macro.
    fn store_in_macro(&mut self, origin: Origin, entry: &Entry<'_>) -> Result<()> {
        match self.admit(origin, entry) {
            Admission::Go => {
                let what = format!("a {} outside a macro", entry.kind);
                Err(self.pages.contradiction(what))
            }
            Admission::Skip | Admission::Stored => Ok(()),
        }
    }

    fn commit_macro(&mut self, mark: &Macro) -> Result<()> {
        let Some(open) = self.sessions.take_macro(mark) else {
            return Ok(());
        };
        let contradiction = |pages: &Pages, what: &str| Err(pages.contradiction(what.into()));
        let Ok(records) = open.parse() else {
            return contradiction(&self.pages, "a macro with a malformed record");
        };
        let position = self.pages.position();
        for record in &records {
            let Some(head) = record.page_head() else {
                continue;
            };
            // Macros from before the last attachment change nothing: their changes are in the file.
            if !self.database.count(Origin::of(head, 0), position) {
                self.pass_over(head.database, record);
            }
        }
        let concerns = |database: u8| self.database.concerns(database, position);
        let (pages, sessions) = (&mut self.pages, &mut self.sessions);
        match records.split_first() {
            None => Ok(()),
            Some((Record::Split(_), _)) => match SplitMacro::of(&records) {
                Ok(split) if concerns(split.database()) => {
                    SplitRedo { pages, sessions }.redo(&split)
                }
                Ok(_) => Ok(()),
                Err(what) => contradiction(pages, what),
            },
            Some((Record::Merge(_), _)) => match MergeMacro::of(&records) {
                Ok(merge) if concerns(merge.database()) => MergeRedo { pages }.redo(&merge),
                Ok(_) => Ok(()),
                Err(what) => contradiction(pages, what),
            },
            Some((Record::RootPageMove(root), rest)) if concerns(root.database) => {
                let moved = RootMoveMacro::of(root, rest);
                moved
                    .moved_roots()
                    .for_each(|root| sessions.forget_tree(root));
                MoveRedo { pages }.move_root(&moved)
            }
            Some((Record::RootPageMove(_), _)) => Ok(()),
            Some(_) => contradiction(
                pages,
                "a macro that begins with no split, merge or root move",
            ),
        }
    }
}
