//! The pages of a database during recovery: read from its file, changed in memory, never written
//! back.
//!
//! Changed pages that do not fit in memory go to a side file. The database file stays unchanged
//! until all changes are made; then [`journal`](crate::journal) writes them.

mod page_map;
pub(crate) mod prefetch;
mod side_file;

pub(crate) use page_map::{NumberHasher, PageMap};

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use crate::checksum::{PageVerdict, verify_page};
use crate::edit::EditPage;
use crate::io::Source;
use crate::page::{Fault, PageSize, Pgno};
use crate::{Error, Result};
use side_file::SideFile;

/// The state of a page's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageState {
    /// A page of a tree.
    Sound,
    /// Never written, returned to the file system, or beyond the end of the file.
    Blank,
    /// The checksum is wrong; a description.
    Damaged(Box<str>),
}

/// A page in memory.
#[derive(Debug)]
pub(crate) struct CachedPage {
    pub page: EditPage,
    pub state: PageState,
    changed: bool,
    used: bool,
}

impl CachedPage {
    /// Records that the page differs from the database file.
    pub fn mark_changed(&mut self) {
        self.changed = true;
        self.state = PageState::Sound;
    }
}

/// The DBTIMEs that the engine gives pages removed by a shrink or a revert.
const DBTIME_SHRUNK: u64 = u64::MAX - 2;
const DBTIME_REVERTED: u64 = u64::MAX - 3;

#[derive(Debug)]
pub(crate) struct PageStore {
    file: PathBuf,
    base: File,
    size: PageSize,
    /// The number of pages that may still be read from the file.
    base_pages: u32,
    /// The present number of pages.
    pages: u32,
    cached: PageMap<Box<CachedPage>>,
    /// Pages in order of eviction.
    queue: VecDeque<Pgno>,
    capacity: usize,
    side: SideFile,
    /// Pages with a flipped bit.
    corrected: Vec<Pgno>,
}

impl PageStore {
    /// The `pages` pages of the database `base` at `file`. Overflow goes to `side`, which is
    /// created when needed.
    pub fn new(
        file: &Path,
        base: File,
        size: PageSize,
        pages: u32,
        cache_bytes: usize,
        side: &Path,
    ) -> Self {
        PageStore {
            file: file.to_path_buf(),
            base,
            size,
            base_pages: pages,
            pages,
            cached: PageMap::default(),
            queue: VecDeque::new(),
            capacity: (cache_bytes / size.bytes()).max(64),
            side: SideFile::new(side),
            corrected: Vec::new(),
        }
    }

    /// Pages with a single flipped bit in the file; the first hundred.
    pub fn corrected(&self) -> &[Pgno] {
        &self.corrected
    }

    pub fn page_size(&self) -> PageSize {
        self.size
    }

    /// The present number of pages.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// The error for a fault in a page.
    #[cold]
    pub fn fault(&self, fault: Fault) -> Error {
        fault.in_file(&self.file, self.size)
    }

    /// The page, to read or change. Pages beyond the end are blank.
    pub fn page(&mut self, number: Pgno) -> Result<&mut CachedPage> {
        self.load(number)?;
        let Some(page) = self.cached.get_mut(&number) else {
            unreachable!("the page was just loaded");
        };
        page.used = true;
        Ok(page)
    }

    /// Grows the database to at least `pages` pages.
    pub fn grow(&mut self, pages: u32) {
        self.pages = self.pages.max(pages);
    }

    /// Cuts the database off after `pages` pages.
    pub fn shrink(&mut self, pages: u32) {
        self.pages = self.pages.min(pages);
        self.base_pages = self.base_pages.min(pages);
        self.cached.retain(|number, _| *number <= pages);
        self.side.cut_off(pages);
    }

    /// The pages of a range that may have content.
    pub fn existing(&self, range: RangeInclusive<Pgno>) -> Vec<Pgno> {
        let beyond = |number: &Pgno| *number > self.base_pages && range.contains(number);
        let cached = self.cached.keys().copied().filter(beyond);
        let spilled = self.side.pages().filter(beyond);
        let in_file = *range.start()..=self.base_pages.min(*range.end());
        in_file.chain(cached).chain(spilled).collect()
    }

    /// Makes a page blank.
    pub fn clear(&mut self, number: Pgno) {
        if number <= self.pages {
            let mut page = self.blank(number);
            page.changed = true;
            self.side.forget(number);
            if self.cached.insert(number, page).is_none() {
                self.queue.push_back(number);
            }
        }
    }

    fn blank(&self, number: Pgno) -> Box<CachedPage> {
        Box::new(CachedPage {
            page: EditPage::zeroed(number, self.size),
            state: PageState::Blank,
            changed: false,
            used: true,
        })
    }

    fn load(&mut self, number: Pgno) -> Result<()> {
        if self.cached.contains_key(&number) {
            return Ok(());
        }
        if self.cached.len() >= self.capacity {
            self.evict()?;
        }
        let page = if self.side.holds(number) {
            let mut page = self.blank(number);
            self.side.read(number, page.page.bytes_mut())?;
            page.changed = true;
            page.state = match page.page.is_blank() {
                true => PageState::Blank,
                false => PageState::Sound,
            };
            page
        } else {
            self.read_base(number)?
        };
        self.cached.insert(number, page);
        self.queue.push_back(number);
        Ok(())
    }

