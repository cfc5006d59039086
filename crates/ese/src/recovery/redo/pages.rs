//! Whether a page needs a change, and the pages for which that cannot be told yet.
//!
//! While logs are replayed whose changes may be in the file already, a page may be missing because a later record gives
//! it back to the system (shrink, trim). Such pages are noted; if nothing explains them, recovery is refused.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::error::{Error, Result};
use super::super::newest::{self, Newest};
use super::super::store::{PageMap, PageState};
use super::Redo;
use crate::header::Lgpos;
use crate::page::Pgno;

/// What a record finds when it looks at a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The page is as it was before the change.
    Redo,
    /// The change is in the page, or the page is lost for now.
    Nothing,
}

impl Need {
    pub fn redo(self) -> bool {
        self == Need::Redo
    }
}

/// Pages that are not what the records expect, with the first record that found out.
#[derive(Debug, Default)]
pub(super) struct LostPages {
    /// Without content.
    blank: BTreeMap<Pgno, Loss>,
    /// With changes missing.
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
    pub fn is_empty(&self) -> bool {
        self.blank.is_empty() && self.old.is_empty()
    }

    /// The pages are gone for good, or made anew.
    pub fn forget(&mut self, pages: RangeInclusive<Pgno>) {
        if self.is_empty() {
            return;
        }
        for map in [&mut self.blank, &mut self.old] {
            map.retain(|page, _| !pages.contains(page));
        }
    }
}

impl Redo {
    /// From now on it is noted how far the logs bring each page.
    pub fn note_pages(&mut self) {
        self.reached = Some(PageMap::default());
    }

    /// A page of the file that was changed after DBTIME `before` by none of the records; for this, pages must have been
    /// [noted](Self::note_pages).
    pub fn find_unexplained(&self, before: u64) -> Result<Option<Newest>> {
        let Some(reached) = &self.reached else {
            return Ok(None);
        };
        let find = |file: &_, size, pages| newest::unexplained(file, size, pages, before, reached);
        Ok(self.store.with_base(find)?)
    }

    fn note_page(&mut self, number: Pgno, after: u64) {
        if let Some(reached) = &mut self.reached {
            let dbtime = reached.entry(number).or_default();
            *dbtime = after.max(*dbtime);
        }
    }

    /// Whether the page needs the change from DBTIME `before` to `after` of the current record.
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

    /// Whether the page that the current record makes anew at DBTIME `after` must be made.
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

    /// Refuses to go on if pages are lost that no record explained.
    pub(super) fn check_lost(&self) -> Result<()> {
        if let Some((page, loss)) = self.lost.old.first_key_value() {
            return Err(self.gap(*page, loss.position, loss.before, loss.after, loss.found));
        }
        match self.lost.blank.first_key_value() {
            Some((page, loss)) => Err(Error::LostPage {
                database: self.database.clone(),
                page: *page,
                position: loss.position,
                why: "it has no content".into(),
            }),
            None => Ok(()),
        }
    }

    #[cold]
    pub(super) fn lost_page(&self, page: Pgno, why: String) -> Error {
        Error::LostPage {
            database: self.database.clone(),
            page,
            position: self.position,
            why,
        }
    }

    #[cold]
    fn gap(&self, page: Pgno, position: Lgpos, before: u64, after: u64, found: u64) -> Error {
        Error::Gap {
            database: self.database.clone(),
            page,
            position,
            before,
            after,
            found,
        }
    }
}

/// The highest page number of the format.
pub(super) const MAX_PAGE: Pgno = 0x7fff_fffe;
