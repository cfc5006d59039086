//! Redo of records about the database as a whole: in and out of use, longer, shorter, of a newer format.

use zerocopy::little_endian::U32;

use super::super::clock;
use super::super::error::{Error, Result};
use super::Redo;
use crate::header::{BackupInfo, BackupKind, DbTime, Lgpos, LogTime, Signature};
use crate::log::record::{
    AttachDatabase, Backup, CreateDatabase, DetachDatabase, ExtendDatabase, ReattachDatabase,
    SetDatabaseVersion, ShrinkDatabase, TrimDatabase,
};
use crate::page::Pgno;
use crate::page_store::PageState;

/// The numbers of states in the header.
pub(in crate::recovery) const STATE_DIRTY: u32 = 2;
const STATE_CLEAN: u32 = 3;

impl Redo {
    /// The database's own creation lies in the logs that are replayed, after the state that the file is in.
    pub(super) fn create_database(&mut self, create: &CreateDatabase<'_>) -> Result<()> {
        let is_ours = create.head.signature == self.header.database_signature;
        if is_ours && self.position > self.header.last_attach {
            let what = format!(
                "the logs create this database anew at {}, after the state that the file is in; recover from a backup \
                 that was made later",
                self.position
            );
            return Err(Error::Unrecoverable {
                database: self.database.clone(),
                what,
            });
        }
        Ok(())
    }

    pub(super) fn attach_database(&mut self, attach: &AttachDatabase<'_>) -> Result<()> {
        let head = attach.head;
        if head.signature != self.header.database_signature {
            return Ok(());
        }
        // The file was attached by this record, or by a later one.
        if self.position <= self.header.last_attach {
            if self.position == self.header.last_attach && self.attached.is_some() {
                self.attached = Some(head.database);
            }
            return Ok(());
        }
        if self.attached.is_none() && head.consistent != self.header.last_consistent {
            // A clean file that is older or newer than the one which was attached here.
            return match self.header.last_consistent > self.position || self.counts.redone == 0 {
                true => Ok(()),
                false => Err(Error::Unrecoverable {
                    database: self.database.clone(),
                    what: format!(
                        "the database was attached at {} in a state (of {}) other than that of {} in which the logs \
                         left it; recover from a newer backup",
                        self.position, head.consistent, self.header.last_consistent
                    ),
                }),
            };
        }
        self.attached = Some(head.database);
        self.header.state = U32::new(STATE_DIRTY);
        self.header.last_attach = self.position;
        self.header.last_attach_time = clock::now();
        self.header.database_id = U32::new(head.database.into());
        Ok(())
    }

    pub(super) fn reattach_database(&mut self, reattach: &ReattachDatabase) {
        if self.concerns(reattach.database) {
            self.header.last_reattach = self.position;
        }
    }

    pub(super) fn detach_database(&mut self, detach: &DetachDatabase<'_>) -> Result<()> {
        if !self.concerns(detach.head.database) {
            return Ok(());
        }
        self.leave(self.position)
    }

    /// The engine stopped, and with it all databases went out of use.
    pub(super) fn shut_down_database(&mut self) -> Result<()> {
        let position = self.shut_down.take().unwrap_or(self.position);
        match self.attached.is_some() && position > self.header.last_attach {
            true => self.leave(position),
            false => Ok(()),
        }
    }

    /// The database goes out of use, consistent at `position`.
    fn leave(&mut self, position: Lgpos) -> Result<()> {
        if !self.in_required_range() {
            self.check_lost()?;
        }
        self.attached = None;
        self.set_clean(position);
        Ok(())
    }

    pub(super) fn extend_database(&mut self, extend: &ExtendDatabase) -> Result<()> {
        if self.concerns(extend.database) {
            if extend.last_page.get() > super::pages::MAX_PAGE {
                let what = format!("page {} cannot exist", extend.last_page);
                return Err(self.contradiction(what));
            }
            self.store.grow(extend.last_page.get());
            // A file that went through later ones has this one in its count.
            if self.header.last_resize <= self.position {
                self.header.extend_count = (self.header.extend_count.get().wrapping_add(1)).into();
                self.header.extend_time = clock::now();
            }
            self.note_resize();
        }
        Ok(())
    }

