//! What can go wrong while a directory is read.

use std::path::PathBuf;

/// The result of reading a directory.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a directory could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database could not be read.
    #[error(transparent)]
    Engine(#[from] ese::Error),
    /// A sound database, but not of a directory.
    #[error("{}: this is no database of Active Directory: it has no {what}", file.display())]
    NotADirectory {
        /// The database.
        file: PathBuf,
        /// The first thing that is missing.
        what: String,
    },
    /// The database was not shut down, so that what its pages say is not what was committed.
    #[error(
        "{}: the database is in the state {state}: it says nothing that counts before its logs are \
         replayed (dsbackup inspect names the logs that it needs)",
        file.display()
    )]
    NeedsReplay {
        /// The database.
        file: PathBuf,
        /// Its state, in the engine's words.
        state: String,
    },
    /// The directory lacks something that every directory has, or contradicts itself.
    #[error("{}: {object}: expected {expected}, found {found}", file.display())]
    Inconsistent {
        /// The database.
        file: PathBuf,
        /// The object, such as `NTDS Settings (DNT 211)`.
        object: String,
        /// What is to be there.
        expected: String,
        /// What is there.
        found: String,
    },
}
