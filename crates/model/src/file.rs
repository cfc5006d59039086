//! Files of backups and restores.

use std::time::{SystemTime, UNIX_EPOCH};

use contract::FileType;
use serde::{Deserialize, Serialize};

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// What the file is.
    pub file_type: FileType,
    /// Its path on the service's machine; a backup opens it by exactly this name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last changed.
    pub modified: SystemTime,
    /// A numbered or current log's generation.
    pub generation: Option<u32>,
    /// Where it lies in a snapshot, and belongs in a restore: relative, names joined by `/`. None
    /// where its type says it.
    pub place: Option<String>,
}

impl FileEntry {
    /// A file, or a folder, of which nothing else is known.
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
    /// What the file is, which decides about its folder.
    pub file_type: FileType,
    /// Its name without folder; for a service that restores a tree ([`FileType::STATE_DIR`]) its
    /// path in that.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its content.
    pub sha256: [u8; 32],
    /// When it was last changed.
    pub modified: SystemTime,
}

/// Damage that was read past because the backup allows it. Part of the manifest: the names of its
/// fields are durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Damaged pages or segments in all.
    pub count: u64,
    /// The first of them, in words.
    pub first: Vec<String>,
}
