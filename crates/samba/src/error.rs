//! What can go wrong with a domain controller's files.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed. Every message names the file and, where known, the next step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// smb.conf does not describe a domain controller that can be served.
    #[error("{}: {reason}", path.display())]
    Configuration {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A file is not what its place demands, or is damaged.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Position, expected and actual value.
        reason: String,
    },
    /// Somebody held a lock for longer than the limit. Everything was released; the domain controller works on.
    #[error(
        "{}: its {what} was not free within {} ms; nothing was kept locked. Try again; if it persists, look in \
         /proc/locks for the process that holds it", path.display(), limit.as_millis()
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// Which lock.
        what: &'static str,
        /// How long was waited in all.
        limit: Duration,
    },
    /// Somebody holds a lock of LMDB's own, for which its library waits without a limit. The domain controller may hang
    /// for the same reason.
    #[error(
        "{}: LMDB's own locks have not been free {waited}, and the domain controller itself may be waiting for them: \
         {who}; then back up again", path.display()
    )]
    Stuck {
        /// The database.
        path: PathBuf,
        /// How long was waited.
        waited: String,
        /// Who may hold them, and what to do.
        who: String,
    },
    /// A file changed or vanished while it was being read.
    #[error("{}: {reason}; run the backup again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// How.
        reason: String,
    },
    /// The directory does not answer as a domain controller should.
    #[error("the directory at {socket}: {reason}")]
    Directory {
        /// Its LDAP socket.
        socket: String,
        /// What it said, or why it said nothing.
        reason: String,
    },
    /// The domain controller runs where it must not, or a tool holds its files.
    #[error("{0}")]
    Running(String),
    /// What is offered belongs to another directory, or is not complete.
    #[error("{0}")]
    Refused(String),
    /// This machine lacks a tool or library of Samba's.
    #[error(
        "{tool}: {reason}; it needs Samba's packages: on Debian samba, samba-dsdb-modules, python3-samba, python3-ldb"
    )]
    Unavailable {
        /// Which one is to be run.
        tool: String,
        /// What is missing.
        reason: String,
    },
    /// One of Samba's own tools or libraries failed.
    #[error("{tool}: {reason}")]
    Tool {
        /// Which one.
        tool: String,
        /// What it said.
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

    /// For `map_err` on raw system calls.
    pub(crate) fn os(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.as_ref().to_path_buf();
        move |errno| Self::Io {
            doing,
            path,
            source: errno.into(),
        }
    }

    pub(crate) fn damaged(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.as_ref().to_path_buf(),
            reason: reason.into(),
        }
    }
}
