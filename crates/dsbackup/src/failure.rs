//! Why a command failed, and the exit code that says so to scripts.

use std::path::{Path, PathBuf};

use backup::Error;
use contract::ResultCode;

/// The result of a command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What a command that ran to its end has to say through its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 3: damage was found.
    DamageFound,
    /// Exit code 3: the repository holds no backup.
    NoBackup,
    /// Exit code 3: not all objects are as they were.
    Incomplete,
    /// Exit code 1: `verify-db` found damage.
    DatabaseDamaged,
    /// Exit code 1: a step of a job failed.
    #[cfg_attr(windows, allow(dead_code, reason = "jobs need Unix"))]
    JobFailed,
    /// The exit code of a monitoring plugin.
    #[cfg_attr(windows, allow(dead_code, reason = "jobs need Unix"))]
    Monitored(u8),
    /// Exit code 5: no damage was found, but this machine could not prove a snapshot.
    NotProven,
    /// Exit code 6: `diff --exit-code` found differences.
    Different,
}

/// Why a command failed. Every message says what to do next where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The work failed.
    #[error("{0}{hint}", hint = options_for(.0))]
    Work(#[from] backup::Error),
    /// A job, or the configuration of jobs.
    #[cfg_attr(windows, allow(dead_code, reason = "jobs need Unix"))]
    #[error("{0}")]
    Job(String),
    /// Logs without which a database cannot be recovered are not there, and what is there beside
    /// them says why.
    #[error("{0}")]
    Missing(String),
    /// What was named is no database, so that nothing of it was read.
    #[error("{0}")]
    NoDatabase(String),
    /// A file could not be verified at all.
    #[error("{0}")]
    NotVerified(Box<Failure>),
    /// Options are missing.
    #[error("{0}")]
    Usage(String),
    /// Standard output could not be written.
    #[error("cannot write the result to standard output: {0}")]
    Output(std::io::Error),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// A directory server could not be asked.
    #[error("{0}")]
    Server(String),
}

/// The errors that the work passes on as they are.
macro_rules! of_the_work {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::Work(error.into())
            }
        })+
    };
}

of_the_work!(
    repository::Error,
    ese::Error,
    ese::recovery::Error,
    samba::Error,
    ntds::Error,
    windows_disk::Error,
);

impl From<objects::Error> for Failure {
    fn from(error: objects::Error) -> Self {
        match error {
            error @ objects::Error::Server { .. } => Self::Server(error.to_string()),
            error => Self::Work(error.into()),
        }
    }
}

impl From<comparison::Error> for Failure {
    fn from(error: comparison::Error) -> Self {
        match error {
            comparison::Error::Source(error) => error.into(),
            error => Self::NotFound(error.to_string()),
        }
    }
}

impl From<object_restore::Error> for Failure {
    fn from(error: object_restore::Error) -> Self {
        match error {
            object_restore::Error::Directory(error) => error.into(),
            object_restore::Error::Refused(reason) => Self::refused(reason),
            object_restore::Error::Io {
                path,
                doing,
                source,
            } => Self::io(doing, path)(source),
            error => Self::Server(error.to_string()),
        }
    }
}

impl Failure {
    /// The exit code, as `--help` lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Work(error) => exit_code_of(error),
            Self::NoDatabase(_) | Self::NotVerified(_) | Self::Usage(_) => 2,
            Self::Job(_)
            | Self::Output(_)
            | Self::Missing(_)
            | Self::NotFound(_)
            | Self::Server(_) => 1,
        }
    }

    /// Refused before anything was harmed.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Work(Error::Refused(reason.into()))
    }

    /// Of a file that is none of the engine's, whatever it is called.
    pub fn no_engine_file(path: &Path) -> Self {
        Self::Work(Error::NoEngineFile(path.to_path_buf()))
    }

    /// For `map_err` on calls of the contract.
    pub fn at(step: &'static str) -> impl FnOnce(contract::Error) -> Self {
        move |error| Self::Work(Error::at(step)(error))
    }

    /// For `map_err` on calls of the operating system.
    pub fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::Work(Error::io(doing, path)(error))
    }
}

