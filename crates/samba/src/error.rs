//! Errors about a domain controller's files.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason of a failure. Every message names the file and, if known, the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call of the operating system failed.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// The attempted operation.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// smb.conf does not describe a domain controller that can be hosted.
    #[error("{}: {reason}", path.display())]
    Configuration {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong, and the next step.
        reason: String,
    },
    /// A file is damaged, or of another format than expected.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Position, expected and actual value.
        reason: String,
    },
    /// A lock was not free within the limit. All locks were released; the domain controller is not
    /// affected.
    #[error(
        "{}: its {what} was not free within {} ms; nothing was kept locked. Try again; if it \
         persists, look in /proc/locks for the process that holds \
         it", path.display(), limit.as_millis()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// The lock.
        what: &'static str,
        /// The whole wait.
        limit: Duration,
    },
    /// A process holds a lock of LMDB, for which its library waits without limit. The domain
    /// controller may hang for the same reason.
    #[error(
        "{}: LMDB's own locks have not been free {waited}, and the domain controller itself may be \
         waiting for them: {who}; then back up again", path.display()
    )]
    Stuck {
        /// The database.
        path: PathBuf,
        /// The wait so far.
        waited: String,
        /// Processes that may hold the locks, and the next step.
        who: String,
    },
    /// A file changed or vanished while it was read.
    #[error("{}: {reason}; run the backup again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The change.
        reason: String,
    },
    /// The directory does not answer as a domain controller should.
    #[error("the directory at {socket}: {reason}")]
    Directory {
        /// Its LDAP socket.
        socket: String,
        /// Its answer, or the reason why there is none.
        reason: String,
    },
    /// The domain controller runs although it must not, or a tool has its files open.
    #[error("{0}")]
    Running(String),
    /// The files belong to another directory, or are incomplete.
    #[error("{0}")]
    Refused(String),
    /// This computer lacks a tool or library of Samba's.
    #[error(
        "{tool}: {reason}; it needs Samba's packages: on Debian samba, samba-dsdb-modules, \
         python3-samba, python3-ldb"
    )]
    Unavailable {
        /// The tool or library.
        tool: String,
        /// What is missing.
        reason: String,
    },
    /// One of Samba's own tools or libraries failed.
    #[error("{tool}: {reason}")]
    Tool {
        /// The tool or library.
        tool: String,
        /// Its message.
        reason: String,
    },
}

impl Error {
    /// For `map_err` on calls of the operating system.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn damaged(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.as_ref().to_path_buf(),
            reason: reason.into(),
        }
    }
}
