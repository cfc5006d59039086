//! The newest page of a database file: whether the file holds changes that the logs no longer do.
//!
//! The engine writes a change to the log before it writes the page. So where the logs were cut off, or a disk lied about
//! what it had written, the file may be ahead of them: it then holds changes that can neither be completed nor taken
//! back. Only the pages themselves tell.

use std::fs::File;
use std::io;
use std::thread::JoinHandle;

use super::store::PageMap;
use crate::checksum::{PageVerdict, verify_page};
use crate::database::Source;
use crate::page::{PageHeader, PageSize, Pgno};

/// From here on, DBTIMEs are marks.
const DBTIME_LIMIT: u64 = 1 << 63;

/// The page that was changed last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Newest {
    pub page: Pgno,
    pub dbtime: u64,
}

/// Looks for it beside the replay, on a thread of its own; reading the file in order also brings its pages closer.
pub(super) fn search(
    file: &File,
    size: PageSize,
    pages: u32,
) -> io::Result<JoinHandle<io::Result<Newest>>> {
    let file = file.try_clone()?;
    Ok(std::thread::spawn(move || newest(&file, size, pages)))
}

pub(super) fn newest(file: &File, size: PageSize, pages: u32) -> io::Result<Newest> {
    let mut newest = Newest::default();
    each_page(file, size, pages, |page| {
        if page.dbtime > newest.dbtime {
            newest = page;
        }
    })?;
    Ok(newest)
}

/// A page that was changed after DBTIME `before`, and later than at the DBTIME to which `reached` says that the logs brought
/// it. Changes are numbered before they are logged, and may be logged in another order: so where a log is known to lack its
/// end, a page can be ahead of it without being the newest.
pub(super) fn unexplained(
    file: &File,
    size: PageSize,
    pages: u32,
    before: u64,
    reached: &PageMap<u64>,
) -> io::Result<Option<Newest>> {
    let mut found = None;
    each_page(file, size, pages, |page| {
        let explained = reached.get(&page.page).copied().unwrap_or(0).max(before);
        if page.dbtime > explained && found.is_none() {
            found = Some(page);
        }
    })?;
    Ok(found)
}

/// Calls `visit` with every sound page.
fn each_page(
    file: &File,
    size: PageSize,
    pages: u32,
    mut visit: impl FnMut(Newest),
) -> io::Result<()> {
    const BLOCK: usize = 1 << 20;
    let block_pages = (BLOCK / size.bytes()) as u32;
    let mut block = vec![0; BLOCK];
    let mut first = 1;
    while first <= pages {
        let count = block_pages.min(pages - first + 1);
        let block = &mut block[..count as usize * size.bytes()];
        file.read_exact_at(block, size.offset_of(first))?;
        for (page, number) in block.chunks_exact(size.bytes()).zip(first..) {
            let dbtime = PageHeader::read(page, size).map_or(0, |header| header.dbtime);
            let counts = dbtime > 0 && dbtime < DBTIME_LIMIT;
            if counts && verify_page(page, number) == PageVerdict::Sound {
                visit(Newest {
                    page: number,
                    dbtime,
                });
            }
        }
        first += count;
    }
    Ok(())
}