    pub(super) fn shrink_database(&mut self, shrink: &ShrinkDatabase<'_>) -> Result<()> {
        let head = shrink.head;
        if !self.concerns(head.database) {
            return Ok(());
        }
        let last = head.last_page.get();
        let cut_off = last.saturating_add(1)
            ..=self
                .store
                .pages()
                .max(last.saturating_add(head.pages.get()));
        self.lost.forget(cut_off);
        let dbtime = shrink.dbtime.filter(|dbtime| *dbtime > 0);
        self.dbtime = self.dbtime.max(dbtime.unwrap_or(0));

        let last_resize = self.header.last_resize;
        if last_resize.is_set() && last_resize > self.position {
            // The file went through this already and may have grown again since.
            let end = last
                .saturating_add(head.pages.get())
                .min(self.store.pages());
            return match dbtime {
                Some(dbtime) => self.clear_older_pages(last.saturating_add(1), end, dbtime),
                None => Ok(()),
            };
        }
        if !last_resize.is_set() && self.in_required_range() {
            return Ok(());
        }
        self.store.shrink(last);
        self.header.shrink_count = (self.header.shrink_count.get().wrapping_add(1)).into();
        self.header.shrink_time = clock::now();
        self.note_resize();
        Ok(())
    }

    /// Clears pages that were cut off, as far as they were not made anew since.
    fn clear_older_pages(&mut self, first: Pgno, last: Pgno, dbtime: u64) -> Result<()> {
        for number in self.store.existing(first..=last) {
            let cached = self.store.page(number)?;
            let old = cached.page.dbtime();
            if cached.state == PageState::Sound && old > 0 && old < dbtime {
                self.store.clear(number);
            }
        }
        Ok(())
    }

    pub(super) fn trim_database(&mut self, trim: &TrimDatabase) -> Result<()> {
        let (first, pages) = (trim.first_page.get(), trim.pages.get());
        let Some(last) = first.checked_add(pages).and_then(|end| end.checked_sub(1)) else {
            return Ok(());
        };
        if !self.concerns(trim.database) || first == 0 {
            return Ok(());
        }
        self.lost.forget(first..=last);
        // Inside the required range, the pages may hold what was written later and will not be redone.
        if self.in_required_range() || last > self.store.pages() {
            return Ok(());
        }
        for number in self.store.existing(first..=last) {
            self.store.clear(number);
        }
        Ok(())
    }

    pub(super) fn set_database_version(&mut self, version: &SetDatabaseVersion) {
        if self.concerns(version.database) {
            self.header.version = version.major;
            self.header.update_major = version.update_major;
            self.header.update_minor = version.update_minor;
        }
    }

    /// A finished backup is noted in the header.
    pub(super) fn note_backup(&mut self, backup: &Backup<'_>) {
        const UPDATED: u8 = 4;
        const FULL: u8 = 1;
        const INCREMENTAL: u8 = 2;
        const COPY: u8 = 5;
        const DIFFERENTIAL: u8 = 6;
        let head = backup.head;
        if head.phase != UPDATED || !self.concerns(head.database) {
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

    fn note_resize(&mut self) {
        if self.header.last_resize.is_set() {
            self.header.last_resize = self.header.last_resize.max(self.position);
        }
    }

    /// The header says that everything before `position` is in the file.
    pub fn set_clean(&mut self, position: Lgpos) {
        if self.is_backup {
            // The sequence of backups begins anew: what the old one noted must not lead to logs being deleted.
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
        // A flush map that the engine kept beside the file no longer fits it.
        header.header_flush_signature = Signature::default();
        header.flush_map_flush_signature = Signature::default();
    }
}
