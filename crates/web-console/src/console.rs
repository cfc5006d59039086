//! What all pages share: settings, users, logins, the configuration of jobs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jobs::Configuration;
use jobs::record::StateFolder;
use tokio::sync::Semaphore;

use crate::audit::Audit;
use crate::differences::Differences;
use crate::directories::{Directories, Directory, NOW};
use crate::error::{Error, Result};
use crate::kept::Kept;
use crate::known::{Certificates, Tickets};
use crate::library::Library;
use crate::problem::Problem;
use crate::random;
use crate::recent::Recent;
use crate::seen::Seen;
use crate::session::Sessions;
use crate::settings::{ServerSettings, Settings};
use crate::throttle::Throttle;
use crate::users::Users;
use crate::work::Works;

/// Reads of repositories and directories at the same time.
const READERS: usize = 4;

/// Files that are sent at the same time.
const DOWNLOADS: usize = 4;

/// Passwords that are hashed at the same time: each takes 19 MiB.
const HASHERS: usize = 2;

/// Comparisons that are kept, and for how long after their last use.
const COMPARISONS: usize = 2;
const COMPARISON_AGE: Duration = Duration::from_secs(15 * 60);

/// The console's state.
pub struct Console {
    /// The table `[console]`.
    pub settings: Settings,
    /// dsbackup.toml, read again for each page: it may change.
    path: PathBuf,
    /// The records of runs.
    pub state: StateFolder,
    /// Who may log in.
    pub users: Users,
    /// Who may log in by a certificate.
    pub certificates: Certificates,
    /// Who may log in with a ticket; `None` where nobody does.
    pub tickets: Option<Tickets>,
    /// Who has logged in.
    pub sessions: Sessions,
    /// Who failed to.
    pub throttle: Throttle,
    /// What was done.
    pub audit: Audit,
    /// Signs the words of login forms.
    pub form_key: ring::hmac::Key,
    /// Room for hashing.
    pub hashers: Semaphore,
    /// The last look at all jobs.
    pub seen: Kept<Seen>,
    /// The repositories.
    pub library: Library,
    /// The open directories.
    pub directories: Directories,
    /// The last comparisons.
    pub differences: Recent<Differences>,
    /// What goes on.
    pub works: Works,
    /// Room for files that are sent.
    pub downloads: Semaphore,
    readers: Semaphore,
}

impl Console {
    /// A console over the repositories and jobs of the configuration file `path`.
    ///
    /// # Errors
    /// If the configuration, the users or the audit log cannot be used.
    pub fn new(path: &Path, settings: Settings, state: StateFolder, users: Users) -> Result<Self> {
        Configuration::read(path)?;
        let audit = Audit::open(settings.audit.as_deref())?;
        let word = random::word().map_err(Error::io("make a key", "getrandom"))?;
        Ok(Self {
            path: path.to_path_buf(),
            state,
            users,
            certificates: Certificates::new(&settings.client)?,
            tickets: settings.kerberos.as_ref().map(Tickets::new).transpose()?,
            sessions: Sessions::new(settings.idle.as_duration(), settings.lifetime.as_duration()),
            throttle: Throttle::default(),
            audit,
            form_key: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, word.as_bytes()),
            hashers: Semaphore::new(HASHERS),
            seen: Kept::default(),
            library: Library::default(),
            directories: Directories::default(),
            differences: Recent::new(COMPARISONS, COMPARISON_AGE),
            works: Works::default(),
            downloads: Semaphore::new(DOWNLOADS),
            readers: Semaphore::new(READERS),
            settings,
        })
    }

    /// Repositories and jobs, as the file has them now.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn configuration(&self) -> Result<Configuration, Problem> {
        Configuration::read(&self.path).map_err(Problem::failed)
    }

    /// The directory in a snapshot; with `@now` for the repository, that of a running server.
    ///
    /// # Errors
    /// If there is no such snapshot or server, or it cannot be read.
    pub fn directory(&self, repository: &str, id: &str) -> Result<Arc<Directory>, Problem> {
        if repository == NOW {
            return self.directories.running(id, self.server(id)?);
        }
        let cache = &self.settings.cache;
        (self.directories).open(&self.library, &self.configuration()?, cache, repository, id)
    }

    /// The settings of a running server.
    ///
    /// # Errors
    /// If there is none of this name.
    pub fn server(&self, name: &str) -> Result<&ServerSettings, Problem> {
        let known = self.settings.server.get(name);
        known.ok_or_else(|| Problem::not_found(format!("there is no [console.server.{name}]")))
    }

    /// The running directory of the domain that a snapshot is of; `None` where no server is
    /// configured.
    ///
    /// # Errors
    /// If none of the servers that answer is of that domain.
    pub fn now_of(&self, directory: &Directory) -> Result<Option<Arc<Directory>>, Problem> {
        let domain = |directory: &Directory| directory.facts().default_naming_context.clone();
        let mut reasons = Vec::new();
        for name in self.settings.server.keys() {
            match self.directory(NOW, name) {
                Ok(running) if domain(&running) == domain(directory) => return Ok(Some(running)),
                Ok(_) => reasons.push(format!("{name}: it is of another domain")),
                Err(problem) => reasons.push(format!("{name}: {}", problem.text)),
            }
        }
        match reasons.is_empty() {
            true => Ok(None),
            false => Err(Problem::failed(reasons.join("\n"))),
        }
    }

    /// Reads something that takes a while, on a thread of its own.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Self) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let _room = self.readers.acquire().await.map_err(Problem::failed)?;
        let console = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || read(&console));
        done.await.map_err(Problem::failed)?
    }
}
