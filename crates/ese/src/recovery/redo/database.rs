//! Redo of records about the whole database: attachment, detachment, size, format.

use zerocopy::little_endian::U32;

use super::super::clock;
use super::super::error::{Error, Result};
use super::origin::Origin;
use super::pages::{MAX_PAGE, Pages};
use crate::header::{BackupInfo, BackupKind, DatabaseHeader, DbTime, Lgpos, LogTime, Signature};
use crate::log::record::{
    AttachDatabase, Backup, CreateDatabase, DetachDatabase, ExtendDatabase, ReattachDatabase,
    Record, SetDatabaseVersion, ShrinkDatabase, TrimDatabase,
};
use crate::page::Pgno;
use crate::page_store::PageState;

/// The numbers of states in the header.
const STATE_DIRTY: u32 = 2;
const STATE_CLEAN: u32 = 3;

/// The header of the database as redo changes it, and whether the database is attached at the
/// current record.
#[derive(Debug)]
pub(in crate::recovery) struct DatabaseRedo {
    pub header: DatabaseHeader,
    /// The highest DBTIME so far.
    pub dbtime: u64,
    /// The highest OBJID so far.
    last_object: u32,
    /// The number (DBID) of the attached database in records; `None` while it is detached.
    attached: Option<u8>,
    /// The same number, but also from before the last attachment.
    known_as: Option<u8>,
    /// Whether the file is the copy of a streaming backup.
    is_backup: bool,
    /// The position of the last record that announced the engine's stop; attached databases are
    /// consistent there.
    shut_down: Option<Lgpos>,
}

/// DBTIMEs from here on are markers, such as "none".
const DBTIME_LIMIT: u64 = 1 << 63;

impl DatabaseRedo {
    pub fn new(header: DatabaseHeader) -> Self {
        DatabaseRedo {
            dbtime: header.dbtime.get(),
            last_object: header.last_object_id.get(),
            attached: (!header.is_clean()).then_some(header.database_id.get() as u8),
            known_as: None,
            is_backup: header.current_full_backup.low != 0,
            shut_down: None,
            header,
        }
    }

    /// Sets the number by which the first log knows the database at its start.
    pub fn known_as(&mut self, number: Option<u8>) {
        self.known_as = number;
    }

    /// Raises the counters to those of log headers, which records alone do not show.
    pub fn count_up_to(&mut self, dbtime: u64, last_object: u32) {
        self.dbtime = self.dbtime.max(dbtime);
        self.last_object = self.last_object.max(last_object);
    }

    /// Whether the database is attached at the current record.
    pub fn is_attached(&self) -> bool {
        self.attached.is_some()
    }

    /// Whether the database is attached under this number.
    pub(super) fn is_attached_as(&self, number: u8) -> bool {
        self.attached == Some(number)
    }

    /// Whether the logs know the database by this number.
    pub(super) fn is_known_as(&self, number: u8) -> bool {
        self.known_as == Some(number)
    }

    /// Whether a record concerns the database in the state that its header shows.
    pub(super) fn concerns(&self, database: u8, position: Lgpos) -> bool {
        self.attached == Some(database) && position > self.header.last_attach
    }

    /// Counts a change of the database. Returns `false` if the change is another database's, or
    /// from before the attachment.
    pub(super) fn count(&mut self, origin: Origin, position: Lgpos) -> bool {
        let concerns = self.concerns(origin.database, position);
        if concerns {
            if origin.dbtime < DBTIME_LIMIT {
                self.dbtime = self.dbtime.max(origin.dbtime);
            }
            self.last_object = self.last_object.max(origin.object);
        }
        concerns
    }

