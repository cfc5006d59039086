//! A backup in a repository, opened: its files, its manifest and its expiry token.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::SystemTime;

use model::manifest::{MANIFEST_PATH, Manifest, TOKEN_PATH};
use repository::{FileReader, OpenSnapshot, Repository, SnapshotFile, SnapshotInfo};

use crate::error::{Error, Result};
use crate::words::short_id;

/// The longest manifest or token that is read.
const SMALL_FILE_LIMIT: u64 = 64 << 20;

/// A snapshot of a directory, or of a whole Samba domain controller. A snapshot of logs alone counts
/// with what it continues.
pub struct Snapshot {
    /// Its whole id.
    pub id: String,
    /// Its files.
    pub content: Content,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The bytes of its expiry token.
    pub token: Vec<u8>,
}

impl Snapshot {
    /// The beginning of its id, which people use.
    pub fn short_id(&self) -> &str {
        short_id(&self.id)
    }

    /// Server, directory and time of the snapshot, in a line.
    pub fn in_words(&self) -> String {
        let manifest = &self.manifest;
        let directory = match &manifest.directory {
            Some(directory) => format!(
                "domain controller {} of {}",
                directory.server, directory.domain
            ),
            None => (manifest.databases().next())
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

/// A snapshot as it was stored, without what it continues.
pub struct Part {
    /// Its whole id.
    pub id: String,
    /// When the data was as it is stored.
    pub time: SystemTime,
    /// Its files.
    pub content: OpenSnapshot,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The bytes of its expiry token.
    pub token: Vec<u8>,
}

impl Part {
    /// Opens a snapshot of a repository.
    ///
    /// # Errors
    /// When it is damaged, or no backup of a directory.
    pub fn open(repository: &Repository, snapshot: &SnapshotInfo) -> Result<Self> {
        let content = repository.open_snapshot(snapshot)?;
        Ok(Self {
            id: snapshot.id.clone(),
            time: snapshot.time,
            manifest: Manifest::from_json(&content.read(MANIFEST_PATH, SMALL_FILE_LIMIT)?)?,
            token: content.read(TOKEN_PATH, SMALL_FILE_LIMIT)?,
            content,
        })
    }

    /// The first bytes of a file, at most `length`.
    ///
    /// # Errors
    /// As [`OpenSnapshot::open`].
    pub fn start_of(&self, path: &str, length: usize) -> Result<Vec<u8>> {
        let mut start = Vec::new();
        (self
            .content
            .open(path)?
            .take(length as u64)
            .read_to_end(&mut start))
        .map_err(|error| reading_failed(error, path))?;
        Ok(start)
    }
}

/// The files of one or more snapshots: of those with the same path the last one added.
#[derive(Default)]
pub struct Content {
    parts: Vec<OpenSnapshot>,
    /// The position of the snapshot that holds the file of this path.
    holders: BTreeMap<String, usize>,
}

impl Content {
    /// Adds a snapshot, whose files replace earlier ones.
    pub fn add(&mut self, part: OpenSnapshot) {
        let position = self.parts.len();
        self.holders
            .extend(part.files().map(|file| (file.path, position)));
        self.parts.push(part);
    }

    /// Streams a file.
    ///
    /// # Errors
    /// As [`OpenSnapshot::open`].
    pub fn open(&self, path: &str) -> Result<FileReader, repository::Error> {
        let position = self.holders.get(path).copied().unwrap_or_default();
        self.parts[position].open(path)
    }

    /// Opens a file for random access.
    ///
    /// # Errors
    /// As [`OpenSnapshot::random_access`].
    pub fn random_access(&self, path: &str) -> Result<SnapshotFile, repository::Error> {
        let position = self.holders.get(path).copied().unwrap_or_default();
        self.parts[position].random_access(path)
    }

    /// Whether the files are those of several snapshots: a database, and logs that continue it.
    pub fn is_chain(&self) -> bool {
        self.parts.len() > 1
    }
}

/// The repository's own error, where the reader wrapped one.
pub fn reading_failed(error: std::io::Error, path: &str) -> Error {
    match error.downcast::<repository::Error>() {
        Ok(error) => Error::Repository(error),
        Err(error) => Error::io("read from the repository", path)(error),
    }
}
