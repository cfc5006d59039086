//! The store: this computer's domain controller.

use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::{Error, FileType, Result, ResultCode, TypedName};
use store::{
    BackupOptions, BackupSet, DirectoryStore, Mode, RegisteredRestore, RestoreMarker, RestorePlan,
    Slot, Taken, disk_error,
};
use store_ese::{DirectoryConfiguration, EseFolder};

use crate::configuration::{NtdsConfiguration, Way};
use crate::copied_set::{Copied, CopiedSet};
use crate::ifm_folder::{DATABASE_FILE, IfmFolder, Originals, check_hive};
use crate::ntdsutil;
use crate::places::Places;
use crate::registration::Registration;
use crate::shadow_copy::{ShadowCopy, delete_left, system_tool};
use crate::state_file::StateFile;
use crate::system::{self, Running};
use crate::tool::{self, Lifetime};

/// The hives of a snapshot, with the logs that make a copy of them whole.
const HIVES: [&str; 2] = ["SYSTEM", "SECURITY"];
const HIVE_LOGS: [&str; 2] = ["LOG1", "LOG2"];

/// This computer's domain controller.
pub struct NtdsServer {
    configuration: NtdsConfiguration,
    mode: Mode,
    places: Places,
    server: String,
    backup: Slot,
    /// The registered places, taken exclusively in restore mode.
    folders: Option<EseFolder>,
}

impl NtdsServer {
    /// Hosts the directory that the registry describes.
    ///
    /// # Errors
    /// - `ERROR_ACCESS_DENIED`: this process lacks the privileges of backups or restores.
    /// - `hrDatabaseNotFound`: this computer is no domain controller.
    /// - In normal mode `hrRestoreInProgress` for a restore that is not complete.
    /// - In restore mode those of [`EseFolder::host`].
    pub fn host(configuration: &NtdsConfiguration, mode: Mode) -> Result<Self> {
        let privileges: &[&str] = match mode {
            Mode::Normal => &[system::BACKUP],
            Mode::Restore => &[system::BACKUP, system::RESTORE],
        };
        system::enable(privileges)?;
        let places = system::places()?;
        let server = platform::process::computer();
        let described = describe(&places, configuration, &server);
        let folders = match mode {
            Mode::Normal => {
                RestoreMarker::refuse(&described.database_folder)?;
                None
            }
            Mode::Restore => {
                make_folders(&described)?;
                Some(EseFolder::host(&described, mode)?)
            }
        };
        Ok(Self {
            configuration: configuration.clone(),
            mode,
            places,
            server,
            backup: Slot::default(),
            folders,
        })
    }
}

/// The registered places as a directory in folders.
fn describe(
    places: &Places,
    configuration: &NtdsConfiguration,
    server: &str,
) -> DirectoryConfiguration {
    DirectoryConfiguration {
        log_folder: Some(places.log_folder.clone().into()),
        checkpoint_folder: Some(places.checkpoint_folder.clone().into()),
        database_file: places.database_file.clone(),
        recover: false,
        tombstone_lifetime_days: configuration.tombstone_lifetime_days,
        server_name: Some(server.to_owned()),
        // By `system::mark_restored`.
        takes_new_invocation_id: true,
        ..DirectoryConfiguration::for_folder(&places.database_folder)
    }
}

/// A directory that is to be restored may have lost its folders.
fn make_folders(described: &DirectoryConfiguration) -> Result<()> {
    let folders = [
        Some(&described.database_folder),
        described.log_folder.as_ref(),
        described.checkpoint_folder.as_ref(),
    ];
    folders.into_iter().flatten().try_for_each(|folder| {
        platform::private::make_folders(folder).map_err(|error| disk_error(folder, &error))
    })
}

/// The registered folder of the database.
///
/// # Errors
/// Those of [`Places::of_values`].
pub fn database_folder() -> Result<PathBuf> {
    Ok(system::places()?.database_folder.into())
}

impl DirectoryStore for NtdsServer {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn is_online(&self) -> bool {
        match (self.mode, system::running()) {
            (Mode::Normal, running) => running == Ok(Running::Online),
            (Mode::Restore, running) => running != Ok(Running::Offline),
        }
    }

    fn server_name(&self) -> String {
        self.server.clone()
    }

