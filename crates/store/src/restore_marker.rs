//! The restore marker: a small file in the database's folder that records an incomplete restore.
//!
//! No directory starts from a folder with a marker. It is durably written before the first file of
//! a restore is changed, and removed after the restored files were checked and made durable. An
//! application that empties the destination folders must keep it.

use std::io;
use std::path::Path;

use contract::{DatabaseSignature, Error, Generations, Result, ResultCode};
use ids::hex;
use serde::{Deserialize, Serialize};

use crate::clock;

/// The marker's file name.
pub const RESTORE_MARKER: &str = "dsbackup.restore-incomplete.json";

/// The version of the marker's format.
const VERSION: u32 = 1;

/// The state of an incomplete restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreState {
    /// Files are being copied, or were until a crash.
    #[serde(rename = "in progress")]
    InProgress,
    /// The restore is known to have failed.
    #[serde(rename = "failed")]
    Failed,
}

/// The content of a marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreMarker {
    version: u32,
    /// The start of the restore, in seconds since 1970-01-01 UTC.
    pub began: u64,
    /// The signature of the restored database, in hexadecimal digits.
    pub database_signature: String,
    /// The lowest log generation of the backup.
    pub generation_low: u32,
    /// The highest log generation of the backup.
    pub generation_high: u32,
    /// The state of the restore.
    pub state: RestoreState,
    /// The reason of a failure, for messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether files are restored beside the directory and replace it at the end.
    #[serde(default)]
    pub is_staged: bool,
}

impl RestoreMarker {
    /// The marker of a new restore.
    pub fn begin(signature: &DatabaseSignature, generations: Generations) -> Self {
        Self {
            version: VERSION,
            began: clock::now(),
            database_signature: hex::encode(signature),
            generation_low: generations.low,
            generation_high: generations.high,
            state: RestoreState::InProgress,
            reason: None,
            is_staged: false,
        }
    }

    /// The marker of a restore of files that replace the directory at the end.
    pub fn staged(self) -> Self {
        Self {
            is_staged: true,
            ..self
        }
    }

    /// The marker of the same restore after a failure.
    pub fn failed(mut self, reason: impl Into<String>) -> Self {
        self.state = RestoreState::Failed;
        self.reason = Some(reason.into());
        self
    }

    /// Writes the marker into the database's folder, durably, and replaces an older one.
    ///
    /// # Errors
    /// `hrDiskFull` or `hrDiskIO` if it cannot be written: then nothing may be restored.
    pub fn write(&self, database_folder: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| {
            Error::new(ResultCode::ERROR, format!("the restore marker: {error}"))
        })?;
        text.push('\n');
        files::write_durably(database_folder, RESTORE_MARKER, text.as_bytes())
            .map_err(|error| io_error(database_folder, "write", &error))
    }

    /// Recreates the marker if it was deleted. Logs a failure, because there is no caller to report
    /// it to.
    pub fn keep(&self, database_folder: &Path) {
        if database_folder.join(RESTORE_MARKER).exists() {
            return;
        }
        if let Err(error) = self.write(database_folder) {
            tracing::error!(%error, "the restore marker was swept away and cannot be written \
                                     again");
        }
    }

    /// Reads the marker of a folder. `None` if there is none.
    ///
    /// # Errors
    /// `hrRestoreInProgress` for an unreadable marker, which counts as an incomplete restore.
    pub fn read(database_folder: &Path) -> Result<Option<Self>> {
        let path = database_folder.join(RESTORE_MARKER);
        let unclear = |reason: String| {
            Error::new(
                ResultCode::RESTORE_IN_PROGRESS,
                format!(
                    "{}: a restore began here and is not complete (and its marker is not readable: \
                     {reason}); restore a snapshot into this folder",
                    path.display()
                ),
            )
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unclear(error.to_string())),
        };
        let marker: Self =
            serde_json::from_str(&text).map_err(|error| unclear(error.to_string()))?;
        match marker.version {
            VERSION => Ok(Some(marker)),
            version => Err(unclear(format!("version {version}"))),
        }
    }

    /// Removes the marker, durably. Only for a restore whose files were checked and made durable.
    ///
    /// # Errors
    /// `hrDiskIO` if the folder cannot be written.
    pub fn clear(database_folder: &Path) -> Result<()> {
        files::remove_durably(database_folder, RESTORE_MARKER)
            .map_err(|error| io_error(database_folder, "remove", &error))
    }

    /// Refuses a folder with a marker.
    ///
    /// # Errors
    /// `hrRestoreInProgress` with the start and state of the restore, and the next step.
    pub fn refuse(database_folder: &Path) -> Result<()> {
        let Some(marker) = Self::read(database_folder)? else {
            return Ok(());
        };
        let state = match (&marker.state, &marker.reason) {
            (RestoreState::InProgress, _) => "was not completed".to_owned(),
            (RestoreState::Failed, None) => "failed".to_owned(),
            (RestoreState::Failed, Some(reason)) => format!("failed ({reason})"),
        };
        Err(Error::new(
            ResultCode::RESTORE_IN_PROGRESS,
            format!(
                "{}: a restore into this folder {state}, so the directory cannot start from it; \
                 host it in restore mode and restore a snapshot, or restore one into the folder",
                database_folder.join(RESTORE_MARKER).display()
            ),
        ))
    }
}

fn io_error(folder: &Path, action: &str, error: &io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::StorageFull => ResultCode::DISK_FULL,
        _ => ResultCode::DISK_IO,
    };
    Error::new(
        code,
        format!(
            "{}: cannot {action} the restore marker: {error}",
            folder.join(RESTORE_MARKER).display()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_keeps_the_directory_from_starting_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert_eq!(RestoreMarker::read(folder), Ok(None));
        assert_eq!(RestoreMarker::refuse(folder), Ok(()));

        let marker = RestoreMarker::begin(&[7; 28], Generations { low: 1, high: 5 });
        marker.write(folder).unwrap();
        assert_eq!(RestoreMarker::read(folder), Ok(Some(marker.clone())));
        let error = RestoreMarker::refuse(folder).unwrap_err();
        assert_eq!(error.code, ResultCode::RESTORE_IN_PROGRESS);

        marker.failed("the disk was full").write(folder).unwrap();
        let error = RestoreMarker::refuse(folder).unwrap_err();
        assert!(
            error.reason.contains("the disk was full"),
            "{}",
            error.reason
        );

        RestoreMarker::clear(folder).unwrap();
        RestoreMarker::clear(folder).unwrap();
        assert_eq!(RestoreMarker::refuse(folder), Ok(()));
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
    }

    #[test]
    fn a_marker_that_nobody_understands_still_counts() {
        let folder = tempfile::tempdir().unwrap();
        for content in ["", "{}", "not json", "{\"version\": 2}"] {
            std::fs::write(folder.path().join(RESTORE_MARKER), content).unwrap();
            let error = RestoreMarker::refuse(folder.path()).unwrap_err();
            assert_eq!(error.code, ResultCode::RESTORE_IN_PROGRESS, "{content}");
        }
    }
}
