//! The replay of logs into the database.

use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;
use std::time::Instant;

use super::LogBit;
use super::error::{Error, Result};
use super::file_size;
use super::options::{Options, Progress};
use super::page_ahead::{Changed, Search};
use super::plan::Plan;
use super::read_ahead::LogsAhead;
use super::redo::Redo;
use super::undo::Undo;
use crate::header::Lgpos;
use crate::log::{LogReader, OpenLog, SoundLog};

/// A replay of the planned logs.
pub(super) struct Replay<'a> {
    options: &'a mut Options,
    plan: &'a Plan,
    started: Instant,
    /// The log replayed last.
    previous: Option<SoundLog>,
    /// The end of the last log.
    pub end: Lgpos,
    pub log_bytes: u64,
    /// For the progress: the sizes of the files that were replayed, and of all.
    passed: u64,
    total: u64,
    pub corrected_log_bits: Vec<LogBit>,
    pub generations: Option<RangeInclusive<u32>>,
    pub lost: Vec<RangeInclusive<u32>>,
}

/// The number of records between two calls of the progress function.
const RECORDS_A_STEP: u64 = 50_000;

/// The most flipped bits of logs to report.
const MOST_BITS: usize = 100;

impl<'a> Replay<'a> {
    pub fn new(options: &'a mut Options, plan: &'a Plan, started: Instant) -> Self {
        let total = match options.progress {
            Some(_) => plan.logs.iter().map(|(path, _)| size_of(path)).sum(),
            None => 0,
        };
        Replay {
            passed: 0,
            total,
            options,
            plan,
            started,
            previous: None,
            end: plan.header.last_consistent,
            log_bytes: 0,
            corrected_log_bits: Vec::new(),
            generations: None,
            lost: plan.lost.clone(),
        }
    }

    /// Replays all logs, rolls back the open transactions, and makes the header that of a clean
    /// database.
    pub fn run(&mut self, redo: &mut Redo) -> Result<()> {
        let explained = self.plan.explained_from;
        let search = match redo.database.is_attached() {
            true => Some(
                redo.pages
                    .store
                    .with_base(|file, size, pages| Search::begin(file, size, pages, explained))?,
            ),
            // The file of a clean database holds no change of later logs.
            false => None,
        };
        let replayed = self.logs(redo);
        let newer = match search {
            Some(search) => {
                let found = search.newest_unexplained(redo);
                redo.pages.store.with_base(|_, _, _| found)?
            }
            None => None,
        };
        replayed?;
        redo.end()?;
        if let Some(page) = newer {
            return Err(self.newer_than_logs(redo, page));
        }
        if redo.database.is_attached() && self.end <= redo.database.header.last_attach {
            return Err(Error::LogsEndTooEarly {
                database: redo.pages.file().to_path_buf(),
                attached: redo.database.header.last_attach,
                end: self.end,
            });
        }
        if !redo.database.is_attached() {
            return Ok(());
        }
        let mut undo = Undo {
            pages: &mut redo.pages,
            dbtime: &mut redo.database.dbtime,
        };
        undo.roll_back(std::mem::take(&mut redo.sessions))?;
        file_size::fit_file(&mut redo.pages.store)?;
        redo.database.set_clean(self.end);
        Ok(())
    }

    #[cold]
    fn newer_than_logs(&self, redo: &Redo, page: Changed) -> Error {
        Error::NewerThanLogs {
            database: redo.pages.file().to_path_buf(),
            page: page.page,
            found: page.dbtime,
            end: self.end,
            last: redo.database.dbtime,
        }
    }

    fn logs(&mut self, redo: &mut Redo) -> Result<()> {
        let reader = LogReader::new(self.plan.logs.clone());
        let ahead = redo.pages.store.with_base(|database, size, pages| {
            let database = database.try_clone()?;
            Ok(LogsAhead::new(reader, database, size, pages))
        })?;
        let mut next = self.plan.first;
        while let Some(log) = ahead.next() {
            let log = match log {
                Ok(log) => log,
                Err(error) => return self.stop_at_damage(next, error, redo),
            };
            next = log.generation().saturating_add(1);
            match self.log(&log, redo) {
                Err(Error::Read(_)) if self.is_untouched(redo) => return Ok(()),
                done => done?,
            }
            self.previous = Some(log.sound().clone());
        }
        match self.plan.logs.is_empty() || next > self.plan.last {
            true => Ok(()),
            false => Err(self.unread(next)),
        }
    }

