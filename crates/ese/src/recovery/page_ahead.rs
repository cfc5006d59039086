//! Whether the file holds changes that the logs do not.
//!
//! The engine writes a change to the log before it writes the page. So where a part of the logs is
//! gone, whether cut off, blank because a disk lied about what it had written, or known to be
//! missing, the file may be ahead of them: it then holds changes that can neither be completed nor
//! taken back. Only the pages themselves tell. Each that was changed since the logs or the
//! attachment began must have been brought to its DBTIME by a record.

use std::fs::File;
use std::io;
use std::thread::JoinHandle;

use super::redo::Redo;
use crate::checksum::{PageVerdict, verify_page};
use crate::header::DatabaseHeader;
use crate::io::Source;
use crate::log_set::LogFile;
use crate::page::{PageHeader, PageSize, Pgno};

/// From here on, DBTIMEs are marks.
const DBTIME_LIMIT: u64 = 1 << 63;

/// Which pages of the file the logs must explain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Explained {
    /// Those with a later DBTIME.
    pub after: u64,
    /// Also those that were allotted to a tree and hold nothing.
    pub new_pages_are_logged: bool,
}

impl Explained {
    /// Those of a database with this header, replayed from the log `first` on.
    pub fn of(header: &DatabaseHeader, first: Option<&LogFile>) -> Self {
        Explained {
            after: dbtime_before(header, first),
            new_pages_are_logged: first.is_none_or(|log| logs_new_pages(header, log)),
        }
    }

    fn covers(self, header: &PageHeader) -> bool {
        // The external header is a tag, too.
        let is_new = header.tag_count <= 1 && !header.flags.is_root() && !header.flags.is_empty();
        header.dbtime > self.after
            && header.dbtime < DBTIME_LIMIT
            && (self.new_pages_are_logged || !is_new)
    }
}

/// The DBTIME that the database had reached before the first change that redo must make or find.
///
/// Changes get their DBTIME before they are logged, and a log's header is written after all records
/// of the logs before it: so what these hold is not later than what the first log's header says. A
/// file that was attached in the middle of that log was clean then, and held all changes up to the
/// DBTIME that its own header names: the engine sets that field when the database is created,
/// detached or shut down, and never while it is attached (`le_dbtimeDirtied`).
fn dbtime_before(header: &DatabaseHeader, first: Option<&LogFile>) -> u64 {
    /// What the first change of a database gets (`dbtimeStart`). Before Windows 8, pages were made
    /// unlogged by its creation, and have lower ones.
    const FIRST: u64 = 0x40;
    let attached = header.dbtime.get();
    match first.map(|first| first.header.attachment_of(&header.database_signature)) {
        Some(Some(attachment)) => attachment.dbtime.get().max(attached),
        // The log holds its whole life since it was created.
        Some(None) if header.last_consistent.generation() == 0 => FIRST - 1,
        _ => attached,
    }
}

/// Whether there is a record for each page that a tree gets (`JET_efvLogNewPage`). In older formats
/// it has a DBTIME without one, and keeps it if what the page was for fails.
fn logs_new_pages(header: &DatabaseHeader, log: &LogFile) -> bool {
    let log = &log.header;
    header.update_major >= 90 && log.version_major >= 8 && log.update_major >= 40
}

/// A page of the file that was changed since the logs begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub page: Pgno,
    pub dbtime: u64,
    /// The OBJID of its tree.
    pub object: u32,
}

/// The pages that the logs must explain; they are found while the logs are replayed, on a thread of
/// its own. Reading the file in order also brings its pages closer.
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

    /// The newest of them that no record explains. Counts the DBTIMEs of those that need none.
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