    fn read_base(&mut self, number: Pgno) -> Result<Box<CachedPage>> {
        let mut cached = self.blank(number);
        if number == 0 || number > self.base_pages {
            return Ok(cached);
        }
        let offset = self.size.offset_of(number);
        self.base
            .read_exact_at(cached.page.bytes_mut(), offset)
            .map_err(Error::io(&self.file))?;
        let mut verdict = verify_page(cached.page.bytes(), number);
        if let PageVerdict::Bad(bad) = &verdict
            && !bad.correctable_bits.is_empty()
        {
            self.correct(&mut cached, &bad.correctable_bits);
            verdict = PageVerdict::Sound;
        }
        cached.state = match verdict {
            PageVerdict::Sound => match cached.page.dbtime() {
                DBTIME_SHRUNK | DBTIME_REVERTED => PageState::Blank,
                _ => PageState::Sound,
            },
            PageVerdict::Uninitialised => PageState::Blank,
            PageVerdict::WrongNumber { stored } => {
                PageState::Damaged(format!("the content of page {stored}").into())
            }
            PageVerdict::Bad(bad) => {
                let text = format!("checksum {} instead of {}", bad.actual, bad.expected);
                PageState::Damaged(text.into())
            }
        };
        if cached.state == PageState::Sound {
            (cached.page.check_reserved_tags()).map_err(|fault| self.fault(fault))?;
        }
        Ok(cached)
    }

    /// Corrects the bits located by the error-correcting code, as the engine does; the page counts
    /// as changed.
    fn correct(&mut self, cached: &mut CachedPage, bits: &[u32]) {
        const MOST: usize = 100;
        for bit in bits {
            if let Some(byte) = cached.page.bytes_mut().get_mut(*bit as usize / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        cached.changed = true;
        let number = cached.page.number();
        if self.corrected.len() < MOST && !self.corrected.contains(&number) {
            self.corrected.push(number);
        }
    }

    /// Evicts pages that were not used lately, in page order; changed ones go to the side file.
    fn evict(&mut self) -> Result<()> {
        let wanted = self.capacity / 8;
        let mut victims = Vec::with_capacity(wanted);
        let mut looked_at = 0;
        while victims.len() < wanted && looked_at < 2 * self.queue.len() {
            looked_at += 1;
            let Some(number) = self.queue.pop_front() else {
                break;
            };
            match self.cached.get_mut(&number) {
                Some(page) if page.used => {
                    page.used = false;
                    self.queue.push_back(number);
                }
                Some(_) => victims.push(number),
                None => {}
            }
        }
        victims.sort_unstable();
        for number in victims {
            let Some(mut page) = self.cached.remove(&number) else {
                continue;
            };
            if page.changed {
                page.page.seal();
                self.side.write(&page.page)?;
            }
        }
        Ok(())
    }

    /// The changed pages, in order.
    pub fn changed(&self) -> Vec<Pgno> {
        let spilled = self.side.pages();
        let cached = (self.cached.iter())
            .filter(|(_, page)| page.changed)
            .map(|(number, _)| *number);
        let mut changed: Vec<Pgno> = spilled
            .chain(cached)
            .collect::<HashSet<_>>()
            .into_iter()
            .filter(|number| *number <= self.pages)
            .collect();
        changed.sort_unstable();
        changed
    }

    /// Reads a changed page in its final form, without keeping it in memory.
    pub fn read_changed(&mut self, number: Pgno, into: &mut Vec<u8>) -> Result<()> {
        let start = into.len();
        if let Some(page) = self.cached.get_mut(&number) {
            page.page.seal();
            into.extend_from_slice(page.page.bytes());
            return Ok(());
        }
        into.resize(start + self.size.bytes(), 0);
        match self.side.holds(number) {
            true => self.side.read(number, &mut into[start..]),
            false => Ok(()),
        }
    }

    /// The number of pages whose content in the file may stay.
    pub fn base_pages(&self) -> u32 {
        self.base_pages
    }

    /// Calls `read` with the unchanged file, its page size and its number of pages.
    pub fn with_base<T>(
        &self,
        read: impl FnOnce(&File, PageSize, u32) -> std::io::Result<T>,
    ) -> Result<T> {
        read(&self.base, self.size, self.base_pages).map_err(Error::io(&self.file))
    }

    /// Writes all changed pages to the side file. Returns the number of the page in each slot; 0
    /// for an unused slot.
    pub fn write_all_to_side(&mut self) -> Result<Vec<Pgno>> {
        for number in self.changed() {
            if let Some(page) = self.cached.get_mut(&number) {
                page.page.seal();
                self.side.write(&page.page)?;
            }
        }
        Ok(self.side.numbers())
    }

    /// The path of the side file.
    pub fn side_path(&self) -> &Path {
        self.side.path()
    }

    /// Closes the side file, which became a journal.
    pub fn forget_side(&mut self) {
        self.side.close();
    }

    /// Deletes the side file, if there is one.
    pub fn discard_side(&mut self) -> Result<()> {
        self.side.discard()
    }
}
