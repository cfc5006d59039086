//! What can go wrong with a repository, said so that the user knows the next step.

use rustic_core::RusticError;

/// Any error of the caller's own: a [`Source`](crate::Source) hands it in, [`Error::Source`] hands it back unchanged.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failed operation on a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source of a backup failed. This is its own error, as it was. No snapshot was made.
    #[error(transparent)]
    Source(BoxError),
    /// A file did not have the size that its source announced. No snapshot was made.
    #[error(
        "{path} was announced with {announced} bytes but {} were read; no snapshot was made",
        if *.read > *.announced { format!("at least {}", .read) } else { format!("only {}", .read) }
    )]
    Size {
        /// The path inside the snapshot.
        path: String,
        /// The announced size in bytes.
        announced: u64,
        /// The bytes that came.
        read: u64,
    },
    /// A path that a snapshot cannot hold: absolute, with `..`, empty, given twice, or a file where a folder is.
    #[error("{path:?} cannot be stored: {reason}")]
    Path {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The location is not understood.
    #[error("{location:?} is not a repository location: {reason}")]
    Location {
        /// The location as given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no repository at the location.
    #[error("there is no repository at {location}: {reason}")]
    Missing {
        /// The location.
        location: String,
        /// What was looked for.
        reason: String,
    },
    /// `init` found something at the location.
    #[error("cannot create a repository at {location}: {reason}")]
    Exists {
        /// The location.
        location: String,
        /// What is there.
        reason: String,
    },
    /// No key of the repository can be opened with the password.
    #[error("the password does not open the repository at {location}")]
    WrongPassword {
        /// The location.
        location: String,
    },
    /// The repository is of a kind that this program does not write or read.
    #[error("the repository at {location} cannot be used: {reason}")]
    Unsupported {
        /// The location.
        location: String,
        /// Why not.
        reason: String,
    },
    /// Others hold locks that stand against what was asked for.
    #[error(
        "the repository is {} by {by} since {since}; wait for it (--retry-lock 10m), or if that process is no longer \
         there: dsbackup unlock",
        if *.exclusive { "locked" } else { "in use" }
    )]
    Locked {
        /// Process, user and computer.
        by: String,
        /// As the lock says.
        since: String,
        /// Whether it is held by one that has it for itself; otherwise that was asked for.
        exclusive: bool,
    },
    /// A lock that was held is gone: what was done under it is not to be relied on.
    #[error("the lock on the repository was lost: {reason}; run the command again")]
    LockLost {
        /// What became of it.
        reason: String,
    },
    /// A lock cannot be written.
    #[error("the repository cannot be locked: {reason}")]
    CannotLock {
        /// What the storage said.
        reason: String,
    },
    /// Reading from or writing to the repository failed.
    #[error("{doing}: {reason}")]
    Storage {
        /// What was being done.
        doing: String,
        /// What the storage said.
        reason: String,
    },
    /// Something that the repository should hold is missing or not what was stored.
    #[error("the repository is damaged: {what}; run `check` on it")]
    Damaged {
        /// Which pack, blob or file, and how.
        what: String,
    },
    /// No snapshot has that name, or several have.
    #[error("snapshot {wanted:?}: {reason}")]
    Snapshot {
        /// As asked for.
        wanted: String,
        /// None or several.
        reason: String,
    },
    /// The snapshot has no such file.
    #[error("snapshot {snapshot} has no file {path}")]
    NoSuchFile {
        /// The snapshot, shortened.
        snapshot: String,
        /// The path asked for.
        path: String,
    },
}

impl Error {
    pub(crate) fn storage(doing: impl Into<String>, error: &RusticError) -> Self {
        Self::Storage {
            doing: doing.into(),
            reason: explain(error),
        }
    }
}

/// rustic's error in one line, without its headings.
pub(crate) fn explain(error: &RusticError) -> String {
    let text = error.display_log();
    let text = text.strip_prefix("Error: ").unwrap_or(&text);
    match text.split_once(" (kind: related to ") {
        Some((guidance, rest)) => match rest.split_once("): caused by: ") {
            Some((_, cause)) => format!("{guidance}: {cause}"),
            None => guidance.to_string(),
        },
        None => text.to_string(),
    }
}
