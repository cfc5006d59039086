//! The trait of a hosted directory, as seen by a backup service. The service's interfaces use a
//! [`DirectoryStore`] and are independent of its files; a store is independent of handles,
//! connections, messages and sessions.
//!
//! Also the parts that every store needs: [`FolderLock`], the [`restore_marker`], [`FileWriter`]
//! for the files of a restore, [`Slot`] for things of which there is one at a time, and [`identity`]
//! for the directory in a backup.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use bytes::Bytes;
use contract::{Error, ExpiryToken, Generations, Result, ResultCode, TypedName};
use model::{Damage, DirectoryFacts, FileEntry, RestoredFile};

pub mod clock;
mod file_writer;
mod folder_lock;
mod identity;
pub mod restore_marker;
mod slot;

pub use file_writer::{FileWriter, check_private, check_space, disk_error};
pub use folder_lock::{FolderLock, distinct};
pub use identity::identity;
pub use restore_marker::{RESTORE_MARKER, RestoreMarker};
pub use slot::{Slot, Taken};

/// The size limit for a piece from a [`FileReader`]. Larger pieces leave the processor's cache
/// before they are sent.
pub const PIECE: usize = 512 << 10;

/// Whether a directory is hosted for backups or for a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The directory is online and can be backed up.
    Normal,
    /// Directory services restore mode: the directory is offline and can be restored.
    Restore,
}

/// A hosted directory. Nobody else uses the directory's files during the life of the value.
///
/// Every method may block; the service calls them outside its asynchronous threads.
pub trait DirectoryStore: Send + Sync {
    /// The mode in which the directory is hosted.
    fn mode(&self) -> Mode;

    /// Whether the directory is online. If another program runs the directory, it may be offline in
    /// normal mode and online in restore mode.
    fn is_online(&self) -> bool {
        self.mode() == Mode::Normal
    }

    /// The server's name for backups of this directory; empty if unknown.
    fn server_name(&self) -> String {
        String::new()
    }

    /// Begins a backup. Until the set is dropped, its files keep their current content, or reading
    /// them fails. One set at a time.
    ///
    /// # Errors
    /// - `hrBackupInProgress`: another set exists.
    /// - `hrRestoreInProgress`: the directory is offline.
    /// - `hrDatabaseNotFound`, `hrDatabaseCorrupted`, `hrDiskIO`: the directory is unreadable.
    /// - For logs only: `hrFullBackupNotTaken` if no earlier backup is known, `hrLogFileNotFound`
    ///   if a log since then is missing.
    fn begin_backup(&self, options: BackupOptions) -> Result<Box<dyn BackupSet>>;

    /// Checks that all logs from a generation to the current one exist, as log-only backups
    /// require.
    ///
    /// # Errors
    /// `hrLogFileNotFound` with the missing ones.
    fn check_logs(&self, generation_low: u32) -> Result<()>;

    /// Records the first log of later log-only backups; `0xFFFFFFFF` disables them until the next
    /// full backup. Survives restarts.
    ///
    /// # Errors
    /// `hrDiskIO`, `hrDiskFull`.
    fn set_current_log(&self, number: u32) -> Result<()>;

    /// Whether [`DirectoryStore::set_current_log`] disabled log-only backups.
    ///
    /// # Errors
    /// `hrDiskIO`.
    fn incrementals_disabled(&self) -> Result<bool>;

    /// The destinations of restored files: `BFT_NTDS_DATABASE`, `BFT_LOG_DIR`,
    /// `BFT_CHECKPOINT_DIR`. For a store whose files have a [`FileEntry::place`] also the folder to
    /// which places are relative.
    ///
    /// # Errors
    /// `hrDatabaseInUse`: the directory is online.
    fn restore_locations(&self) -> Result<Vec<TypedName>>;

    /// Locks the directory for a restore, durably: it cannot start until a restore is complete,
    /// even after a crash of the computer. One registration at a time. Dropping it lets another
    /// begin and leaves the directory locked.
    ///
    /// # Errors
    /// - `hrDatabaseInUse`: the directory is online.
    /// - `hrRestoreInProgress`: another registration exists.
    /// - `hrInvalidPath`: the plan's paths are not this directory's.
    fn register_restore(&self, plan: RestorePlan) -> Result<Box<dyn RegisteredRestore>>;
}

/// Options of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackupOptions {
    /// Only the logs since the last backup. With that backup's files they restore the current
    /// state.
    pub logs_only: bool,
    /// Return damaged files and report the damage, instead of failing at the first.
    pub allow_corrupt: bool,
}

