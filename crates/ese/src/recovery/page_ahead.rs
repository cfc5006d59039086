//! Detects changes in the file that the logs do not hold.
//!
//! The engine writes a change to the log before it writes the page. So if a part of the logs is
//! gone (cut off, blank because a disk lost a write, or known to be missing), the file may be ahead
//! of them: it may hold changes that can neither be completed nor rolled back. Only the pages show
//! it: each page that was changed since the logs or the attachment began must have got its DBTIME
//! from a record.

use std::fs::File;
use std::io;
use std::thread::JoinHandle;

use super::redo::Redo;
use crate::checksum::{PageVerdict, verify_page};
use crate::header::DatabaseHeader;
use crate::io::Source;
use crate::log_set::LogFile;
use crate::page::{PageHeader, PageSize, Pgno};

/// DBTIMEs from here on are markers.
const DBTIME_LIMIT: u64 = 1 << 63;

/// The pages of the file that the logs must explain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Explained {
    /// Pages with a later DBTIME.
    pub after: u64,
    /// Also empty pages that were allotted to a tree.
    pub new_pages_are_logged: bool,
}

impl Explained {
    /// The pages to explain of a database with this header, replayed from the log `first` on.
    pub fn of(header: &DatabaseHeader, first: Option<&LogFile>) -> Self {
        Explained {
            after: dbtime_before(header, first),
            new_pages_are_logged: first.is_none_or(|log| logs_new_pages(header, log)),
        }
    }

    fn covers(self, header: &PageHeader) -> bool {
        // The external header is a tag too.
        let is_new = header.tag_count <= 1 && !header.flags.is_root() && !header.flags.is_empty();
        header.dbtime > self.after
            && header.dbtime < DBTIME_LIMIT
            && (self.new_pages_are_logged || !is_new)
    }
}

/// The highest DBTIME before the first change that redo must make or find.
///
/// Changes get their DBTIME before they are logged, and a log's header is written after all records
/// of the logs before it: so no record in these has a later DBTIME than the first log's header. A
/// file that was attached in the middle of that log was clean then, and held all changes up to the
/// DBTIME in its own header: the engine sets that field when the database is created, detached or
/// shut down, and never while it is attached (`le_dbtimeDirtied`).
fn dbtime_before(header: &DatabaseHeader, first: Option<&LogFile>) -> u64 {
    /// The DBTIME of a database's first change (`dbtimeStart`). Before Windows 8, a creation made
    /// pages without log records, with lower DBTIMEs.
    const FIRST: u64 = 0x40;
    let attached = header.dbtime.get();
    match first.map(|first| first.header.attachment_of(&header.database_signature)) {
        Some(Some(attachment)) => attachment.dbtime.get().max(attached),
        // The log holds the database's whole life since its creation.
        Some(None) if header.last_consistent.generation() == 0 => FIRST - 1,
        _ => attached,
    }
}

/// Whether each page that a tree gets has a record (`JET_efvLogNewPage`). In older formats such a
/// page has a DBTIME without a record, and keeps it if the operation fails.
fn logs_new_pages(header: &DatabaseHeader, log: &LogFile) -> bool {
    let log = &log.header;
    header.update_major >= 90 && log.version_major >= 8 && log.update_major >= 40
}

/// A page of the file that was changed since the start of the logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub page: Pgno,
    pub dbtime: u64,
    /// The OBJID of its tree.
    pub object: u32,
}

/// The search for the pages that the logs must explain. It runs during the replay, on its own
/// thread. Reading the file in order also brings its pages into the system's cache.
#[derive(Debug)]
pub(super) struct Search(JoinHandle<io::Result<Vec<Changed>>>);

impl Search {
    pub fn begin(
        file: &File,
        size: PageSize,
        pages: u32,
        explained: Explained,
    ) -> io::Result<Search> {
        let file = file.try_clone()?;
        let search = move || changed(&file, size, pages, explained);
        Ok(Search(std::thread::spawn(search)))
    }

    /// Returns the newest page that no record explains. Raises the database's DBTIME to those of
    /// pages that need no record.
    pub fn newest_unexplained(self, redo: &mut Redo) -> io::Result<Option<Changed>> {
        let changed = self.0.join().map_err(|_| {
            io::Error::other("the search for pages that are newer than the logs broke off")
        })??;
        let mut newest: Option<Changed> = None;
        for page in changed {
            if redo.pages.has_reached(page.page, page.dbtime) {
                continue;
            }
            if redo.may_be_unlogged(page.object, page.dbtime) {
                redo.database.count_up_to(page.dbtime, 0);
            } else if newest.is_none_or(|newest| newest.dbtime < page.dbtime) {
                newest = Some(page);
            }
        }
        Ok(newest)
    }
}

fn changed(
    file: &File,
    size: PageSize,
    pages: u32,
    explained: Explained,
) -> io::Result<Vec<Changed>> {
    const BLOCK: usize = 1 << 20;
    let block_pages = (BLOCK / size.bytes()) as u32;
    let mut block = vec![0; BLOCK];
    let mut changed = Vec::new();
    let mut first = 1;
    while first <= pages {
        let count = block_pages.min(pages - first + 1);
        let block = &mut block[..count as usize * size.bytes()];
        file.read_exact_at(block, size.offset_of(first))?;
        for (page, number) in block.chunks_exact(size.bytes()).zip(first..) {
            let header = PageHeader::read(page, size).filter(|header| explained.covers(header));
            if let Some(header) = header
                && verify_page(page, number) == PageVerdict::Sound
            {
                changed.push(Changed {
                    page: number,
                    dbtime: header.dbtime,
                    object: header.objid,
                });
            }
        }
        first += count;
    }
    Ok(changed)
}
