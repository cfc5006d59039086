//! What can go wrong while objects are read.

use std::path::PathBuf;

/// The result of reading objects.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why objects could not be read.
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
    /// The directory lacks something that every directory has, or contradicts itself.
    #[error("{}: {object}: expected {expected}, found {found}", file.display())]
    Inconsistent {
        /// The database.
        file: PathBuf,
        /// The object, such as `DNT 211`.
        object: String,
        /// What is to be there.
        expected: String,
        /// What is there.
        found: String,
    },
}
