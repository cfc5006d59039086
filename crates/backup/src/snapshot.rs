//! A backup in a repository, opened: its files, its manifest and its expiry token.

use contract::FileType;
use model::manifest::{MANIFEST_PATH, Manifest, TOKEN_PATH};
use repository::{OpenSnapshot, Repository, SnapshotInfo};

use crate::error::Result;

/// The longest manifest or token that is read.
const SMALL_FILE_LIMIT: u64 = 64 << 20;

/// A snapshot of a directory, or of a whole Samba domain controller.
pub struct Snapshot {
    /// Its whole id.
    pub id: String,
    /// Its files.
    pub content: OpenSnapshot,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The bytes of its expiry token.
    pub token: Vec<u8>,
}

impl Snapshot {
    /// Opens a snapshot of a repository.
    ///
    /// # Errors
    /// When it is damaged, or no backup of a directory.
    pub fn open(repository: &Repository, snapshot: &SnapshotInfo) -> Result<Self> {
        let content = repository.open_snapshot(snapshot)?;
        Ok(Self {
            id: snapshot.id.clone(),
            manifest: Manifest::from_json(&content.read(MANIFEST_PATH, SMALL_FILE_LIMIT)?)?,
            token: content.read(TOKEN_PATH, SMALL_FILE_LIMIT)?,
            content,
        })
    }

    /// The beginning of its id, which people use.
    pub fn short_id(&self) -> &str {
        &self.id[..self.id.len().min(8)]
    }

    /// Server, directory and time of the snapshot, in a line.
    pub fn in_words(&self) -> String {
        let manifest = &self.manifest;
        let directory = match &manifest.directory {
            Some(directory) => format!(
                "domain controller {} of {}",
                directory.server, directory.domain
            ),
            None => (manifest.files.iter())
                .find(|file| file.file_type() == FileType::DATABASE)
                .map_or("a directory".into(), |file| file.original.clone()),
        };
        format!(
            "snapshot {} of the server {} ({directory}), taken {}",
            self.short_id(),
            manifest.server,
            manifest.created
        )
    }
}
