//! A directory in one folder, or in three: database, logs, checkpoint. It does not run while it is
//! hosted, so its files do not change and are backed up as they are.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use contract::{Error, FileType, Result, ResultCode, TypedName};
use ese::log_set::{LogFile, LogSet};
use store::{
    BackupOptions, BackupSet, DirectoryStore, FolderLock, Mode, RegisteredRestore, RestoreMarker,
    RestorePlan, Slot,
};

mod condition;
mod configuration;
mod current_log;
mod directory;
mod former_life;
pub mod invocation_id;
mod layout;
mod needed_logs;
mod pinned_file;
mod pinned_set;
mod reader;
mod recovery;
mod registration;
mod restored;
mod truncation;
mod verification;

use condition::{Condition, in_words};
pub use configuration::DirectoryConfiguration;
use current_log::{Recorded, Start};
use layout::Layout;
use pinned_set::PinnedSet;
use registration::Registration;

/// The name of this kind of store in a backup's facts.
pub const STORE_KIND: &str = "ese-folder";

/// A hosted folder.
pub struct EseFolder {
    hosted: Arc<Hosted>,
}

/// The state that backups and restores share with the store.
struct Hosted {
    layout: Layout,
    mode: Mode,
    server: String,
    tombstone_lifetime_days: u32,
    takes_new_invocation_id: bool,
    /// The facts of the database's directory. Read at the first backup, since all objects are
    /// counted. Valid for as long as the files are hosted, since they do not change.
    facts: OnceLock<Option<ntds::Facts>>,
    backup: Slot,
    restore: Slot,
    /// Held as long as a backup or restore uses the files.
    _lock: FolderLock,
}

impl EseFolder {
    /// Takes the directory's folders exclusively.
    ///
    /// # Errors
    /// - `hrInvalidPath`: a folder does not exist.
    /// - `hrDatabaseInUse`: another process hosts the directory, or restores into it.
    /// - In normal mode `hrRestoreInProgress` for a restore that is not complete,
    ///   `hrDatabaseNotFound`, `hrDatabaseCorrupted` for a database without a sound header, and the
    ///   engine's codes for a directory that was not shut down and cannot be recovered.
    pub fn host(configuration: &DirectoryConfiguration, mode: Mode) -> Result<Self> {
        let layout = Layout::new(configuration)?;
        let lock = FolderLock::acquire(&layout.folders())?;
        // A backup holds all files of the directory open, and there may be many logs.
        platform::process::raise_open_files_limit();
        if mode == Mode::Normal {
            RestoreMarker::refuse(&layout.database_folder)?;
            if configuration.recover {
                recovery::recover(&layout)?;
            }
            start(&layout)?;
        }
        let tombstone_lifetime_days = match mode {
            Mode::Normal => directory::tombstone_lifetime(&layout.database(), configuration),
            // No backup is taken in this mode.
            Mode::Restore => configuration.tombstone_lifetime_days,
        };
        let server = configuration.server_name.clone();
        let server = server.unwrap_or_else(platform::process::computer);
        Ok(Self {
            hosted: Arc::new(Hosted {
                layout,
                mode,
                server,
                tombstone_lifetime_days,
                takes_new_invocation_id: configuration.takes_new_invocation_id,
                facts: OnceLock::new(),
                backup: Slot::default(),
                restore: Slot::default(),
                _lock: lock,
            }),
        })
    }
}

/// Checks the directory before it goes online, and logs its condition.
fn start(layout: &Layout) -> Result<()> {
    let condition = restored::read_condition(&layout.database(), logs(layout)?)?;
    for unusable in &condition.logs.unusable {
        tracing::warn!(%unusable, "a log cannot be used");
    }
    warn_if_dirty(&condition);
    for other in &layout.contents()?.others {
        tracing::info!(file = %other.display(), "not part of the directory: no backup holds it");
    }
    Ok(())
}

fn warn_if_dirty(condition: &Condition) {
    if condition.header.is_clean() {
        return;
    }
    let required = condition.required();
    tracing::warn!(
        state = condition.state(),
        required = in_words(required.as_slice()),
        missing = in_words(&condition.missing()),
        "the directory was not shut down: it is consistent only together with its logs, and is \
         hosted as it is"
    );
}

fn logs(layout: &Layout) -> Result<LogSet> {
    LogSet::in_folder(&layout.current_log_folder(), &layout.log_base_name)
        .map_err(|error| Error::new(ResultCode::DISK_IO, error.to_string()))
}

impl DirectoryStore for EseFolder {
    fn mode(&self) -> Mode {
        self.hosted.mode
    }

