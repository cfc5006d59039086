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
    #[error(transparent)]
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
    /// An image of a disk cannot be read.
    #[error(transparent)]
    Image(#[from] windows_disk::Error),
    /// An image of a disk lacks logs that the database in it needs.
    #[error(
        "{image}: the logs of generation {missing}, which the database in it needs, are not in its \
         folder of logs. If another disk of the server has them, name a folder with the images of \
         all its disks; without the last logs, recover --allow-loss may help"
    )]
    LogsNotInImage {
        /// The path of the image.
        image: String,
        /// The generations.
        missing: String,
    },
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
    /// No file of the engine, whatever it is called.
    #[error(
        "{}: no file of the storage engine: neither database, log, checkpoint nor flush map begins \
         like this",
        .0.display()
    )]
    NoEngineFile(PathBuf),
    /// No folder as `ntdsutil ifm create` makes it.
    #[error(
        "{}: no IFM folder: expected a folder \"Active Directory\" in it, as `ntdsutil ifm create` \
         makes",
        .0.display()
    )]
    NoIfmFolder(PathBuf),
    /// Snapshots that were named are protected; a list, in words.
    #[error("nothing was removed: {0}")]
    Protected(String),
    /// The repository holds no snapshot of this server.
    #[error("the repository holds no snapshot of the server {0}")]
    UnknownServer(String),
    /// The repository holds snapshots of other servers only.
    #[error("the repository holds no snapshot of the server {server}, but of {others}")]
    NoneOfServer {
        /// The server.
        server: String,
        /// The others, in words.
        others: String,
    },
    /// The snapshot is of another server.
    #[error("snapshot {snapshot} is of the server {found}, and not of {expected}")]
    OtherServer {
        /// The beginning of its id.
        snapshot: String,
        /// Its server.
        found: String,
        /// The server that it should be of.
        expected: String,
    },
    /// The newest snapshot may be that of any of several servers.
    #[error(
        "the repository holds snapshots of several servers ({0}), so the newest may be of any \
         of them: name the server, or the snapshot by its id"
    )]
    SeveralServers(String),
    /// A directory service would start from the restored files; nobody chose how it gets a new
    /// invocation id.
    #[error(
        "{0}: the restored directory would start under its old invocation id, and its partners \
         would ignore its changes (USN rollback). Nothing was touched. Choose how it gets a new \
         one: by the registry value that is written beside the database, which you set before NTDS \
         starts; or not at all, if it never replicates with another server again"
    )]
    InvocationIdNotChosen(String),
    /// A snapshot of logs alone whose chain is not complete.
    #[error(
        "snapshot {snapshot} holds the logs of generation {logs} only, which continue {continued}: \
         nothing can be restored from it; restore an earlier snapshot, and take a full backup"
    )]
    BrokenChain {
        /// The beginning of its id.
        snapshot: String,
        /// Its generations.
        logs: String,
        /// What it continues.
        continued: String,
    },
    /// Logs that no snapshot in the repository is continued by.
    #[error("{0}: take a full backup")]
    NotContinued(String),
    /// Refused before anything was harmed.
    #[error("{0}")]
    Refused(String),
    /// What was read is not what was stored.
    #[error("{0}")]
    Damage(String),
}

impl From<objects::Error> for Error {
    fn from(error: objects::Error) -> Self {
        match error {
            objects::Error::Ntds(error) => error.into(),
            objects::Error::Engine(error) => error.into(),
            objects::Error::Samba(error) => error.into(),
            error => Self::Damage(error.to_string()),
        }
    }
}

impl Error {
    /// For `map_err` on calls of the contract.
    pub fn at(step: &'static str) -> impl FnOnce(contract::Error) -> Self {
        move |source| Self::Contract { step, source }
    }

    /// For `map_err` on a backup into the repository: the error of what was read, if it was that.
    pub(crate) fn of_backup(error: repository::Error) -> Self {
        let repository::Error::Source(source) = error else {
            return Self::Repository(error);
        };
        match source.downcast::<contract::Error>() {
            Ok(source) => Self::Contract {
                step: "reading the directory; no snapshot was made",
                source: *source,
            },
            Err(source) => match source.downcast::<Self>() {
                Ok(error) => *error,
                Err(source) => Self::Repository(repository::Error::Source(source)),
            },
        }
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
        _ => "; the database was not changed".into(),
    }
}
