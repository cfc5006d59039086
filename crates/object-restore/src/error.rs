//! Why objects cannot be brought back.

use std::path::PathBuf;

/// The result of a step.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a plan was not made, or not carried out to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A directory could not be read.
    #[error(transparent)]
    Directory(#[from] objects::Error),
    /// The server did not answer a change.
    #[error(transparent)]
    Server(#[from] live::Error),
    /// A transaction of the server's database did not end, and whether it was made is unknown.
    #[error("writing to the database of the domain controller: {0}")]
    Transaction(String),
    /// The journal could not be read or written.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of the journal is none.
    #[error("{}: line {line}: expected a record of a restore, found {found}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is there.
        found: String,
    },
    /// Nothing was written, and why.
    #[error("{0}")]
    Refused(String),
}