    fn begin_backup(&self, options: BackupOptions) -> Result<Box<dyn BackupSet>> {
        if self.mode == Mode::Restore || system::running()? != Running::Online {
            return Err(Error::new(
                ResultCode::RESTORE_IN_PROGRESS,
                "NTDS does not run, so its writer cannot take part in a backup: start it",
            ));
        }
        if options.logs_only {
            self.check_logs(0)?;
        }
        let backup = self.backup.take().ok_or_else(|| {
            Error::new(
                ResultCode::BACKUP_IN_PROGRESS,
                "another backup of this directory is in progress; try again when it has ended",
            )
        })?;
        delete_left(&self.configuration.scratch_folder, self.silence());
        let copied = match self.configuration.way {
            Way::Ifm => self.copy_by_ntdsutil(backup)?,
            Way::ShadowCopy => self.copy_by_diskshadow(backup)?,
        };
        Ok(Box::new(CopiedSet::open(copied, options)?))
    }

    fn check_logs(&self, _: u32) -> Result<()> {
        Err(no_logs())
    }

    fn set_current_log(&self, _: u32) -> Result<()> {
        Err(no_logs())
    }

    fn incrementals_disabled(&self) -> Result<bool> {
        Ok(false)
    }

    fn restore_locations(&self) -> Result<Vec<TypedName>> {
        system::check_offline()?;
        self.folders()?.restore_locations()
    }

    fn register_restore(&self, plan: RestorePlan) -> Result<Box<dyn RegisteredRestore>> {
        system::check_offline()?;
        if !system::is_restore_mode() {
            tracing::warn!(
                "NTDS is stopped, but Windows is not in directory services restore mode, for which \
                 Microsoft documents restores: restart this computer before NTDS starts again"
            );
        }
        let folder = Path::new(&self.places.database_folder);
        let is_first = matches!(RestoreMarker::read(folder), Ok(None));
        let files = self.folders()?.register_restore(plan)?;
        if let Err(error) = system::mark_restored() {
            drop(files);
            // Nothing was changed yet.
            if is_first {
                RestoreMarker::clear(folder)?;
            }
            return Err(error);
        }
        Ok(Box::new(Registration { files }))
    }
}

fn no_logs() -> Error {
    Error::new(
        ResultCode::LOG_FILE_NOT_FOUND,
        "NTDS keeps no logs for backups of logs alone; a full backup stores only what changed",
    )
}

impl NtdsServer {
    fn folders(&self) -> Result<&EseFolder> {
        self.folders.as_ref().ok_or_else(|| {
            Error::new(
                ResultCode::DATABASE_IN_USE,
                "the directory is hosted to be backed up; to restore it start the service in \
                 restore mode",
            )
        })
    }

    fn silence(&self) -> Duration {
        Duration::from_secs(self.configuration.silence_limit_s.into())
    }

    fn originals(&self) -> Originals {
        let root = std::env::var("SystemRoot").unwrap_or_else(|_| r"C:\Windows".into());
        Originals {
            sysvol: system::sysvol().unwrap_or_else(|| format!("{root}\\SYSVOL\\sysvol")),
            hives: format!("{root}\\System32\\config"),
        }
    }

    /// A copy in an IFM folder.
    fn copy_by_ntdsutil(&self, backup: Taken) -> Result<Copied> {
        let folder = self.configuration.scratch_folder.join("ifm");
        let remove = RemovedFolder::empty(&folder)?;
        let arguments = ntdsutil::arguments(&folder);
        let said = tool::run(
            &system_tool("ntdsutil.exe"),
            &arguments,
            &self.configuration.scratch_folder,
            Lifetime::EndsWithUs,
            self.silence(),
            &mut || size_of(&folder),
        )?;
        ntdsutil::check(&said)?;
        let ifm = IfmFolder::open(&folder, &self.originals())
            .map_err(|error| ntdsutil::failed(&error.reason, &said))?;
        let database = self.places.database();
        Ok(Copied {
            database: DirectoryConfiguration {
                database_folder: ifm.database_folder,
                database_file: DATABASE_FILE.into(),
                log_folder: None,
                checkpoint_folder: None,
                ..describe(&self.places, &self.configuration, &self.server)
            },
            state: ifm.state,
            warnings: ifm.warnings,
            original: Box::new(move |name| of_ifm(name, &database)),
            remove: Box::new((remove, backup)),
        })
    }

