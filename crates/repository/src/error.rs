//! Errors of a repository, each with the next step.

use rustic_core::RusticError;

/// Any error of the caller's own: a [`Source`](crate::Source) returns it, [`Error::Source`] passes
/// it on unchanged.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A failed operation on a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The source of a backup failed; this is its own error. There is no snapshot.
    #[error(transparent)]
    Source(BoxError),
    /// A file has another size than its source announced. There is no snapshot.
    #[error(
        "{path} was announced with {announced} bytes but {} were read; no snapshot was made",
        if *.read > *.announced { format!("at least {}", .read) } else { format!("only {}", .read) }
    )]
    Size {
        /// The path inside the snapshot.
        path: String,
        /// The announced size in bytes.
        announced: u64,
        /// The number of bytes read.
        read: u64,
    },
    /// A path that a snapshot cannot hold: absolute, with `..`, empty, duplicate, or a file in the
    /// position of a folder.
    #[error("{path:?} cannot be stored: {reason}")]
    Path {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The location is malformed or of an unknown kind.
    #[error("{location:?} is not a repository location: {reason}")]
    Location {
        /// The location as given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The location holds no repository.
    #[error("there is no repository at {location}: {reason}")]
    Missing {
        /// The location.
        location: String,
        /// What is missing.
        reason: String,
    },
    /// `init` found something at the location.
    #[error("cannot create a repository at {location}: {reason}")]
    Exists {
        /// The location.
        location: String,
        /// What it found.
        reason: String,
    },
    /// The password opens no key of the repository.
    #[error("the password does not open the repository at {location}")]
    WrongPassword {
        /// The location.
        location: String,
    },
    /// This program supports no repository of this kind.
    #[error("the repository at {location} cannot be used: {reason}")]
    Unsupported {
        /// The location.
        location: String,
        /// The reason.
        reason: String,
    },
    /// A lock of another process excludes the requested one.
    #[error(
        "the repository is {} by {by} since {since}; wait for it (--retry-lock 10m), or if that \
         process is no longer there: dsbackup unlock",
        if *.exclusive { "locked" } else { "in use" }
    )]
    Locked {
        /// Process, user and computer of the lock's owner.
        by: String,
        /// The time in the lock.
        since: String,
        /// Whether the other lock is exclusive; if not, the requested one is.
        exclusive: bool,
    },
    /// A lock was lost: nothing done under it is reliable.
    #[error("the lock on the repository was lost: {reason}; run the command again")]
    LockLost {
        /// The cause.
        reason: String,
    },
    /// A snapshot was written, but cannot be relied on.
    #[error(
        "snapshot {snapshot} was written but cannot be relied on: {reason}; nothing may be deleted \
         because of it: run the backup again"
    )]
    Unproven {
        /// The snapshot's short id.
        snapshot: String,
        /// What is wrong.
        reason: String,
    },
    /// A lock cannot be written.
    #[error("the repository cannot be locked: {reason}")]
    CannotLock {
        /// The error of the storage.
        reason: String,
    },
    /// Reading from or writing to the repository failed.
    #[error("{doing}: {reason}")]
    Storage {
        /// The attempted operation.
        doing: String,
        /// The error of the storage.
        reason: String,
    },
    /// Content of the repository is missing or changed.
    #[error(
        "the repository is damaged: {what}; `dsbackup check` names all damage, `dsbackup repair \
         index` finds packs that the index does not name"
    )]
    Damaged {
        /// The damaged pack, blob or file, and its damage.
        what: String,
    },
    /// It cannot be determined which blobs the snapshots need, so nothing can be removed.
    #[error(
        "nothing was removed, because the needed content is unknown: {reason}; if `dsbackup \
         repair index` does not help, remove the damaged snapshot (`dsbackup forget ID`) and prune \
         again"
    )]
    NotPrunable {
        /// The unreadable or missing file or blob.
        reason: String,
    },
    /// No snapshot, or more than one, matches.
    #[error("snapshot {wanted:?}: {reason}")]
    Snapshot {
        /// As requested.
        wanted: String,
        /// The number of matches, in words.
        reason: String,
    },
    /// The snapshot has no such file.
    #[error("snapshot {snapshot} has no file {path}")]
    NoSuchFile {
        /// The snapshot's short id.
        snapshot: String,
        /// The requested path.
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

/// rustic's error in one line. Its own text has many, with hints and a backtrace, and repeats
/// causes.
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
