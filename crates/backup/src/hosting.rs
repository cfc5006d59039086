//! The service that the work talks to: one that runs already, or one in this process for the time
//! of the work.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use contract::ResultCode;
use ntdsbcli::Server;
use service::{Configuration, Mode, Service, StoreConfiguration};
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::report::Report;

/// A service, for as long as the value lives.
pub struct Hosting {
    server: Server,
    directory: Option<PathBuf>,
    /// Dropped last: the service ends after its last client.
    _own: Option<Own>,
}

/// A service in this process. Nothing listens; its directory is free again when the value is
/// dropped.
struct Own {
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<contract::Result<()>>>,
}

impl Hosting {
    /// A service that runs already.
    pub fn running(server: Server) -> Self {
        Self {
            server,
            directory: None,
            _own: None,
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
            let resolved = folder.canonicalize();
            resolved.as_deref().unwrap_or(folder).starts_with(directory)
        })
    };
    match databases.into_iter().find(|name| !is_within(name)) {
        None => Ok(()),
        Some(other) => Err(Error::Refused(format!(
            "{} is in use, and the running service hosts another directory ({other}): name the socket \
             of the service that hosts it, or stop what uses it",
            directory.display()
        ))),
    }
}

/// The folder of a directory's databases.
fn folder_of(configuration: &Configuration) -> Result<PathBuf> {
    let folder = match &configuration.store {
        StoreConfiguration::Folder(directory) => directory.database_folder.clone(),
        StoreConfiguration::Samba(samba) => samba::Installation::read(&samba.smb_conf)?.state,
    };
    (folder.canonicalize()).map_err(Error::io("find the directory's folder", &folder))
}
