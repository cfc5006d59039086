//! Read-ahead: while one log is replayed, the next is read and verified, and the pages that it
//! changes are loaded from the disk into the system's cache, in file order.

use std::fs::File;

use crate::Result;
use crate::log::ahead::Ahead;
use crate::log::record::Record;
use crate::log::{LogReader, OpenLog};
use crate::page::{PageSize, Pgno};
use crate::page_store::prefetch;

/// Logs in order, read ahead.
#[derive(Debug)]
pub(super) struct LogsAhead(Ahead<Result<OpenLog>>);

impl LogsAhead {
    /// Reads logs ahead from `reader`, and from `database`, which has `pages` pages, the pages that
    /// their records change.
    pub fn new(mut reader: LogReader, database: File, size: PageSize, pages: u32) -> Self {
        LogsAhead(Ahead::new(move |sender| {
            while let Some(log) = reader.next_log().transpose() {
                if let Ok(log) = &log {
                    prefetch::fetch(&database, size, &changed_pages(log, pages));
                }
                let failed = log.is_err();
                // Sending fails if the replay has ended.
                if sender.send(log).is_err() || failed {
                    return;
                }
            }
        }))
    }

    /// The next log; `None` after the last.
    pub fn next(&self) -> Option<Result<OpenLog>> {
        self.0.next()
    }
}

/// The existing pages of the file that the log's records concern. Invalid records are left to the
/// replay.
fn changed_pages(log: &OpenLog, pages: u32) -> Vec<Pgno> {
    let mut changed = Vec::new();
    let mut last = 0;
    let mut records = log.records();
    while let Ok(Some((_, _, record))) = records.next() {
        let number = match &record {
            Record::NewPage(new) => new.page.get(),
            other => other.page_head().map_or(0, |head| head.page.get()),
        };
        if number != last && (1..=pages).contains(&number) {
            changed.push(number);
            last = number;
        }
    }
    changed.sort_unstable();
    changed.dedup();
    changed
}
