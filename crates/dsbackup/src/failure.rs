//! Why a command failed, and the exit code that says so to scripts.

use std::path::{Path, PathBuf};

use contract::ResultCode;

use model::manifest::ManifestError;

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
    /// Exit code 1: `verify-db` found damage.
    DatabaseDamaged,
    /// Exit code 5: no damage was found, but this machine could not prove a snapshot.
    NotProven,
}

/// Why a command failed. Every message says what to do next where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A function of the contract failed.
    #[error("{step}: {source}")]
    Contract {
        /// The function.
        step: &'static str,
        /// Its documented code and the reason.
        source: contract::Error,
    },
    /// The repository failed.
    #[error(transparent)]
    Repository(#[from] repository::Error),
    /// A database, or another file of the engine, cannot be read.
    #[error("{0}{hint}", hint = next_step(.0))]
    Database(#[from] ese::Error),
    /// The database cannot be recovered.
    #[error("{0}{note}", note = unless_incomplete(.0))]
    Recovery(#[from] ese::recovery::Error),
    /// The snapshot's manifest is of no use.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A Samba domain controller's files are not as they should be.
    #[error(transparent)]
    Samba(#[from] samba::Error),
    /// The operating system refused.
    #[error("{}: {doing}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A directory's database could not be read as one.
    #[error(transparent)]
    Directory(#[from] ntds::Error),
    /// Logs without which a database cannot be recovered are not there, and what is there beside them says why.
    #[error("{0}")]
    Missing(String),
    /// What was named is no database, so that nothing of it was read.
    #[error("{0}")]
    NoDatabase(String),
    /// A file could not be verified at all.
    #[error("{0}")]
    NotVerified(Box<Failure>),
    /// Standard output could not be written.
    #[error("cannot write the result to standard output: {0}")]
    Output(std::io::Error),
    /// What was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// The repository holds no backup.
    #[error("the repository {0} holds no backup: nothing can be restored from it")]
    NoBackup(String),
    /// Refused before anything was harmed.
    #[error("{0}")]
    Refused(String),
    /// What was read is not what was stored.
    #[error("{0}")]
    Damage(String),
}

impl From<objects::Error> for Failure {
    fn from(error: objects::Error) -> Self {
        match error {
            objects::Error::Ntds(error) => Self::Directory(error),
            objects::Error::Engine(error) => Self::Database(error),
            objects::Error::Samba(error) => Self::Samba(error),
            error => Self::Damage(error.to_string()),
        }
    }
}

impl Failure {
    /// The exit code, as `--help` lists them.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Contract { source, .. } => match source.code {
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
            Self::Database(error) => exit_code_of(error),
            Self::Directory(error) => exit_code_of_directory(error),
            Self::NoDatabase(_) | Self::NotVerified(_) => 2,
            Self::Refused(_) => 4,
            Self::Damage(_) | Self::NoBackup(_) => 3,
            Self::Repository(
                repository::Error::Damaged { .. }
                | repository::Error::NotPrunable { .. }
                | repository::Error::Unproven { .. },
            ) => 3,
            Self::Samba(samba::Error::Damaged { .. }) => 3,
            Self::Samba(samba::Error::Refused(_)) => 4,
            Self::Recovery(ese::recovery::Error::Read(error)) => match exit_code_of(error) {
                2 => 2,
                _ => 1,
            },
            Self::Repository(_)
            | Self::Samba(_)
            | Self::Recovery(_)
            | Self::Manifest(_)
            | Self::Io { .. }
            | Self::Output(_)
            | Self::Missing(_)
            | Self::NotFound(_) => 1,
        }
    }

    /// Of a file that is none of the engine's, whatever it is called.
    pub fn no_engine_file(path: &Path) -> Self {
        Self::NoDatabase(format!(
            "{}: no file of the storage engine: neither database, log, checkpoint nor flush map begins like this",
            path.display()
        ))
    }

    /// For `map_err` on calls of the contract.
    pub fn at(step: &'static str) -> impl FnOnce(contract::Error) -> Self {
        move |source| Self::Contract { step, source }
    }

    /// For `map_err` on calls of the operating system.
    pub fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

fn exit_code_of(error: &ese::Error) -> u8 {
    match error {
        ese::Error::Damaged { .. } => 3,
        ese::Error::NoRegularFile { .. } => 2,
        _ => 1,
    }
}

fn exit_code_of_directory(error: &ntds::Error) -> u8 {
    match error {
        ntds::Error::Engine(error) => exit_code_of(error),
        ntds::Error::Inconsistent { .. } => 3,
        _ => 1,
    }
}

/// What a refused recovery left, where its error does not say so.
fn unless_incomplete(error: &ese::recovery::Error) -> String {
    match error {
        ese::recovery::Error::Incomplete { .. } => String::new(),
        ese::recovery::Error::OtherBaseName { found, .. } if !found.is_empty() => {
            format!(" (--base-name {}); the database was not changed", found[0])
        }
        _ => "; the database was not changed".into(),
    }
}

/// What a user can do about a file that cannot be read.
fn next_step(error: &ese::Error) -> &'static str {
    match error {
        ese::Error::Damaged { .. } => {
            " (dsbackup verify-db lists all damage of a database; a restore brings a sound one back)"
        }
        _ => "",
    }
}
