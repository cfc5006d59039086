//! Why the work failed.

use std::path::PathBuf;

use model::manifest::ManifestError;

/// The result of the work.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the work failed. Every message says what to do next where that is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    /// A directory's database could not be read as one.
    #[error(transparent)]
    Directory(#[from] ntds::Error),
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

impl Error {
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
