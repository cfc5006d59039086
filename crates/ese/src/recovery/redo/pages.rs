//! The pages that records change: decides whether a page needs a change, and makes it.
//!
//! During the replay of logs whose changes may already be in the file, a page may be missing
//! because a later record returns it to the system (shrink, trim). Such pages are recorded;
//! recovery fails if no later record explains them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::super::error::{Error, Result};
use super::record_pages::pages_of;
use crate::edit::EditPage;
use crate::header::Lgpos;
use crate::log::record::{BeforeImage, Record};
use crate::page::{Fault, Pgno};
use crate::page_store::{PageMap, PageState, PageStore};

/// The work done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records read.
    pub records: u64,
    /// Changes of pages that were redone.
    pub redone: u64,
    /// Changes of pages that were already there.
    pub present: u64,
    /// Changes that were rolled back because their transaction has no commit.
    pub undone: u64,
    /// Transactions that were rolled back.
    pub rolled_back: u64,
}

/// The highest page number of the format.
pub(super) const MAX_PAGE: Pgno = 0x7fff_fffe;

/// The pages of the database, and the current record.
#[derive(Debug)]
pub(in crate::recovery) struct Pages {
    pub store: PageStore,
    pub counts: Counts,
    /// The database file, for errors.
    file: PathBuf,
    /// The position of the current record.
    position: Lgpos,
    /// The last generation whose changes may already be in the file.
    max_required: u32,
    lost: LostPages,
    /// The DBTIME to which the logs brought each page whose changes the file may hold.
    reached: PageMap<u64>,
}

/// The need of a page for a record's change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The page is in the state before the change.
    Redo,
    /// The page has the change, or is lost for now.
    Nothing,
}

impl Need {
    pub fn redo(self) -> bool {
        self == Need::Redo
    }
}

/// Pages not in the state that the records expect, with the first record that found this.
#[derive(Debug, Default)]
struct LostPages {
    /// Pages without content.
    blank: BTreeMap<Pgno, Loss>,
    /// Pages that lack changes.
    old: BTreeMap<Pgno, Loss>,
}

#[derive(Debug)]
struct Loss {
    position: Lgpos,
    before: u64,
    after: u64,
    found: u64,
}

impl LostPages {
    fn is_empty(&self) -> bool {
        self.blank.is_empty() && self.old.is_empty()
    }

    fn forget(&mut self, pages: RangeInclusive<Pgno>) {
        if self.is_empty() {
            return;
        }
        for map in [&mut self.blank, &mut self.old] {
            map.retain(|page, _| !pages.contains(page));
        }
    }
}

impl Pages {
    /// The pages in `store` of the database `file`, which may hold changes up to the generation
    /// `max_required`.
    pub fn new(file: PathBuf, store: PageStore, max_required: u32) -> Self {
        Pages {
            store,
            counts: Counts::default(),
            file,
            position: Lgpos::MIN,
            max_required,
            lost: LostPages::default(),
            reached: PageMap::default(),
        }
    }

    /// Moves on to the record at `position`.
    pub fn begin_record(&mut self, position: Lgpos) -> Result<()> {
        self.position = position;
        self.counts.records += 1;
        match !self.lost.is_empty() && !self.in_required_range() {
            true => self.check_lost(),
            false => Ok(()),
        }
    }

    /// The position of the current record.
    pub fn position(&self) -> Lgpos {
        self.position
    }

    /// The database file, for errors.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether the file may hold changes of records after the current one.
    pub fn in_required_range(&self) -> bool {
        self.position.generation() <= self.max_required
    }

    /// Whether records brought a page to this DBTIME or a later one.
    pub fn has_reached(&self, page: Pgno, dbtime: u64) -> bool {
        self.reached.get(&page).is_some_and(|to| dbtime <= *to)
    }

    fn note_page(&mut self, number: Pgno, after: u64) {
        // The file holds no change after the required range.
        if self.in_required_range() {
            let dbtime = self.reached.entry(number).or_default();
            *dbtime = after.max(*dbtime);
        }
    }

    /// Records the pages of a record whose change is certainly in the file.
    pub fn note_pages_of(&mut self, record: &Record<'_>) {
        if let Some((pages, dbtime)) = pages_of(record) {
            for page in pages {
                self.note_page(page, dbtime);
            }
        }
    }

