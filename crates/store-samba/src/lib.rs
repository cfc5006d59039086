//! A Samba domain controller. It runs or is stopped while it is backed up, and is stopped while it
//! is restored.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use contract::{Error, FileType, Result, ResultCode, TypedName};
use samba::{Installation, RestoreStaging, directory, stopped};
use store::{
    BackupOptions, BackupSet, DirectoryStore, FolderLock, Mode, RegisteredRestore, RestoreMarker,
    RestorePlan, Slot,
};

mod configuration;
mod failure;
mod pinned_set;
mod reader;
mod registration;

pub use configuration::SambaConfiguration;
use failure::code;
use pinned_set::PinnedSet;
use registration::Registration;

/// A domain controller that is backed up or restored.
pub struct SambaServer {
    hosted: Arc<Hosted>,
}

/// The state that backups and restores share with the store.
struct Hosted {
    installation: Installation,
    mode: Mode,
    pinning: samba::Options,
    /// What wins, after a restore, over what partners did to it.
    authoritative: Vec<String>,
    backup: Slot,
    restore: Slot,
    /// Excludes other services. The domain controller does not know this lock.
    _lock: FolderLock,
}

impl SambaServer {
    /// Hosts the domain controller that smb.conf describes.
    ///
    /// # Errors
    /// - `hrInvalidParam`: smb.conf is unreadable or unusable.
    /// - `hrDatabaseInUse`: another service hosts it.
    /// - In normal mode `hrRestoreInProgress` for a restore that is not complete.
    pub fn host(configuration: &SambaConfiguration, mode: Mode) -> Result<Self> {
        let installation = Installation::read(&configuration.smb_conf).map_err(code)?;
        // A server that is to be restored may have lost everything.
        let make = |folder: &PathBuf| {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::new(
                    ResultCode::INVALID_PATH,
                    format!("{}: cannot make the folder: {error}", folder.display()),
                )
            })
        };
        let needed = match mode {
            Mode::Restore => &installation.state,
            Mode::Normal => &configuration.spool_folder,
        };
        make(needed)?;
        let lock = FolderLock::acquire(&[&installation.state])?;
        finish_restore(&installation)?;
        if mode == Mode::Normal {
            RestoreMarker::refuse(&installation.state)?;
        }
        Ok(Self {
            hosted: Arc::new(Hosted {
                installation,
                mode,
                pinning: samba::Options {
                    lock_limit: Duration::from_millis(configuration.lock_wait_ms.into()),
                    spool: configuration.spool_folder.clone(),
                    dbcheck: configuration.dbcheck,
                },
                authoritative: configuration.authoritative.clone(),
                backup: Slot::default(),
                restore: Slot::default(),
                _lock: lock,
            }),
        })
    }
}

/// Completes a restore that a crash of the service or the machine interrupted after its last rename;
/// forgets one that was interrupted before its first.
fn finish_restore(installation: &Installation) -> Result<()> {
    let staging = RestoreStaging::of(installation);
    // A restore into a folder writes files under their names, and may write into this one.
    let is_staged = match RestoreMarker::read(&installation.state) {
        Ok(None) => return Ok(()),
        Ok(Some(marker)) => marker.is_staged,
        Err(_) => false,
    };
    match (staging.is_put(), is_staged && staging.is_whole()) {
        (true, _) => tracing::info!("finishing the cleanup of a complete restore"),
        (false, true) => tracing::info!(
            "an interrupted restore left a whole domain controller: it was complete, or had not \
             changed anything"
        ),
        (false, false) => return Ok(()),
    }
    staging.tidy().map_err(code)?;
    RestoreMarker::clear(&installation.state)
}

impl DirectoryStore for SambaServer {
    fn mode(&self) -> Mode {
        self.hosted.mode
    }

    fn is_online(&self) -> bool {
        match self.hosted.mode {
            // A stopped one can be backed up, as a folder at rest.
            Mode::Normal => {
                let installation = &self.hosted.installation;
                directory::is_online(installation) || stopped::is_stopped(installation)
            }
            // Any process that listens there, sound or not, has the files open.
            Mode::Restore => directory::listens(&self.hosted.installation),
        }
    }

    fn server_name(&self) -> String {
        let installation = &self.hosted.installation;
        format!("{}.{}", installation.netbios_name, installation.realm).to_lowercase()
    }

    fn begin_backup(&self, options: BackupOptions) -> Result<Box<dyn BackupSet>> {
        if self.hosted.mode == Mode::Restore {
            return Err(ResultCode::RESTORE_IN_PROGRESS.into());
        }
        if options.logs_only {
            self.check_logs(0)?;
        }
        let backup = self.hosted.backup.take().ok_or_else(|| {
            Error::new(
                ResultCode::BACKUP_IN_PROGRESS,
                "another backup of this directory is in progress; try again when it has ended",
            )
        })?;
        let set = PinnedSet::pin(
            &self.hosted.installation,
            &self.hosted.pinning,
            options,
            backup,
        )?;
        Ok(Box::new(set))
    }

    fn check_logs(&self, _: u32) -> Result<()> {
        Err(Error::new(
            ResultCode::LOG_FILE_NOT_FOUND,
            "Samba's databases have no logs, so there is no backup of logs; a full backup stores \
             only what changed",
        ))
    }

    fn set_current_log(&self, _: u32) -> Result<()> {
        Err(Error::new(
            ResultCode::LOG_FILE_NOT_FOUND,
            "Samba's databases have no logs, so none of them is the current one",
        ))
    }

    fn incrementals_disabled(&self) -> Result<bool> {
        Ok(false)
    }

    fn restore_locations(&self) -> Result<Vec<TypedName>> {
        self.check_offline()?;
        let folder = RestoreStaging::of(&self.hosted.installation).folder();
        let entry = |file_type: FileType, path: PathBuf| TypedName {
            file_type,
            name: path.to_string_lossy().into_owned(),
        };
        Ok(vec![
            entry(FileType::STATE_DIR, folder.clone()),
            entry(FileType::DATABASE, folder.join("private").join("sam.ldb")),
            entry(FileType::LOG_DIR, folder.clone()),
            entry(FileType::CHECKPOINT_DIR, folder),
        ])
    }

    fn register_restore(&self, plan: RestorePlan) -> Result<Box<dyn RegisteredRestore>> {
        self.check_offline()?;
        let restore = self.hosted.restore.take().ok_or_else(|| {
            Error::new(
                ResultCode::RESTORE_IN_PROGRESS,
                "another restore of this directory is in progress; try again when it has ended",
            )
        })?;
        let registration = Registration::begin(self.hosted.clone(), &plan, restore)?;
        Ok(Box::new(registration))
    }
}

impl SambaServer {
    fn check_offline(&self) -> Result<()> {
        match self.hosted.mode {
            Mode::Restore => RestoreStaging::of(&self.hosted.installation)
                .check_stopped()
                .map_err(code),
            Mode::Normal => Err(Error::new(
                ResultCode::DATABASE_IN_USE,
                "the directory is hosted to be backed up; to restore it stop the domain controller \
                 and start the service in restore mode",
            )),
        }
    }
}
