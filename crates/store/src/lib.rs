//! What a hosted directory offers a backup service. The service's interfaces talk to a [`DirectoryStore`] and know
//! nothing of its files; a store knows nothing of handles, connections, messages and walk-throughs.
//!
//! Beside the trait lives what every store needs: [`FolderLock`], the [`restore_marker`], [`FileWriter`] for the files
//! of a restore, and [`Slot`] for what there is only once at a time.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use bytes::Bytes;
use contract::{Error, ExpiryToken, Generations, Result, ResultCode, TypedName};
use model::{Damage, DirectoryFacts, FileEntry, RestoredFile};

pub mod clock;
mod file_writer;
mod folder_lock;
pub mod restore_marker;
mod slot;

pub use file_writer::{FileWriter, check_private, check_space, disk_error};
pub use folder_lock::{FolderLock, distinct};
pub use restore_marker::{RESTORE_MARKER, RestoreMarker};
pub use slot::{Slot, Taken};

/// The most bytes that a [`FileReader`] hands out at once. Larger pieces leave the processor's cache before they are
/// sent.
pub const PIECE: usize = 512 << 10;

/// Whether the directory runs, or stands still to be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The directory is online: it can be backed up.
    Normal,
    /// Directory services restore mode: the directory is offline, it can be restored.
    Restore,
}

/// A hosted directory. While the value lives nobody else uses the directory's files.
///
/// Every method may block; the service calls them outside its asynchronous threads.
pub trait DirectoryStore: Send + Sync {
    /// How the directory is hosted.
    fn mode(&self) -> Mode;

    /// Whether the directory is online. A directory that somebody else runs may be offline in normal mode, and online
    /// in restore mode.
    fn is_online(&self) -> bool {
        self.mode() == Mode::Normal
    }

    /// The name of the server under which backups of this directory are kept; empty where it is not known.
    fn server_name(&self) -> String {
        String::new()
    }

    /// Begins a backup: from here on until the set is dropped the files that it lists keep the content of this moment,
    /// or their reading fails. One set at a time.
    ///
    /// # Errors
    /// - `hrBackupInProgress`: another set exists.
    /// - `hrRestoreInProgress`: the directory is offline.
    /// - `hrDatabaseNotFound`, `hrDatabaseCorrupted`, `hrDiskIO`: the directory cannot be read.
    /// - For logs only: `hrFullBackupNotTaken` when no backup is known that they continue, `hrLogFileNotFound` when a
    ///   log since then is missing.
    fn begin_backup(&self, options: BackupOptions) -> Result<Box<dyn BackupSet>>;

    /// Whether all logs from a generation to the current one are there, as logs-only backups need.
    ///
    /// # Errors
    /// `hrLogFileNotFound`, naming the missing ones.
    fn check_logs(&self, generation_low: u32) -> Result<()>;

    /// Records from which log on backups of logs begin; `0xFFFFFFFF` disables them until the next full backup.
    /// Survives restarts.
    ///
    /// # Errors
    /// `hrDiskIO`, `hrDiskFull`.
    fn set_current_log(&self, number: u32) -> Result<()>;

    /// Whether incremental backups were disabled by [`DirectoryStore::set_current_log`].
    ///
    /// # Errors
    /// `hrDiskIO`.
    fn incrementals_disabled(&self) -> Result<bool>;

    /// Where restored files go: `BFT_NTDS_DATABASE`, `BFT_LOG_DIR`, `BFT_CHECKPOINT_DIR`, and for a store whose files
    /// name their places ([`FileEntry::place`]) the folder to which these are relative.
    ///
    /// # Errors
    /// `hrDatabaseInUse`: the directory is online.
    fn restore_locations(&self) -> Result<Vec<TypedName>>;

    /// Locks the directory for a restore, durably: from here on it cannot start until a restore is complete, even if
    /// the machine dies. One registration at a time; dropping it lets another begin and leaves the directory locked.
    ///
    /// # Errors
    /// - `hrDatabaseInUse`: the directory is online.
    /// - `hrRestoreInProgress`: another registration exists.
    /// - `hrInvalidPath`: the plan's places are not this directory's.
    fn register_restore(&self, plan: RestorePlan) -> Result<Box<dyn RegisteredRestore>>;
}

/// How a backup is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupOptions {
    /// Only the logs since the last backup: with that backup's files before them they lead to this moment.
    pub logs_only: bool,
    /// Hand out damaged files and report the damage, instead of failing at the first.
    pub allow_corrupt: bool,
}