/// The options that help against an error of the work, as the end of its message.
fn options_for(error: &Error) -> String {
    match error {
        Error::Protected(_) => "; to remove even that, add --even-the-last".into(),
        Error::OtherServer { found, .. } => {
            format!("; where it is meant all the same, say --server-name {found}")
        }
        Error::NoneOfServer { .. } => {
            "; where one of these is meant, say --server-name NAME".into()
        }
        Error::NoIfmFolder(_) => "; for a plain folder with ntds.dit use --directory".into(),
        Error::Database(ese::Error::Damaged { .. }) => {
            " (dsbackup verify-db lists all damage of a database; a restore brings a sound one \
             back)"
                .into()
        }
        Error::SeveralServers(_) => " (--server-name NAME)".into(),
        Error::InvocationIdNotChosen(_) => {
            " (--new-invocation-id by-registry or --new-invocation-id keep)".into()
        }
        Error::Recovery(ese::recovery::Error::OtherBaseName { found, .. }) => {
            (found.first()).map_or_else(String::new, |name| format!(" (--base-name {name})"))
        }
        _ => String::new(),
    }
}

fn exit_code_of(error: &Error) -> u8 {
    match error {
        Error::Contract { source, .. } => match source.code {
            ResultCode::READ_VERIFY_FAILURE
            | ResultCode::LOG_FILE_CORRUPT
            | ResultCode::CHECKPOINT_CORRUPT
            | ResultCode::DATABASE_CORRUPTED => 3,
            ResultCode::ACCESS_DENIED
            | ResultCode::RESTORE_IN_PROGRESS
            | ResultCode::BACKUP_IN_PROGRESS
            | ResultCode::MISSING_EXPIRY_TOKEN
            | ResultCode::UNKNOWN_EXPIRY_TOKEN_FORMAT
            | ResultCode::INVALID_PARAM
            | ResultCode::INVALID_PARAMETER
            | ResultCode::CONTENTS_EXPIRED
            | ResultCode::BAD_DB_SIGNATURE => 4,
            _ => 1,
        },
        Error::Database(error) => exit_code_of_engine(error),
        Error::Directory(ntds::Error::Engine(error)) => exit_code_of_engine(error),
        Error::Directory(ntds::Error::Inconsistent { .. }) => 3,
        Error::NoEngineFile(_) => 2,
        Error::Refused(_)
        | Error::NotContinued(_)
        | Error::NoIfmFolder(_)
        | Error::Protected(_)
        | Error::NoneOfServer { .. }
        | Error::OtherServer { .. }
        | Error::SeveralServers(_)
        | Error::InvocationIdNotChosen(_) => 4,
        Error::Damage(_) | Error::NoBackup(_) | Error::BrokenChain { .. } => 3,
        Error::Repository(error) => exit_code_of_repository(error),
        Error::Samba(samba::Error::Damaged { .. }) => 3,
        Error::Image(windows_disk::Error::Damaged { .. }) => 3,
        Error::Image(windows_disk::Error::Refused { .. }) => 4,
        Error::Samba(samba::Error::Refused(_)) => 4,
        Error::Recovery(ese::recovery::Error::Read(error)) => match exit_code_of_engine(error) {
            2 => 2,
            _ => 1,
        },
        Error::Directory(_)
        | Error::Samba(_)
        | Error::Image(_)
        | Error::LogsNotInImage { .. }
        | Error::Recovery(_)
        | Error::Manifest(_)
        | Error::UnknownServer(_)
        | Error::Io { .. } => 1,
    }
}

fn exit_code_of_repository(error: &repository::Error) -> u8 {
    match error {
        repository::Error::Damaged { .. }
        | repository::Error::NotPrunable { .. }
        | repository::Error::Unproven { .. } => 3,
        _ => 1,
    }
}

fn exit_code_of_engine(error: &ese::Error) -> u8 {
    match error {
        ese::Error::Damaged { .. } => 3,
        ese::Error::NoRegularFile { .. } => 2,
        // Of a database in a repository.
        ese::Error::Io { source, .. } => {
            let inner = source.get_ref().and_then(|inner| inner.downcast_ref());
            inner.map_or(1, exit_code_of_repository)
        }
        _ => 1,
    }
}