    /// A shadow copy of the volumes, with the logs.
    fn copy_by_diskshadow(&self, backup: Taken) -> Result<Copied> {
        let scratch = &self.configuration.scratch_folder;
        let originals = self.originals();
        let mut drives = self.places.drives();
        let others = [&originals.hives, &originals.sysvol];
        drives.extend(
            others
                .into_iter()
                .filter_map(|path| crate::places::drive(path)),
        );
        drives.sort_unstable();
        drives.dedup();
        let copy = ShadowCopy::take(scratch, &drives, self.silence())?;
        let (mut state, mut warnings) = (Vec::new(), Vec::new());
        for hive in HIVES {
            let original = format!("{}\\{hive}", originals.hives);
            check_hive(Path::new(&copy.path(&original)?))?;
            for name in [hive.to_owned()]
                .into_iter()
                .chain(HIVE_LOGS.map(|log| format!("{hive}.{log}")))
            {
                let original = format!("{}\\{name}", originals.hives);
                let path = PathBuf::from(copy.path(&original)?);
                if path.exists() {
                    let place = format!("registry/{name}");
                    state.push(StateFile::of(path, original, place, FileType::STATE)?);
                }
            }
        }
        copy.add_sysvol(&originals.sysvol, &mut state, &mut warnings)?;
        let places = Places {
            database_folder: copy.path(&self.places.database_folder)?,
            log_folder: copy.path(&self.places.log_folder)?,
            checkpoint_folder: copy.path(&self.places.checkpoint_folder)?,
            database_file: self.places.database_file.clone(),
        };
        let folders = [
            (&places.database_folder, &self.places.database_folder),
            (&places.log_folder, &self.places.log_folder),
            (&places.checkpoint_folder, &self.places.checkpoint_folder),
        ];
        let folders = folders.map(|(copied, original)| {
            let resolved = platform::file::canonical(Path::new(copied));
            let resolved = resolved.map(|path| path.to_string_lossy().into_owned());
            (
                resolved.unwrap_or_else(|_| copied.clone()),
                original.clone(),
            )
        });
        Ok(Copied {
            database: describe(&places, &self.configuration, &self.server),
            state,
            warnings,
            original: Box::new(move |name| of_shadow_copy(name, &folders)),
            remove: Box::new((copy, backup)),
        })
    }
}

/// The path on the server of a file of the database in an IFM folder.
fn of_ifm(name: &str, database: &str) -> String {
    let file = name.rsplit('\\').next().unwrap_or(name);
    let folder = database.rsplit_once('\\').map_or("", |(folder, _)| folder);
    match file.eq_ignore_ascii_case(DATABASE_FILE) {
        true => database.to_owned(),
        false => format!("{folder}\\{file}"),
    }
}

/// The path on the server of a file in a shadow copy.
fn of_shadow_copy(name: &str, folders: &[(String, String)]) -> String {
    let Some((folder, file)) = name.rsplit_once('\\') else {
        return name.to_owned();
    };
    let found = (folders.iter()).find(|(copied, _)| copied.eq_ignore_ascii_case(folder));
    found.map_or(name.to_owned(), |(_, original)| {
        format!("{original}\\{file}")
    })
}

/// A folder that is removed when the value is dropped.
struct RemovedFolder(PathBuf);

impl RemovedFolder {
    /// Makes sure that nothing is there: what a former process left goes.
    fn empty(folder: &Path) -> Result<Self> {
        match platform::file::remove_folder(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(disk_error(folder, &error))
            }
            _ => Ok(Self(folder.to_path_buf())),
        }
    }
}

impl Drop for RemovedFolder {
    fn drop(&mut self) {
        if let Err(error) = platform::file::remove_folder(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!(
                folder = %self.0.display(), %error,
                "the copy of the directory cannot be removed: remove it, it holds secrets"
            );
        }
    }
}

/// The bytes in a folder; what cannot be read counts nothing.
fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size_of(&entry.path()),
        // Of the file itself: what its folder says of its size is as old as its last closing.
        _ => std::fs::metadata(entry.path()).map_or(0, |metadata| metadata.len()),
    });
    sizes.sum()
}