/// The pinned files of one backup.
pub trait BackupSet: Send {
    /// What is known of the directory at the pinned moment.
    fn facts(&self) -> DirectoryFacts;

    /// The database files, in the order in which they are to be read.
    ///
    /// # Errors
    /// `hrDiskIO`.
    fn database_files(&mut self) -> Result<Vec<FileEntry>>;

    /// The logs, and what else belongs to the set. After the database files have been read.
    ///
    /// # Errors
    /// `hrDiskIO`.
    fn log_files(&mut self) -> Result<Vec<FileEntry>>;

    /// Opens a listed file, to be read once from start to end.
    ///
    /// # Errors
    /// `hrFileNotFound` for a name that is not listed; `hrDatabaseInUse` for a file that changed since it was pinned.
    fn open(&self, name: &str) -> Result<Box<dyn FileReader>>;

    /// Deletes the logs that nobody needs any more. The service calls it only after every listed file was read to its
    /// end without damage.
    ///
    /// # Errors
    /// `hrDiskIO` when a deletion fails; then the remaining logs still form a chain.
    fn truncate_logs(&mut self) -> Result<Truncation>;
}

/// What a truncation did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Truncation {
    /// The listed names of the deleted logs.
    pub deleted: Vec<String>,
    /// Why the other logs were kept, for people.
    pub kept_because: String,
}

/// One pinned file while it is being read. The content is verified on the way.
pub trait FileReader: Send {
    /// The file's size in bytes.
    fn size(&self) -> u64;

    /// The next piece, at most [`PIECE`] bytes; `None` at the end.
    ///
    /// # Errors
    /// `hrReadVerifyFailure`, `hrLogFileCorrupt`, `hrCheckpointCorrupt` for damage that was not allowed;
    /// `hrDatabaseInUse` for a file that changes while it is read; `hrDiskIO`.
    fn next_piece(&mut self) -> Result<Option<Bytes>>;

    /// After the last piece: the damage that the verification found and the backup allowed.
    ///
    /// # Errors
    /// As [`FileReader::next_piece`], for what only the whole file can tell.
    fn finish(self: Box<Self>) -> Result<Damage>;
}

/// A restore as its application announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// The backup's token.
    pub token: ExpiryToken,
    /// Where the checkpoint goes.
    pub checkpoint_folder: String,
    /// Where the logs go.
    pub log_folder: String,
    /// Where each database file goes: its path at the time of the backup and its new path.
    pub databases: Vec<(String, String)>,
    /// The backup's log generations; 0-0 for a backup without logs.
    pub generations: Generations,
}

/// A directory that is locked for a restore.
pub trait RegisteredRestore: Send {
    /// Checks what was restored, makes it durable and unlocks the directory. The files that were written beside it: what the
    /// directory needs before it starts.
    ///
    /// # Errors
    /// A documented code for what does not fit, and `hrDiskIO`. The directory stays locked.
    fn complete(&mut self) -> Result<Vec<PathBuf>>;

    /// Records that the restore failed. The directory stays locked.
    ///
    /// # Errors
    /// `hrDiskIO` when that cannot be recorded; the directory is locked even so.
    fn fail(&mut self, state: ResultCode) -> Result<()>;

    /// Deletes the directory's files that lie in the places of the restore, and returns them. For applications on other
    /// computers; those on this one do it themselves.
    ///
    /// # Errors
    /// `hrDiskFull` when `needed` bytes would not fit even then: nothing was deleted. `hrDiskIO`.
    fn clear(&mut self, needed: u64) -> Result<Vec<FileEntry>>;

    /// Begins to write one file of the backup to its place.
    ///
    /// # Errors
    /// `hrInvalidPath` for a name or type that has no place in this directory, and when a file lies there; `hrDiskIO`.
    fn create_file(&mut self, file: RestoredFile) -> Result<FileWriter>;

    /// Called about once a second while the restore runs: puts the lock back if the application's cleaning of the
    /// destination folders swept it away.
    fn keep_locked(&mut self);
}

/// What a configuration's value says that cannot be used: the key, and what it should hold (`hrInvalidParam`).
pub fn unusable(key: &str, value: impl std::fmt::Display, expected: &str) -> Error {
    Error::new(
        ResultCode::INVALID_PARAM,
        format!("{key} = {value}: expected {expected}"),
    )
}