    fn server_name(&self) -> String {
        self.hosted.server.clone()
    }

    fn begin_backup(&self, options: BackupOptions) -> Result<Box<dyn BackupSet>> {
        if self.hosted.mode == Mode::Restore {
            return Err(ResultCode::RESTORE_IN_PROGRESS.into());
        }
        let backup = self.hosted.backup.take().ok_or_else(|| {
            Error::new(
                ResultCode::BACKUP_IN_PROGRESS,
                "another backup of this directory is in progress; try again when it has ended",
            )
        })?;
        let first_log = match options.logs_only {
            true => Some(self.first_log_since_backup()?),
            false => None,
        };
        let set = PinnedSet::pin(self.hosted.clone(), options, first_log, backup)?;
        Ok(Box::new(set))
    }

    fn check_logs(&self, generation_low: u32) -> Result<()> {
        self.log_in_use_since(generation_low).map(drop)
    }

    fn set_current_log(&self, number: u32) -> Result<()> {
        let recorded = match number {
            current_log::DISABLED => Recorded::Disabled,
            generation => {
                Recorded::Since(Start::at(generation, logs(&self.hosted.layout)?.current()))
            }
        };
        current_log::record(&self.hosted.layout.database_folder, recorded)
    }

    fn incrementals_disabled(&self) -> Result<bool> {
        let recorded = current_log::read(&self.hosted.layout.database_folder)?;
        Ok(recorded == Recorded::Disabled)
    }

    fn restore_locations(&self) -> Result<Vec<TypedName>> {
        self.check_offline()?;
        let layout = &self.hosted.layout;
        let entry = |file_type: FileType, path: PathBuf| TypedName {
            file_type,
            name: path.to_string_lossy().into_owned(),
        };
        Ok(vec![
            entry(FileType::DATABASE, layout.database()),
            entry(FileType::LOG_DIR, layout.log_folder.clone()),
            entry(FileType::CHECKPOINT_DIR, layout.checkpoint_folder.clone()),
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
        let registration = Registration::begin(self.hosted.clone(), plan, restore)?;
        Ok(Box::new(registration))
    }
}

impl EseFolder {
    /// The first generation that a backup of logs must hold to continue the last backup.
    fn first_log_since_backup(&self) -> Result<u32> {
        let start = match current_log::read(&self.hosted.layout.database_folder)? {
            Recorded::Since(start) => start,
            Recorded::Disabled => return Err(ResultCode::INCREMENTAL_BACKUP_DISABLED.into()),
            Recorded::Nothing => {
                return Err(Error::new(
                    ResultCode::FULL_BACKUP_NOT_TAKEN,
                    "there is no backup that logs could continue: take a full one, up to and with \
                     DsBackupTruncateLogs",
                ));
            }
        };
        let current = self.log_in_use_since(start.generation)?;
        match start.is_continued_by(&current) {
            true => Ok(start.generation),
            false => Err(Error::new(
                ResultCode::FULL_BACKUP_NOT_TAKEN,
                format!(
                    "{}: the directory has begun another sequence of logs since its last backup; \
                     take a full one",
                    current.path.display()
                ),
            )),
        }
    }

    /// The log in use, if all logs from a generation up to it exist.
    fn log_in_use_since(&self, generation_low: u32) -> Result<LogFile> {
        let layout = &self.hosted.layout;
        let not_found = |reason: String| {
            Error::new(
                ResultCode::LOG_FILE_NOT_FOUND,
                format!("{}: {reason}", layout.log_folder.display()),
            )
        };
        let logs = logs(layout)?;
        let Some(current) = logs.current() else {
            return Err(not_found("there is no usable log in use".into()));
        };
        if generation_low > current.generation() {
            return Err(not_found(format!(
                "generation {generation_low:#x} does not exist yet: generation {:#x} is in use",
                current.generation()
            )));
        }
        let wanted = generation_low..=current.generation();
        let missing = logs.missing(wanted, &current.header.log_signature);
        match missing.is_empty() {
            true => Ok(current.clone()),
            false => Err(not_found(format!(
                "the logs of generation {} are missing; take a full backup",
                in_words(&missing)
            ))),
        }
    }

    fn check_offline(&self) -> Result<()> {
        match self.hosted.mode {
            Mode::Restore => Ok(()),
            Mode::Normal => Err(Error::new(
                ResultCode::DATABASE_IN_USE,
                "the directory is online, so it cannot be restored; start the service in restore \
                 mode",
            )),
        }
    }
}
