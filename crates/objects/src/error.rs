//! Errors from reading objects.

use std::path::PathBuf;

/// The result of reading objects.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why objects could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory in the database could not be read.
    #[error(transparent)]
    Ntds(#[from] ::ntds::Error),
    /// The database could not be read.
    #[error(transparent)]
    Engine(#[from] ese::Error),
    /// Samba's databases could not be read.
    #[error(transparent)]
    Samba(#[from] ::samba::Error),
    /// A server did not answer, or not as it should.
    #[error("{server}: {reason}")]
    Server {
        /// Its URL.
        server: String,
        /// What was asked and what came of it.
        reason: String,
    },
    /// The directory is incomplete or inconsistent.
    #[error("{}: {object}: expected {expected}, found {found}", file.display())]
    Inconsistent {
        /// The database.
        file: PathBuf,
        /// The object, for example `DNT 211`.
        object: String,
        /// The expected state.
        expected: String,
        /// The actual state.
        found: String,
    },
}
