//! Errors from reading a directory.

use std::path::PathBuf;

/// The result of reading a directory.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a directory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database could not be read.
    #[error(transparent)]
    Engine(#[from] ese::Error),
    /// A sound database, but not a directory's.
    #[error("{}: this is no database of Active Directory: it has no {what}", file.display())]
    NotADirectory {
        /// The database.
        file: PathBuf,
        /// The first missing table or column.
        what: String,
    },
    /// The database is dirty: its pages do not hold all committed changes.
    #[error(
        "{}: the database is in the state {state}: it says nothing that counts before its logs are \
         replayed (dsbackup inspect names the logs that it needs)",
        file.display()
    )]
    NeedsReplay {
        /// The database.
        file: PathBuf,
        /// Its state, in the engine's terms.
        state: String,
    },
    /// The directory is incomplete or inconsistent.
    #[error("{}: {object}: expected {expected}, found {found}", file.display())]
    Inconsistent {
        /// The database.
        file: PathBuf,
        /// The object, for example `NTDS Settings (DNT 211)`.
        object: String,
        /// The expected state.
        expected: String,
        /// The actual state.
        found: String,
    },
}
