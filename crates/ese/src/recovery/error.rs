//! Why a recovery was refused. Every text says what the user can do next.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::header::{Lgpos, Signature};
use crate::page::Pgno;

/// The result of a recovery.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a database could not be recovered. It is never left claiming to be clean.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read, is damaged, or is of a kind that is not known here.
    #[error(transparent)]
    Read(crate::Error),
    /// A file could not be written.
    #[error("{}: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The recovery is done, but its result could not all be carried over into the database.
    #[error(
        "{source}. The result is whole in a journal beside {}; see to it that it can be written, and recover in place once more \
         to complete it",
        database.display()
    )]
    Incomplete {
        /// The database.
        database: PathBuf,
        /// What went wrong.
        source: Box<Error>,
    },
    /// There is no database in the folder.
    #[error("{}: no database (.edb or .dit) here; name the folder that holds it", folder.display())]
    NoDatabase {
        /// The folder.
        folder: PathBuf,
    },
    /// There are several databases in the folder, and none was chosen.
    #[error("{}: several databases here ({}); choose one by its name", folder.display(), names.join(", "))]
    SeveralDatabases {
        /// The folder.
        folder: PathBuf,
        /// Their file names.
        names: Vec<String>,
    },
    /// The folder has no log of the database under the base name that was given, but under others.
    #[error(
        "{}: none of its logs in {} has the base name {asked}, but some have {}. Name that base name and recover again",
        database.display(), folder.display(), found.join(", or ")
    )]
    OtherBaseName {
        /// The database.
        database: PathBuf,
        /// Where the logs were looked for.
        folder: PathBuf,
        /// The base name that was given.
        asked: String,
        /// Those that the database's logs have, the one with the most logs first.
        found: Vec<String>,
    },
    /// Logs are missing without which the database cannot be made consistent.
    #[error(
        "{}: required logs are missing: {}; the database needs {}. Put them into {} and recover again; or allow loss \
         explicitly, which does if the file holds nothing of them yet",
        database.display(), Generations(missing), Generations(std::slice::from_ref(required)), folder.display()
    )]
    MissingRequiredLogs {
        /// The database.
        database: PathBuf,
        /// Where they were looked for.
        folder: PathBuf,
        /// The generations that are missing.
        missing: Vec<RangeInclusive<u32>>,
        /// All generations that are required.
        required: RangeInclusive<u32>,
    },
    /// Logs are missing that hold committed changes. Without them the database can be made
    /// consistent, but it loses the changes.
    #[error(
        "{}: logs with committed changes are missing: {}; the database had reached {:#x}. Put them into {}, or allow \
         loss explicitly to end at generation {last:#x}",
        database.display(), Generations(missing), committed, folder.display()
    )]
    MissingCommittedLogs {
        /// The database.
        database: PathBuf,
        /// Where they were looked for.
        folder: PathBuf,
        /// The generations that are missing.
        missing: Vec<RangeInclusive<u32>>,
        /// The last generation with committed changes.
        committed: u32,
        /// The generation that recovery would end with.
        last: u32,
    },
    /// The database is clean, but older than the logs beside it.
    #[error(
        "{}: it was shut down cleanly at {consistent}, but the logs go on from a later state of it, which they attached at \
         {attached}: this is an old copy. Put the newest copy here, or the logs that lead to it; or allow loss explicitly \
         to keep the copy as it is",
        database.display()
    )]
    OlderThanLogs {
        /// The database.
        database: PathBuf,
        /// Where it was shut down.
        consistent: Lgpos,
        /// Where the logs attached it later.
        attached: Lgpos,
    },
    /// A log that is needed is damaged, or belongs to another sequence.
    #[error("generation {generation:#x} cannot be used: {source}")]
    UnusableLog {
        /// The generation.
        generation: u32,
        /// What is wrong with it.
        source: Box<crate::Error>,
    },
    /// A log that is needed is there only from another sequence of logs.
    #[error(
        "{}: generation {generation:#x} of another sequence of logs ({found}); the database belongs to {expected}. Put \
         its own logs there",
        file.display()
    )]
    ForeignLog {
        /// The log.
        file: PathBuf,
        /// Its generation.
        generation: u32,
        /// The signature of the database's logs.
        expected: Box<Signature>,
        /// The log's signature.
        found: Box<Signature>,
    },
    /// A log is there twice.
    #[error(
        "{}: generation {generation:#x} is there twice: {} and {}. Remove the one that is not the continuation of the \
         other logs",
        folder.display(), files[0].display(), files[1].display()
    )]
    DuplicateLog {
        /// The folder.
        folder: PathBuf,
        /// The generation.
        generation: u32,
        /// The two files.
        files: [PathBuf; 2],
    },
    /// The place to stop lies before changes that the database file already holds.
    #[error(
        "{}: cannot stop at {stop}: the file already holds changes up to generation {required:#x}. Stop there or later, \
         or start from an older backup",
        database.display()
    )]
    StopTooEarly {
        /// The database.
        database: PathBuf,
        /// The place to stop, in words.
        stop: String,
        /// The generation that must be replayed.
        required: u32,
    },
    /// The database's header says that it cannot be recovered from logs.
    #[error("{}: {what}", database.display())]
    Unrecoverable {
        /// The database.
        database: PathBuf,
        /// Why, and what to do.
        what: String,
    },
    /// A page is not in the state that the logs go on from: a write was lost, or the logs do not
    /// belong to the file.
    #[error(
        "{}: page {page}: the log record at {position} takes it from DBTIME {before:#x} to {after:#x}, but it has \
         {found:#x}. The file lacks a change, or is newer than its header says; restore it from a backup",
        database.display()
    )]
    Gap {
        /// The database.
        database: PathBuf,
        /// The page.
        page: Pgno,
        /// The record that was to be replayed.
        position: Lgpos,
        /// DBTIME that the record expects.
        before: u64,
        /// DBTIME that it sets.
        after: u64,
        /// DBTIME that the page has.
        found: u64,
    },
    /// The file holds changes that the logs do not: their end is missing, or a part amid them.
    #[error(
        "{}: page {page} was changed at DBTIME {found:#x}, but no record tells of that; the logs end at {end} with DBTIME \
         {last:#x}. A part of them is missing, and without it what the file holds cannot be completed or taken back; find the \
         log, or restore a backup",
        database.display()
    )]
    NewerThanLogs {
        /// The database.
        database: PathBuf,
        /// The page.
        page: Pgno,
        /// Its DBTIME.
        found: u64,
        /// Where the logs end.
        end: Lgpos,
        /// The highest DBTIME in the logs.
        last: u64,
    },
    /// The database was attached after the place where the logs end: their end is missing.
    #[error(
        "{}: it was attached at {attached}, but the logs end at {end}: their end is missing, and with it what was changed since. \
         Find the log, or restore a backup",
        database.display()
    )]
    LogsEndTooEarly {
        /// The database.
        database: PathBuf,
        /// Where its header says that it was attached.
        attached: Lgpos,
        /// Where the logs end.
        end: Lgpos,
    },
    /// A page that a log record changes cannot be read.
    #[error(
        "{}: page {page}: the log record at {position} changes it, but {why}. Restore the file from a backup",
        database.display()
    )]
    LostPage {
        /// The database.
        database: PathBuf,
        /// The page.
        page: Pgno,
        /// The record that was to be replayed.
        position: Lgpos,
        /// Why it cannot be read.
        why: String,
    },
    /// A log record contradicts those before it, or the page that it changes.
    #[error("log record at {position}: {what}")]
    Contradiction {
        /// The record.
        position: Lgpos,
        /// What is wrong.
        what: String,
    },
    /// A change that was never committed could not be taken back.
    #[error("{}: cannot roll back a change to the tree with root {root}: {what}", database.display())]
    Undo {
        /// The database.
        database: PathBuf,
        /// The tree's root page.
        root: Pgno,
        /// Why.
        what: String,
    },
    /// The caller asked to stop.
    #[error("stopped on request; the database is as it was")]
    Cancelled,
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        match error {
            crate::Error::Write { file, source } => Error::Write { file, source },
            error => Error::Read(error),
        }
    }
}

/// Generations as ranges, such as `0x3-0x7, 0x9`.
pub(super) struct Generations<'a>(pub &'a [RangeInclusive<u32>]);

impl fmt::Display for Generations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match range.start() == range.end() {
                true => write!(f, "{:#x}", range.start())?,
                false => write!(f, "{:#x}-{:#x}", range.start(), range.end())?,
            }
        }
        Ok(())
    }
}
