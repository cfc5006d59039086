//! Reading ahead: while one log is replayed, the next is read and verified, and the pages that it changes are brought
//! from the disk into the system's cache, in the order in which they lie in the file.

use std::fs::File;

use rayon::prelude::*;

use crate::Result;
use crate::database::Source;
use crate::log::ahead::Ahead;
use crate::log::record::Record;
use crate::log::{LogReader, OpenLog};
use crate::page::{PageSize, Pgno};

/// The most that one read fetches, in bytes.
const RUN: usize = 256 << 10;

/// Logs in order, read ahead.
#[derive(Debug)]
pub(super) struct LogsAhead(Ahead<Result<OpenLog>>);

impl LogsAhead {
    /// Reads ahead in `reader`, and in `database` the pages that its records change; it has `pages` of them.
    pub fn new(mut reader: LogReader, database: File, size: PageSize, pages: u32) -> Self {
        LogsAhead(Ahead::new(move |sender| {
            while let Some(log) = reader.next_log().transpose() {
                if let Ok(log) = &log {
                    fetch(&database, size, &changed_pages(log, pages));
                }
                let failed = log.is_err();
                // The replay may be over; then nobody wants more.
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

/// The pages of the file that the log's records are about. Whatever is wrong with a record is left to the replay.
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

/// Reads the pages and throws them away. Errors come up again when the replay reads them.
fn fetch(database: &File, size: PageSize, pages: &[Pgno]) {
    let runs: Vec<&[Pgno]> = pages
        .chunk_by(|a, b| a + 1 == *b)
        .flat_map(|run| run.chunks(RUN / size.bytes()))
        .collect();
    runs.par_iter().for_each_init(
        || vec![0; RUN],
        |buffer, run| {
            let bytes = run.len() * size.bytes();
            if let (Some(first), Some(buffer)) = (run.first(), buffer.get_mut(..bytes)) {
                let _ = database.read_exact_at(buffer, size.offset_of(*first));
            }
        },
    );
}
