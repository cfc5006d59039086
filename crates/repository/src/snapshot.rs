//! What is known of a snapshot without reading its content.

use std::time::SystemTime;

use rustic_core::repofile::SnapshotFile;
use rustic_core::{Id, TreeId};

/// A snapshot in a repository.
#[derive(Debug, Clone)]
pub struct SnapshotInfo {
    /// 64 hexadecimal digits; the first eight are what people use.
    pub id: String,
    /// The id that it had before restic or dsbackup copied or tagged it, where one did.
    pub original: Option<String>,
    /// When the data was as it is stored.
    pub time: SystemTime,
    /// The computer whose data it is.
    pub host: String,
    /// May be empty.
    pub label: String,
    /// In the order given.
    pub tags: Vec<String>,
    /// The program that made it, such as `dsbackup 0.1.0`; empty when it did not say.
    pub program: String,
    /// Files and bytes in it, where the program that made it said so.
    pub files: Option<u64>,
    /// See `files`.
    pub bytes: Option<u64>,
    pub(crate) tree: TreeId,
}

impl SnapshotInfo {
    pub(crate) fn new(id: Id, snapshot: &SnapshotFile) -> Self {
        let summary = snapshot.summary.as_ref();
        Self {
            id: id.to_hex().as_str().to_string(),
            original: (snapshot.original.as_ref())
                .map(|original| original.to_hex().as_str().to_string()),
            time: snapshot.time.timestamp().into(),
            host: snapshot.hostname.clone(),
            label: snapshot.label.clone(),
            tags: snapshot.tags.iter().cloned().collect(),
            program: snapshot.program_version.clone(),
            files: summary.map(|summary| summary.total_files_processed),
            bytes: summary.map(|summary| summary.total_bytes_processed),
            tree: snapshot.tree,
        }
    }

    /// The first eight digits of the id.
    pub fn short_id(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }
}
