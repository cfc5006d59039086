//! The errors of a recovery. Each text names the next step.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::header::{Lgpos, Signature};
use crate::page::Pgno;

/// The result of a recovery.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a database could not be recovered. A failed recovery never marks it as clean.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read, is damaged, or is of an unknown kind.
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
    /// The recovery is complete, but its result could not be fully written to the database.
    #[error(
        "{source}. The result is whole in a journal beside {}; see to it that it can be written, \
         and recover in place once more to complete it",
        database.display()
    )]
    Incomplete {
        /// The database.
        database: PathBuf,
        /// The cause.
        source: Box<Error>,
    },
    /// There is no database in the folder.
    #[error("{}: no database (.edb or .dit) here; name the folder that holds it", folder.display())]
    NoDatabase {
        /// The folder.
        folder: PathBuf,
    },
    /// There are several databases in the folder, and none was chosen.
    #[error(
        "{}: several databases here ({}); choose one by its name",
        folder.display(), names.join(", ")
    )]
    SeveralDatabases {
        /// The folder.
        folder: PathBuf,
        /// Their file names.
        names: Vec<String>,
    },
    /// The folder has no log of the database under the given base name, but some under others.
    #[error(
        "{}: none of its logs in {} has the base name {asked}, but some have {}. Name that base \
         name and recover again",
        database.display(), folder.display(), found.join(", or ")
    )]
    OtherBaseName {
        /// The database.
        database: PathBuf,
        /// The folder of the logs.
        folder: PathBuf,
        /// The given base name.
        asked: String,
        /// The base names of the database's logs, the one with the most logs first.
        found: Vec<String>,
    },
    /// Logs are missing that the database needs to be consistent.
    #[error(
        "{}: required logs are missing: {}; the database needs {}. Put them into {} and recover \
         again; or allow loss explicitly, which does if the file holds nothing of them yet",
        database.display(),
        Generations(missing),
        Generations(std::slice::from_ref(required)),
        folder.display()
    )]
    MissingRequiredLogs {
        /// The database.
        database: PathBuf,
        /// The folder of the logs.
        folder: PathBuf,
        /// The missing generations.
        missing: Vec<RangeInclusive<u32>>,
        /// All required generations.
        required: RangeInclusive<u32>,
    },
    /// Logs with committed changes are missing. Without them the database can be made consistent,
    /// but loses these changes.
    #[error(
        "{}: logs with committed changes are missing: {}; the database had reached {:#x}. Put them \
         into {}, or allow loss explicitly to end at generation {last:#x}",
        database.display(), Generations(missing), committed, folder.display()
    )]
    MissingCommittedLogs {
        /// The database.
        database: PathBuf,
        /// The folder of the logs.
        folder: PathBuf,
        /// The missing generations.
        missing: Vec<RangeInclusive<u32>>,
        /// The last generation with committed changes.
        committed: u32,
        /// The last generation that recovery could replay.
        last: u32,
    },
    /// The database is clean, but older than the logs beside it.
    #[error(
        "{}: it was shut down cleanly at {consistent}, but the logs go on from a later state of \
         it, which they attached at {attached}: this is an old copy. Put the newest copy here, or \
         the logs that lead to it; or allow loss explicitly to keep the copy as it is",
        database.display()
    )]
    OlderThanLogs {
        /// The database.
        database: PathBuf,
        /// The position of its shutdown.
        consistent: Lgpos,
        /// The position at which the logs attached it later.
        attached: Lgpos,
    },
    /// A needed log is damaged, or belongs to another sequence.
    #[error("generation {generation:#x} cannot be used: {source}")]
    UnusableLog {
        /// The generation.
        generation: u32,
        /// The cause.
        source: Box<crate::Error>,
    },
    /// A needed log exists only from another sequence of logs.
    #[error(
        "{}: generation {generation:#x} of another sequence of logs ({found}); the database \
         belongs to {expected}. Put its own logs there",
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
    /// A log exists twice.
    #[error(
        "{}: generation {generation:#x} is there twice: {} and {}. Remove the one that is not the \
         continuation of the other logs",
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
    /// The place to stop is before changes that the database file already holds.
    #[error(
        "{}: cannot stop at {stop}: the file already holds changes up to generation {required:#x}. \
         Stop there or later, or start from an older backup",
        database.display()
    )]
    StopTooEarly {
        /// The database.
        database: PathBuf,
        /// A description of the place to stop.
        stop: String,
        /// The generation that must be replayed.
        required: u32,
    },
    /// By its header, the database cannot be recovered from logs.
    #[error("{}: {what}", database.display())]
    Unrecoverable {
        /// The database.
        database: PathBuf,
        /// The reason and the next step.
        what: String,
    },
    /// A page does not have the DBTIME that the log record expects: a write was lost, or the logs
    /// do not belong to the file.
    #[error(
        "{}: page {page}: the log record at {position} takes it from DBTIME {before:#x} to \
         {after:#x}, but it has {found:#x}. The file lacks a change, or is newer than its header \
         says; restore it from a backup",
        database.display()
    )]
    Gap {
        /// The database.
        database: PathBuf,
        /// The page.
        page: Pgno,
        /// The position of the record.
        position: Lgpos,
        /// The DBTIME that the record expects.
        before: u64,
        /// The DBTIME that the record sets.
        after: u64,
        /// The DBTIME of the page.
        found: u64,
    },
    /// The file holds changes that the logs do not: the end of the logs or a part of them is
    /// missing.
    #[error(
        "{}: page {page} was changed at DBTIME {found:#x}, but no record tells of that; the logs \
         end at {end} with DBTIME {last:#x}. A part of them is missing, and without it what the \
         file holds cannot be completed or taken back; find the log, or restore a backup",
        database.display()
    )]
    NewerThanLogs {
        /// The database.
        database: PathBuf,
        /// The page.
        page: Pgno,
        /// Its DBTIME.
        found: u64,
        /// The end of the logs.
        end: Lgpos,
        /// The highest DBTIME in the logs.
        last: u64,
    },
    /// The database was attached after the end of the logs: a part of them is missing.
    #[error(
        "{}: it was attached at {attached}, but the logs end at {end}: their end is missing, and \
         with it what was changed since. Find the log, or restore a backup",
        database.display()
    )]
    LogsEndTooEarly {
        /// The database.
        database: PathBuf,
        /// The position of the attachment, by the database's header.
        attached: Lgpos,
        /// The end of the logs.
        end: Lgpos,
    },
    /// A page that a log record changes cannot be read.
    #[error(
        "{}: page {page}: the log record at {position} changes it, but {why}. Restore the file \
         from a backup",
        database.display()
    )]
    LostPage {
        /// The database.
        database: PathBuf,
        /// The page.
        page: Pgno,
        /// The position of the record.
        position: Lgpos,
        /// The reason.
        why: String,
    },
    /// A log record contradicts earlier records, or the page that it changes.
    #[error("log record at {position}: {what}")]
    Contradiction {
        /// The position of the record.
        position: Lgpos,
        /// The contradiction.
        what: String,
    },
    /// An uncommitted change could not be rolled back.
    #[error(
        "{}: cannot roll back a change to the tree with root {root}: {what}",
        database.display()
    )]
    Undo {
        /// The database.
        database: PathBuf,
        /// The tree's root page.
        root: Pgno,
        /// The reason.
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