    /// The error if the read-ahead thread failed: the logs that it did not read must not be taken
    /// for missing.
    #[cold]
    fn unread(&self, generation: u32) -> Error {
        let ended = std::io::Error::other("the log was not read");
        Error::UnusableLog {
            generation,
            source: Box::new(crate::Error::Io {
                file: self.options.log_folder().to_path_buf(),
                source: ended,
            }),
        }
    }

    fn log(&mut self, log: &OpenLog, redo: &mut Redo) -> Result<()> {
        let generation = log.generation();
        self.report(generation, 0, redo)?;
        let sector_size = u64::from(log.sound().identity.sector_size);
        let room = MOST_BITS.saturating_sub(self.corrected_log_bits.len());
        let flipped = log.sound().flipped_bits.iter().take(room);
        (self.corrected_log_bits).extend(flipped.map(|flipped| LogBit {
            generation,
            flipped: *flipped,
        }));
        let mut records = log.records();
        while let Some(entry) = records.next_entry()? {
            redo.apply(&entry)?;
            if redo.pages.counts.records.is_multiple_of(RECORDS_A_STEP) {
                let within = u64::from(entry.position.segment()) * sector_size;
                self.report(generation, within, redo)?;
            }
        }
        let first = (self.generations.as_ref()).map_or(generation, |range| *range.start());
        self.generations = Some(first..=generation);
        self.end = log.sound().end;
        self.log_bytes += u64::from(self.end.segment()) * sector_size + u64::from(self.end.byte());
        if self.total > 0 {
            let index = generation.checked_sub(self.plan.first);
            let log = index.and_then(|index| self.plan.logs.get(index as usize));
            self.passed += log.map_or(0, |(path, _)| size_of(path));
        }
        Ok(())
    }

    /// Whether the database is clean and no log mentions it: then it does not depend on them.
    fn is_untouched(&self, redo: &Redo) -> bool {
        self.plan.header.is_clean() && redo.database.header == self.plan.header
    }

    /// Handles an unusable log. If the caller allows loss, the replay ends where the damage begins;
    /// later checks decide whether the database can do without the rest.
    fn stop_at_damage(
        &mut self,
        generation: u32,
        error: crate::Error,
        redo: &mut Redo,
    ) -> Result<()> {
        if self.is_untouched(redo) {
            return Ok(());
        }
        let refused = |error| Error::UnusableLog {
            generation,
            source: Box::new(error),
        };
        if !self.options.allow_loss {
            return Err(refused(error));
        }
        let path = generation
            .checked_sub(self.plan.first)
            .and_then(|index| self.plan.logs.get(index as usize));
        let rest = path.and_then(|(path, _)| OpenLog::read_until_damage(path).ok());
        let follows = |log: &OpenLog| match &self.previous {
            Some(previous) => log.check_follows(previous).is_ok(),
            None => true,
        };
        match rest.filter(follows) {
            Some(log) => self.log(&log, redo)?,
            None if generation <= self.plan.first => return Err(refused(error)),
            None => {}
        }
        self.lost.push(generation..=self.plan.last.max(generation));
        Ok(())
    }

    /// `within` is the position in the current log, in bytes.
    fn report(&mut self, generation: u32, within: u64, redo: &Redo) -> Result<()> {
        let Some(report) = &mut self.options.progress else {
            return Ok(());
        };
        let progress = Progress {
            generation,
            first: self.plan.first,
            last: self.plan.last,
            done_bytes: (self.passed + within).min(self.total),
            total_bytes: self.total,
            counts: redo.pages.counts,
            elapsed: self.started.elapsed(),
        };
        match report(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }
}

/// Of a file; 0 if that cannot be told: it is for the progress only.
fn size_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}
