//! The entries of the lists that the service returns.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contract::{FileType, TypedName};
use wire::v1::FileEntry;

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupFile {
    /// What the file is.
    pub file_type: FileType,
    /// Its path on the service's machine; give it back to `open_file` exactly as it is.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed.
    pub modified: SystemTime,
    /// A numbered or current log's generation.
    pub generation: Option<u32>,
    /// Where it lies in a snapshot, and belongs in a restore: relative, names joined by `/`. None where its type says
    /// it.
    pub place: Option<String>,
}

impl BackupFile {
    pub(crate) fn from_wire(entry: FileEntry) -> Self {
        let since = Duration::from_millis(entry.modified_ms.unsigned_abs());
        let modified = if entry.modified_ms < 0 {
            UNIX_EPOCH.checked_sub(since)
        } else {
            UNIX_EPOCH.checked_add(since)
        };
        Self {
            file_type: file_type(entry.file_type),
            name: entry.name,
            size: entry.size,
            modified: modified.unwrap_or(UNIX_EPOCH),
            generation: (entry.generation != 0).then_some(entry.generation),
            place: (!entry.path.is_empty()).then_some(entry.path),
        }
    }

    /// The name without its folders.
    pub fn base_name(&self) -> &str {
        self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name)
    }
}

/// A place of a restore.
pub(crate) fn place(entry: FileEntry) -> TypedName {
    TypedName {
        file_type: file_type(entry.file_type),
        name: entry.name,
    }
}

fn file_type(number: u32) -> FileType {
    u8::try_from(number).map_or(FileType::UNKNOWN, FileType)
}
