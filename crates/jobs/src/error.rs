//! Why a job cannot be run, or its status not be found.

use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a job cannot be run, or its status not be found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("{}: {reason}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with the line if known.
        reason: String,
    },
    /// The configuration has no such job.
    #[error("{}: no job {name:?}; it has {known}", path.display())]
    NoSuchJob {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// The jobs that it has, in words.
        known: String,
    },
    /// The job runs already.
    #[error("the job {0} runs already, in another process: wait for its end")]
    Running(String),
    /// A hook ended with an error.
    #[error("the command {command:?} ended with {status}")]
    Hook {
        /// The command.
        command: String,
        /// Its exit status, in words.
        status: String,
    },
    /// A notification could not be sent.
    #[error("{0}")]
    Notify(String),
    /// A record was written by a later release.
    #[error(
        "{}: a record of format {found}, this release knows up to {known}: use a newer dsbackup",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The highest format of this release.
        known: u32,
    },
    /// A record cannot be understood.
    #[error(
        "{}: no record of a job ({reason}): move it away, the next run writes a new one",
        path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused, or the backup or other work on a repository failed.
    #[error(transparent)]
    Work(#[from] backup::Error),
}

impl Error {
    /// For `map_err` on calls of the operating system.
    pub fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let failed = backup::Error::io(doing, path);
        move |source| Self::Work(failed(source))
    }
}

impl From<repository::Error> for Error {
    fn from(error: repository::Error) -> Self {
        Self::Work(error.into())
    }
}