/// The pinned files of one backup.
pub trait BackupSet: Send {
    /// The facts about the directory, at the time of pinning.
    fn facts(&self) -> DirectoryFacts;

    /// The database files, in the order in which they are to be read.
    ///
    /// # Errors
    /// `hrDiskIO`.
    fn database_files(&mut self) -> Result<Vec<FileEntry>>;

    /// The logs and the rest of the set. To be called after the database files were read.
    ///
    /// # Errors
    /// `hrDiskIO`.
    fn log_files(&mut self) -> Result<Vec<FileEntry>>;

    /// Opens a listed file for reading once, from start to end.
    ///
    /// # Errors
    /// `hrFileNotFound` for a name that is not listed; `hrDatabaseInUse` for a file that changed
    /// since it was pinned.
    fn open(&self, name: &str) -> Result<Box<dyn FileReader>>;

    /// Deletes the logs that are no longer needed. The service calls it only after every listed
    /// file was read to its end without damage.
    ///
    /// # Errors
    /// `hrDiskIO` if a deletion fails; the remaining logs still form a chain.
    fn truncate_logs(&mut self) -> Result<Truncation>;
}

/// The result of a truncation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Truncation {
    /// The listed names of the deleted logs.
    pub deleted: Vec<String>,
    /// The reason why the other logs were kept, for messages.
    pub kept_because: String,
}

/// A pinned file while it is read. Verifies the content.
pub trait FileReader: Send {
    /// The file's size in bytes.
    fn size(&self) -> u64;

    /// The next piece, at most [`PIECE`] bytes; `None` at the end.
    ///
    /// # Errors
    /// `hrReadVerifyFailure`, `hrLogFileCorrupt`, `hrCheckpointCorrupt` for damage that is not
    /// allowed; `hrDatabaseInUse` for a file that changes meanwhile; `hrDiskIO`.
    fn next_piece(&mut self) -> Result<Option<Bytes>>;

    /// After the last piece: the damage that was found and allowed.
    ///
    /// # Errors
    /// Same as [`FileReader::next_piece`], for damage that only the whole file shows.
    fn finish(self: Box<Self>) -> Result<Damage>;
}

/// A restore, as announced by its application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestorePlan {
    /// The backup's token.
    pub token: ExpiryToken,
    /// The destination of the checkpoint.
    pub checkpoint_folder: String,
    /// The destination of the logs.
    pub log_folder: String,
    /// Each database file's path at the time of the backup, and its new path.
    pub databases: Vec<(String, String)>,
    /// The backup's log generations; 0-0 for a backup without logs.
    pub generations: Generations,
}

/// A directory that is locked for a restore.
pub trait RegisteredRestore: Send {
    /// Checks the restored files, makes them durable and unlocks the directory. Returns further
    /// files that it wrote for the directory's start.
    ///
    /// # Errors
    /// A documented code for a file that does not fit; `hrDiskIO`. The directory stays locked.
    fn complete(&mut self) -> Result<Vec<PathBuf>>;

    /// Records that the restore failed. The directory stays locked.
    ///
    /// # Errors
    /// `hrDiskIO` if this cannot be recorded; the directory is locked all the same.
    fn fail(&mut self, state: ResultCode) -> Result<()>;

    /// Deletes the directory's files at the destinations of the restore, and returns them. For
    /// applications on other computers; local ones do it themselves.
    ///
    /// # Errors
    /// `hrDiskFull` if `needed` bytes would not fit even then; nothing was deleted. `hrDiskIO`.
    fn clear(&mut self, needed: u64) -> Result<Vec<FileEntry>>;

    /// Creates a file of the backup at its destination.
    ///
    /// # Errors
    /// `hrInvalidPath` for a name or type without a destination in this directory, and if the file
    /// exists; `hrDiskIO`.
    fn create_file(&mut self, file: RestoredFile) -> Result<FileWriter>;

    /// Called about once a second during a restore. Recreates the restore marker if the application
    /// deleted it from the destination folders.
    fn keep_locked(&mut self);
}

/// The error for an unusable value in a configuration (`hrInvalidParam`): the key, and the expected
/// value.
pub fn unusable(key: &str, value: impl std::fmt::Display, expected: &str) -> Error {
    Error::new(
        ResultCode::INVALID_PARAM,
        format!("{key} = {value}: expected {expected}"),
    )
}
