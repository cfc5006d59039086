//! Whether a page needs a change, and the pages for which that cannot be told yet.
//!
//! While logs are replayed whose changes may be in the file already, a page may be missing because a later record gives
//! it back to the system (shrink, trim). Such pages are noted; if nothing explains them, recovery is refused.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::error::{Error, Result};
use super::Redo;
use crate::header::Lgpos;
use crate::log::record::Record;
use crate::page::Pgno;
use crate::page_store::PageState;

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
    /// Whether records brought a page to this DBTIME, or past it.
    pub fn has_reached(&self, page: Pgno, dbtime: u64) -> bool {
        self.reached.get(&page).is_some_and(|to| dbtime <= *to)
    }

    /// Whether the page may have got this DBTIME while its tree, an index, was built without records.
    pub fn may_be_unlogged(&self, object: u32, dbtime: u64) -> bool {
        self.builds.explain(object, dbtime)
    }

    fn note_page(&mut self, number: Pgno, after: u64) {
        // What comes after the required range is not in the file.
        if self.in_required_range() {
            let dbtime = self.reached.entry(number).or_default();
            *dbtime = after.max(*dbtime);
        }
    }

    /// Notes the pages of a record whose change is in the file for certain.
    pub(super) fn note_pages_of(&mut self, record: &Record<'_>) {
        let (mut pages, dbtime) = match (record, record.page_head()) {
            // It says what a change replaced, and makes none.
            (Record::UndoInfo(_), _) => return,
            (Record::NewPage(new), _) => (vec![new.page.get()], new.dbtime.get()),
            (_, Some(head)) => (vec![head.page.get()], head.dbtime.get()),
            _ => return,
        };
        match record {
            Record::Split(split) => {
                pages.extend([split.head.new_page.get(), split.head.right_page.get()]);
            }
            Record::Merge(merge) => {
                pages.extend([merge.head.left_page.get(), merge.head.right_page.get()]);
            }
            Record::PageMove(page_move) => {
                let head = page_move.head;
                let others = [
                    head.destination,
                    head.left_page,
                    head.right_page,
                    head.parent_page,
                ];
                pages.extend(others.map(|page| page.get()));
            }
            Record::EmptyTree(empty) => {
                pages.extend(empty.pages.iter().map(|page| page.page.get()));
            }
            Record::CreateMultipleExtent(create) => {
                pages.extend([create.owned_root.get(), create.available_root.get()]);
            }
            Record::Convert(convert) => {
                let head = convert.head;
                pages.extend([head.owned_root.get(), head.available_root.get()]);
            }
            _ => {}
        }
        for page in pages {
            self.note_page(page, dbtime);
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
