//! The service that the work talks to: one that runs already, or one in this process for the time
//! of the work.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use contract::ResultCode;
use ese::header::FileKind;
use ntdsbcli::Server;
use service::{Configuration, DirectoryConfiguration, Mode, Service, StoreConfiguration};
use store::RestoreMarker;
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::report::Report;
use crate::scratch::Scratch;

/// A service, for as long as the value lives.
pub struct Hosting {
    server: Server,
    directory: Option<PathBuf>,
    /// Dropped after the server: the service ends after its last client.
    _own: Option<Own>,
    /// The folder that the directory is copied into, if it is. Removed last.
    _scratch: Option<Scratch>,
}

/// A service in this process. Nothing listens; its directory is free again when the value is
/// dropped.
struct Own {
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<contract::Result<()>>>,
}

/// A directory that this process hosts, if no service does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosted {
    /// The database and logs in a folder.
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The database's file name; `ntds.dit` if absent.
        database_name: Option<String>,
    },
    /// The database of an IFM folder, made by `ntdsutil ifm create`.
    Ifm(PathBuf),
    /// The Samba domain controller of this smb.conf.
    Samba(PathBuf),
    /// This computer's own domain controller.
    #[cfg(windows)]
    Ntds {
        /// The tool that makes the copy of a backup.
        way: service::Way,
        /// The longest silence of that tool, in seconds; the default if absent.
        silence_limit_s: Option<u32>,
        /// The folder for a scratch folder with the copy.
        scratch: PathBuf,
    },
}

impl Hosted {
    /// Hosts the directory, or uses the service `running` if that has it.
    ///
    /// # Errors
    /// As [`Hosting::start`]; for a backup also for an unfinished restore, and for files that are no
    /// directory.
    pub fn start(&self, mode: Mode, running: Server, report: &dyn Report) -> Result<Hosting> {
        let configuration = match self {
            Self::Folder {
                folder,
                database_name,
            } => of_folder(folder, database_name.as_deref(), mode)?,
            Self::Ifm(folder) => {
                report.warn(
                    "of an IFM folder only the database is stored, not the registry and SYSVOL: \
                     keep the folder",
                );
                of_folder(&database_folder_of_ifm(folder)?, None, mode)?
            }
            Self::Samba(smb_conf) => Configuration::for_samba(smb_conf),
            #[cfg(windows)]
            Self::Ntds {
                way,
                silence_limit_s,
                scratch,
            } => {
                let scratch = Scratch::within(scratch)?;
                let mut ntds = service::NtdsConfiguration::with_scratch(scratch.path());
                ntds.way = *way;
                ntds.silence_limit_s = silence_limit_s.unwrap_or(ntds.silence_limit_s);
                let configuration = Configuration::for_ntds(ntds);
                let mut hosting = Hosting::start(&configuration, mode, running, report)?;
                hosting._scratch = Some(scratch);
                return Ok(hosting);
            }
        };
        Hosting::start(&configuration, mode, running, report)
    }
}

fn of_folder(folder: &Path, database_name: Option<&str>, mode: Mode) -> Result<Configuration> {
    let mut configuration = Configuration::for_folder(folder);
    if let Some(directory) = configuration.directory_mut() {
        if let Some(name) = database_name {
            directory.database_file = name.to_owned();
        }
        // A backup changes nothing: the logs are in the snapshot, to be replayed after a restore.
        directory.recover = false;
        if mode == Mode::Normal {
            check_before_hosting(directory)?;
        }
    }
    Ok(configuration)
}

/// Refuses an unfinished restore, then a database that is no file of the engine.
///
/// # Errors
/// With the restore marker, or the file.
pub fn check_before_hosting(directory: &DirectoryConfiguration) -> Result<()> {
    // An unfinished restore comes first: it explains any other file.
    RestoreMarker::refuse(&directory.database_folder).map_err(Error::at("hosting"))?;
    let database = directory.database_folder.join(&directory.database_file);
    match FileKind::of_file(&database) {
        Ok(FileKind::Unknown) => Err(Error::NoEngineFile(database)),
        Err(error @ ese::Error::NoRegularFile { .. }) => Err(error.into()),
        // All else that may be wrong with a directory the service says.
        _ => Ok(()),
    }
}

