//! Files of backups and restores.

use std::time::{SystemTime, UNIX_EPOCH};

use contract::FileType;
use serde::{Deserialize, Serialize};

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// The file's type.
    pub file_type: FileType,
    /// Its path on the service's machine. A backup opens it by exactly this name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The time of the last change.
    pub modified: SystemTime,
    /// A numbered or current log's generation.
    pub generation: Option<u32>,
    /// Its relative path in a snapshot and in a restore, names joined by `/`. `None` if the type
    /// determines it.
    pub place: Option<String>,
}

impl FileEntry {
    /// A file or folder without further facts.
    pub fn named(file_type: FileType, name: impl Into<String>) -> Self {
        Self {
            file_type,
            name: name.into(),
            size: 0,
            modified: UNIX_EPOCH,
            generation: None,
            place: None,
        }
    }

    /// The name without its folders.
    pub fn base_name(&self) -> &str {
        self.name.rsplit(['/', '\\']).next().unwrap_or(&self.name)
    }
}

/// One file of a restore, as its sender announces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredFile {
    /// The file's type, which determines its folder.
    pub file_type: FileType,
    /// Its name without folder; for a service that restores a tree ([`FileType::STATE_DIR`]) its
    /// path in the tree.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
    /// The time of the last change.
    pub modified: SystemTime,
}

/// Damage in a file of a backup that allows it. Part of the manifest: the names of its fields are
/// durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Damaged pages or segments in all.
    pub count: u64,
    /// The first of them, in words.
    pub first: Vec<String>,
}