    /// Whether the page needs the current record's change from DBTIME `before` to `after`.
    pub(super) fn need(&mut self, number: Pgno, before: u64, after: u64) -> Result<Need> {
        self.note_page(number, after);
        if !self.lost.is_empty() && self.lost.blank.contains_key(&number) {
            return Ok(Need::Nothing);
        }
        let in_range = self.in_required_range();
        let position = self.position;
        let cached = self.store.page(number)?;
        let found = match &cached.state {
            PageState::Sound => cached.page.dbtime(),
            PageState::Blank if in_range => {
                let loss = Loss {
                    position,
                    before,
                    after,
                    found: 0,
                };
                self.lost.blank.entry(number).or_insert(loss);
                return Ok(Need::Nothing);
            }
            PageState::Blank => return Err(self.lost_page(number, "it was never written".into())),
            PageState::Damaged(why) => {
                let why = format!("it is damaged: {why}");
                return Err(self.lost_page(number, why));
            }
        };
        if after > found {
            if found == before {
                return Ok(Need::Redo);
            }
            if found < before && in_range {
                let loss = Loss {
                    position,
                    before,
                    after,
                    found,
                };
                self.lost.old.entry(number).or_insert(loss);
                return Ok(Need::Nothing);
            }
        } else if in_range {
            self.counts.present += 1;
            return Ok(Need::Nothing);
        }
        Err(self.gap(number, position, before, after, found))
    }

    /// Like [`need`](Self::need), for a page that the record may omit by the number 0.
    pub(super) fn need_if_named(&mut self, number: Pgno, before: u64, after: u64) -> Result<bool> {
        match number {
            0 => Ok(false),
            number => self.need(number, before, after).map(Need::redo),
        }
    }

    /// Whether to make the page that the current record creates at DBTIME `after`.
    pub(super) fn need_new(&mut self, number: Pgno, after: u64) -> Result<bool> {
        if number == 0 || number > MAX_PAGE {
            return Err(self.contradiction(format!("page {number} cannot exist")));
        }
        self.note_page(number, after);
        let in_range = self.in_required_range();
        let cached = self.store.page(number)?;
        let redo = !in_range || cached.state != PageState::Sound || after > cached.page.dbtime();
        match redo {
            true => self.lost.forget(number..=number),
            false => self.counts.present += 1,
        }
        Ok(redo)
    }

    /// Changes a page and sets its DBTIME.
    pub(super) fn change<T>(
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

    /// Creates a page; the database grows if the page is beyond its end.
    pub(super) fn create(
        &mut self,
        number: Pgno,
        dbtime: u64,
        fill: impl FnOnce(&mut EditPage) -> Result<(), Fault>,
    ) -> Result<()> {
        self.change(number, dbtime, fill)?;
        self.store.grow(number);
        Ok(())
    }

    /// The page `number` before a split or merge, from the record.
    pub(super) fn image(
        &self,
        image: Option<BeforeImage<'_>>,
        number: Pgno,
        of: &str,
    ) -> Result<EditPage> {
        let size = self.store.page_size();
        let Some(image) = image.filter(|image| !image.bytes.is_empty()) else {
            let what = format!("a {of} without the image of page {number} that its redo needs");
            return Err(self.contradiction(what));
        };
        match image.expand(size) {
            Some(bytes) => Ok(EditPage::new(number, size, bytes)),
            None => {
                Err(self.contradiction(format!("a {of} with a damaged image of page {number}")))
            }
        }
    }

    /// Forgets lost pages that are removed for good, or created anew.
    pub fn forget_lost(&mut self, pages: RangeInclusive<Pgno>) {
        self.lost.forget(pages);
    }

    /// Fails if pages are lost and no record explains it.
    pub fn check_lost(&self) -> Result<()> {
        if let Some((page, loss)) = self.lost.old.first_key_value() {
            return Err(self.gap(*page, loss.position, loss.before, loss.after, loss.found));
        }
        match self.lost.blank.first_key_value() {
            Some((page, loss)) => Err(Error::LostPage {
                database: self.file.clone(),
                page: *page,
                position: loss.position,
                why: "it has no content".into(),
            }),
            None => Ok(()),
        }
    }

    #[cold]
    fn lost_page(&self, page: Pgno, why: String) -> Error {
        Error::LostPage {
            database: self.file.clone(),
            page,
            position: self.position,
            why,
        }
    }

    #[cold]
    fn gap(&self, page: Pgno, position: Lgpos, before: u64, after: u64, found: u64) -> Error {
        Error::Gap {
            database: self.file.clone(),
            page,
            position,
            before,
            after,
            found,
        }
    }

    /// The error for a page that contradicts the record that changes it.
    #[cold]
    pub(super) fn fault(&self, fault: Fault) -> Error {
        self.contradiction(format!(
            "{}: {fault}. The log does not belong to the file, or one of them is damaged",
            self.file.display()
        ))
    }

    /// The error for a record that contradicts earlier records, or itself.
    #[cold]
    pub(super) fn contradiction(&self, what: String) -> Error {
        Error::Contradiction {
            position: self.position,
            what,
        }
    }
}