/// The folder of the database in an IFM folder.
fn database_folder_of_ifm(folder: &Path) -> Result<PathBuf> {
    let directory = folder.join("Active Directory");
    match directory.is_dir() {
        true => Ok(directory),
        false => Err(Error::NoIfmFolder(folder.to_path_buf())),
    }
}

impl Hosting {
    /// A service that runs already.
    pub fn running(server: Server) -> Self {
        Self {
            server,
            directory: None,
            _own: None,
            _scratch: None,
        }
    }

    /// A service in this process for the directory that `configuration` describes. If the directory
    /// is in use, the service `running` is used instead: it probably hosts it, and
    /// [`Hosting::directory`] lets the work make sure.
    ///
    /// # Errors
    /// As [`Service::in_process`]; if no service answers, the error that says who uses the
    /// directory.
    pub fn start(
        configuration: &Configuration,
        mode: Mode,
        running: Server,
        report: &dyn Report,
    ) -> Result<Self> {
        let failed = Error::at("hosting the directory");
        match Service::in_process(configuration, mode) {
            Ok((service, connections)) => Ok(Self {
                server: Server::hosted(move || connections.connect()),
                directory: None,
                _own: Some(Own::serve(service)?),
                _scratch: None,
            }),
            Err(error) if error.code == ResultCode::DATABASE_IN_USE => {
                if ntdsbcli::is_ntds_online(&running).is_err() {
                    return Err(failed(error));
                }
                report.note("a service hosts the directory already, and is used");
                Ok(Self {
                    server: running,
                    directory: Some(folder_of(configuration)?),
                    _own: None,
                    _scratch: None,
                })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The service.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The folder in which the service must have its directory, if that is not certain.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }
}

impl Own {
    fn serve(service: Service) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(Error::io("start threads", "the service in this process"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = std::thread::spawn(move || {
            runtime.block_on(service.serve(async { drop(stopped.await) }))
        });
        Ok(Self {
            stop: Some(stop),
            serving: Some(serving),
        })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.stop.take());
        match self.serving.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => tracing::error!(%error, "the service in this process failed"),
            Some(Err(_)) => tracing::error!("the service in this process panicked"),
            Some(Ok(Ok(()))) | None => {}
        }
    }
}

/// Refuses a service whose databases are not all within `directory`.
///
/// # Errors
/// [`Error::Refused`] with the first database elsewhere.
pub(crate) fn check_directory<'a>(
    directory: Option<&Path>,
    databases: impl IntoIterator<Item = &'a str>,
) -> Result<()> {
    let Some(directory) = directory else {
        return Ok(());
    };
    let is_within = |name: &str| {
        let folder = Path::new(name).parent();
        // A folder that a restore has yet to make does not resolve.
        folder.is_some_and(|folder| {
            let resolved = platform::file::canonical(folder);
            resolved.as_deref().unwrap_or(folder).starts_with(directory)
        })
    };
    match databases.into_iter().find(|name| !is_within(name)) {
        None => Ok(()),
        Some(other) => Err(Error::Refused(format!(
            "{} is in use, and the running service hosts another directory ({other}): name the \
             socket of the service that hosts it, or stop what uses it",
            directory.display()
        ))),
    }
}

/// The folder of a directory's databases.
fn folder_of(configuration: &Configuration) -> Result<PathBuf> {
    let folder = match &configuration.store {
        StoreConfiguration::Folder(directory) => directory.database_folder.clone(),
        StoreConfiguration::Samba(samba) => samba::Installation::read(&samba.smb_conf)?.state,
        #[cfg(windows)]
        StoreConfiguration::Ntds(_) => {
            store_windows::database_folder().map_err(Error::at("the registry"))?
        }
    };
    platform::file::canonical(&folder).map_err(Error::io("find the directory's folder", &folder))
}
