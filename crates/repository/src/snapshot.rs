//! The description of a snapshot, available without its content.

use std::time::SystemTime;

use rustic_core::repofile::SnapshotFile;
use rustic_core::{Id, TreeId};

/// A snapshot in a repository.
#[derive(Debug, Clone)]
pub struct SnapshotInfo {
    /// 64 hexadecimal digits; users see the first eight.
    pub id: String,
    /// Its id before restic or dsbackup copied or tagged it, if so.
    pub original: Option<String>,
    /// The point in time of the data.
    pub time: SystemTime,
    /// The computer of the data.
    pub host: String,
    /// May be empty.
    pub label: String,
    /// In the order given.
    pub tags: Vec<String>,
    /// The program that made it, for example `dsbackup 0.1.0`; empty if unknown.
    pub program: String,
    /// The number of files, if recorded.
    pub files: Option<u64>,
    /// The total size of the files, if recorded.
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

    /// Whether its data is of this computer, whatever the case of its name.
    pub fn is_of(&self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }

    /// The first eight digits of the id.
    pub fn short_id(&self) -> &str {
        self.id.get(..8).unwrap_or(&self.id)
    }
}
