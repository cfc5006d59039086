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
    /// A snapshot was written, but is not to be trusted.
    #[error(
        "snapshot {snapshot} was written but cannot be relied on: {reason}; nothing may be deleted because of it: run \
         the backup again"
    )]
    Unproven {
        /// The snapshot, shortened.
        snapshot: String,
        /// What is wrong.
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
    #[error(
        "the repository is damaged: {what}; `dsbackup check` names all damage, `dsbackup repair index` finds packs that \
         the index does not name"
    )]
    Damaged {
        /// Which pack, blob or file, and how.
        what: String,
    },
    /// Nobody knows what the snapshots need, so nothing can be removed.
    #[error(
        "nothing was removed, because it is not known what is needed: {reason}; if `dsbackup repair index` does not \
         help, remove the damaged snapshot (`dsbackup forget ID`) and prune again"
    )]
    NotPrunable {
        /// What cannot be read, or is missing.
        reason: String,
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

/// rustic's error in one line. Its own words go over many, with hints and a backtrace, and causes repeat them.
pub(crate) fn explain(error: &RusticError) -> String {
    let text = error.display_log();
    let text = text.strip_prefix("Error: ").unwrap_or(&text);
    let guidance = text
        .split_once(" (kind: related to ")
        .map_or(text, |(guidance, _)| guidance);
    match std::error::Error::source(error) {
        Some(cause) => format!("{guidance}: {}", in_one_line(cause)),
        None => guidance.to_string(),
    }
}

/// An error with its causes in one line; each may be one of rustic's.
pub(crate) fn in_one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let rustic = error.downcast_ref::<RusticError>();
    if let Some(error) =
        rustic.or_else(|| error.downcast_ref::<Box<RusticError>>().map(Box::as_ref))
    {
        return explain(error);
    }
    let text = error.to_string();
    let Some(cause) = error.source() else {
        return text;
    };
    let whole_cause = cause.to_string();
    let cause = in_one_line(cause);
    match text.split_once(&whole_cause) {
        Some((before, _)) => before.trim_end().to_string() + " " + &cause,
        None => format!("{text}: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustic_core::ErrorKind;

    #[derive(Debug, thiserror::Error)]
    #[error("Error reading file Index : {source}")]
    struct Finding {
        source: Box<RusticError>,
    }

    #[test]
    fn errors_of_rustic_take_one_line_wherever_they_are() {
        let disk = || std::io::Error::other("the disk is gone");
        let inner = RusticError::with_source(ErrorKind::Backend, "cannot read `{path}`", disk())
            .attach_context("path", "index/12");
        let outer = RusticError::with_source(ErrorKind::Repository, "cannot load the index", inner);
        assert!(outer.to_string().contains("Backtrace"));
        let expected = "cannot load the index: cannot read `index/12`: the disk is gone";
        assert_eq!(explain(&outer), expected);
        let finding = Finding { source: outer };
        assert_eq!(
            in_one_line(&finding),
            format!("Error reading file Index : {expected}")
        );
    }
}