    /// Follows the database's number in the logs.
    pub(super) fn follow_number(&mut self, record: &Record<'_>) {
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

    /// Replays a record about the whole database.
    pub(super) fn redo(&mut self, record: &Record<'_>, pages: &mut Pages) -> Result<()> {
        match record {
            Record::CreateDatabase(create) => self.create(create, pages)?,
            Record::AttachDatabase(attach) => self.attach(attach, pages)?,
            Record::ReattachDatabase(reattach) => self.reattach(reattach, pages.position()),
            Record::DetachDatabase(detach) => self.detach(detach, pages)?,
            Record::ExtendDatabase(extend) => self.extend(extend, pages)?,
            Record::ShrinkDatabase(shrink) => self.shrink(shrink, pages)?,
            Record::TrimDatabase(trim) => self.trim(trim, pages)?,
            Record::SetDatabaseVersion(version) => self.set_version(version, pages.position()),
            Record::Backup(backup) => self.note_backup(backup, pages.position()),
            _ => {}
        }
        Ok(())
    }

    /// Records that the engine is about to stop.
    pub(super) fn note_shut_down_mark(&mut self, position: Lgpos) {
        self.shut_down = Some(position);
    }

    /// Fails if the replayed logs create the database itself, after the state of the file.
    fn create(&mut self, create: &CreateDatabase<'_>, pages: &Pages) -> Result<()> {
        let is_ours = create.head.signature == self.header.database_signature;
        if is_ours && pages.position() > self.header.last_attach {
            let what = format!(
                "the logs create this database anew at {}, after the state that the file is in; \
                 recover from a backup that was made later",
                pages.position()
            );
            return Err(Error::Unrecoverable {
                database: pages.file().to_path_buf(),
                what,
            });
        }
        Ok(())
    }

    fn attach(&mut self, attach: &AttachDatabase<'_>, pages: &Pages) -> Result<()> {
        let head = attach.head;
        if head.signature != self.header.database_signature {
            return Ok(());
        }
        // This record, or a later one, attached the file.
        if pages.position() <= self.header.last_attach {
            if pages.position() == self.header.last_attach && self.attached.is_some() {
                self.attached = Some(head.database);
            }
            return Ok(());
        }
        if self.attached.is_none() && head.consistent != self.header.last_consistent {
            // A clean file that is older or newer than the one attached here.
            return match self.header.last_consistent > pages.position() || pages.counts.redone == 0
            {
                true => Ok(()),
                false => Err(Error::Unrecoverable {
                    database: pages.file().to_path_buf(),
                    what: format!(
                        "the database was attached at {} in a state (of {}) other than that of {} \
                         in which the logs left it; recover from a newer backup",
                        pages.position(),
                        head.consistent,
                        self.header.last_consistent
                    ),
                }),
            };
        }
        self.attached = Some(head.database);
        self.header.state = U32::new(STATE_DIRTY);
        self.header.last_attach = pages.position();
        self.header.last_attach_time = clock::now();
        self.header.database_id = U32::new(head.database.into());
        Ok(())
    }

    fn reattach(&mut self, reattach: &ReattachDatabase, position: Lgpos) {
        if self.concerns(reattach.database, position) {
            self.header.last_reattach = position;
        }
    }

    fn detach(&mut self, detach: &DetachDatabase<'_>, pages: &Pages) -> Result<()> {
        if !self.concerns(detach.head.database, pages.position()) {
            return Ok(());
        }
        self.leave(pages.position(), pages)
    }

    /// The engine stopped, which detached all databases.
    pub(super) fn shut_down(&mut self, pages: &Pages) -> Result<()> {
        let position = self.shut_down.take().unwrap_or(pages.position());
        match self.attached.is_some() && position > self.header.last_attach {
            true => self.leave(position, pages),
            false => Ok(()),
        }
    }

    /// Detaches the database, consistent at `position`.
    fn leave(&mut self, position: Lgpos, pages: &Pages) -> Result<()> {
        if !pages.in_required_range() {
            pages.check_lost()?;
        }
        self.attached = None;
        self.set_clean(position);
        Ok(())
    }

    fn extend(&mut self, extend: &ExtendDatabase, pages: &mut Pages) -> Result<()> {
        if self.concerns(extend.database, pages.position()) {
            if extend.last_page.get() > MAX_PAGE {
                let what = format!("page {} cannot exist", extend.last_page);
                return Err(pages.contradiction(what));
            }
            pages.store.grow(extend.last_page.get());
            // A file that already went through later resizes counts this one already.
            if self.header.last_resize <= pages.position() {
                self.header.extend_count = (self.header.extend_count.get().wrapping_add(1)).into();
                self.header.extend_time = clock::now();
            }
            self.note_resize(pages.position());
        }
        Ok(())
    }

    fn shrink(&mut self, shrink: &ShrinkDatabase<'_>, pages: &mut Pages) -> Result<()> {
        let head = shrink.head;
        if !self.concerns(head.database, pages.position()) {
            return Ok(());
        }
        let last = head.last_page.get();
        let cut_off = last.saturating_add(1)
            ..=pages
                .store
                .pages()
                .max(last.saturating_add(head.pages.get()));
        pages.forget_lost(cut_off);
        let dbtime = shrink.dbtime.filter(|dbtime| *dbtime > 0);
        self.dbtime = self.dbtime.max(dbtime.unwrap_or(0));

        let last_resize = self.header.last_resize;
        if last_resize.is_set() && last_resize > pages.position() {
            // The file already went through this and may have grown again since.
            let end = last
                .saturating_add(head.pages.get())
                .min(pages.store.pages());
            return match dbtime {
                Some(dbtime) => clear_older_pages(pages, last.saturating_add(1), end, dbtime),
                None => Ok(()),
            };
        }
        if !last_resize.is_set() && pages.in_required_range() {
            return Ok(());
        }
        pages.store.shrink(last);
        self.header.shrink_count = (self.header.shrink_count.get().wrapping_add(1)).into();
        self.header.shrink_time = clock::now();
        self.note_resize(pages.position());
        Ok(())
    }

    fn trim(&mut self, trim: &TrimDatabase, pages: &mut Pages) -> Result<()> {
        let (first, count) = (trim.first_page.get(), trim.pages.get());
        let Some(last) = first.checked_add(count).and_then(|end| end.checked_sub(1)) else {
            return Ok(());
        };
        if !self.concerns(trim.database, pages.position()) || first == 0 {
            return Ok(());
        }
        pages.forget_lost(first..=last);
        // Inside the required range the pages may hold later changes that redo will not repeat.
        if pages.in_required_range() || last > pages.store.pages() {
            return Ok(());
        }
        for number in pages.store.existing(first..=last) {
            pages.store.clear(number);
        }
        Ok(())
    }

    fn set_version(&mut self, version: &SetDatabaseVersion, position: Lgpos) {
        if self.concerns(version.database, position) {
            self.header.version = version.major;
            self.header.update_major = version.update_major;
            self.header.update_minor = version.update_minor;
        }
    }

    /// Records a finished backup in the header.
    fn note_backup(&mut self, backup: &Backup<'_>, position: Lgpos) {
        const UPDATED: u8 = 4;
        const FULL: u8 = 1;
        const INCREMENTAL: u8 = 2;
        const COPY: u8 = 5;
        const DIFFERENTIAL: u8 = 6;
        let head = backup.head;
        if head.phase != UPDATED || !self.concerns(head.database, position) {
            return;
        }
        let info = BackupInfo {
            mark: head.mark,
            mark_time: head.time,
            low: head.low,
            high: head.high,
        };
        let header = &mut self.header;
        match head.scope {
            FULL => {
                header.previous_full_backup = info;
                header.previous_incremental_backup = BackupInfo::default();
                header.previous_differential_backup = BackupInfo::default();
            }
            INCREMENTAL => header.previous_incremental_backup = info,
            COPY => header.previous_copy_backup = info,
            DIFFERENTIAL => header.previous_differential_backup = info,
            _ => {}
        }
    }

    fn note_resize(&mut self, position: Lgpos) {
        if self.header.last_resize.is_set() {
            self.header.last_resize = self.header.last_resize.max(position);
        }
    }

    /// Makes the header that of a clean database, with everything before `position` in the file.
    pub fn set_clean(&mut self, position: Lgpos) {
        if self.is_backup {
            // The sequence of backups starts again: entries of the old one must not cause logs to
            // be deleted.
            let header = &mut self.header;
            header.previous_full_backup = BackupInfo::default();
            header.previous_full_backup_kind = BackupKind::STREAMING;
            header.previous_incremental_backup = BackupInfo::default();
            header.previous_incremental_backup_kind = BackupKind::STREAMING;
            header.previous_copy_backup = BackupInfo::default();
            header.previous_differential_backup = BackupInfo::default();
        }
        let (dbtime, last_object) = (self.dbtime, self.last_object);
        let now = clock::now();
        let header = &mut self.header;
        header.state = U32::new(STATE_CLEAN);
        header.dbtime = DbTime::new(dbtime);
        header.last_object_id = U32::new(last_object);
        header.last_consistent = position;
        header.last_consistent_time = now;
        header.last_detach = position;
        header.last_detach_time = now;
        header.min_required = U32::ZERO;
        header.max_required = U32::ZERO;
        header.max_required_time = LogTime::default();
        header.max_committed = U32::ZERO;
        header.max_committed_time = LogTime::default();
        header.min_consistent = U32::ZERO;
        header.min_consistent_before_redo = U32::ZERO;
        header.min_required_before_redo = U32::ZERO;
        header.recovering = U32::ZERO;
        header.current_full_backup = BackupInfo::default();
        header.current_shadow_copy = BackupInfo::default();
        if header.last_resize.is_set() {
            header.last_resize = position;
        }
        // The engine's flush map beside the file no longer matches it.
        header.header_flush_signature = Signature::default();
        header.flush_map_flush_signature = Signature::default();
    }
}

/// Clears pages that were cut off, except those created again since.
fn clear_older_pages(pages: &mut Pages, first: Pgno, last: Pgno, dbtime: u64) -> Result<()> {
    for number in pages.store.existing(first..=last) {
        let cached = pages.store.page(number)?;
        let old = cached.page.dbtime();
        if cached.state == PageState::Sound && old > 0 && old < dbtime {
            pages.store.clear(number);
        }
    }
    Ok(())
}
