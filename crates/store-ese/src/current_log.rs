//! The first log of the next backup of logs. Recorded after each backup that truncated the logs, or
//! by the backup application itself (DsSetCurrentBackupLog).

use std::io::ErrorKind;
use std::path::Path;

use contract::{Error, Result, ResultCode};
use ese::log_set::LogFile;
use ids::hex;
use serde::{Deserialize, Serialize};
use zerocopy::IntoBytes;

/// The file in the database's folder that keeps the number across restarts.
pub(crate) const CURRENT_LOG_FILE: &str = "dsbackup.current-log.json";

/// The number that disables backups of logs until the next full one (BACKUP_DISABLE_INCREMENTAL).
pub(crate) const DISABLED: u32 = 0xffff_ffff;

/// The record of the last backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// There was none, or the directory is no longer the one that was backed up.
    Nothing,
    /// Backups of logs are disabled until a full one is taken.
    Disabled,
    Since(Start),
}

/// The start of a backup of logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Start {
    /// The generation in use at the last backup. It kept growing, so the next backup begins with
    /// it.
    pub(crate) generation: u32,
    /// The signature of its sequence of logs, if there was a log in use.
    sequence: Option<String>,
}

impl Start {
    /// The start at a generation of the current sequence of logs.
    pub(crate) fn at(generation: u32, current: Option<&LogFile>) -> Self {
        Self {
            generation,
            sequence: current.map(sequence_in_hex),
        }
    }

    /// Whether the log in use continues the backed-up sequence.
    pub(crate) fn is_continued_by(&self, current: &LogFile) -> bool {
        (self.sequence.as_ref()).is_none_or(|sequence| *sequence == sequence_in_hex(current))
    }
}

fn sequence_in_hex(log: &LogFile) -> String {
    let signature = log.header.log_signature;
    hex::encode(signature.as_bytes())
}

#[derive(Serialize, Deserialize)]
struct CurrentLog {
    version: u32,
    current_log: u32,
    #[serde(default)]
    log_signature: Option<String>,
}

/// Writes the record. [`Recorded::Nothing`] removes the file.
pub(crate) fn record(database_folder: &Path, recorded: Recorded) -> Result<()> {
    let (current_log, log_signature) = match recorded {
        Recorded::Nothing => return forget(database_folder),
        Recorded::Disabled => (DISABLED, None),
        Recorded::Since(start) => (start.generation, start.sequence),
    };
    let text = serde_json::to_string(&CurrentLog {
        version: 1,
        current_log,
        log_signature,
    })
    .map_err(|error| Error::new(ResultCode::ERROR, error.to_string()))?;
    files::write_durably(database_folder, CURRENT_LOG_FILE, text.as_bytes())
        .map_err(|error| failed(database_folder, &error))
}

/// Reads the record.
pub(crate) fn read(database_folder: &Path) -> Result<Recorded> {
    let text = match std::fs::read_to_string(database_folder.join(CURRENT_LOG_FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Recorded::Nothing),
        text => text.map_err(|error| failed(database_folder, &error))?,
    };
    let kept: CurrentLog =
        serde_json::from_str(&text).map_err(|error| failed(database_folder, &error))?;
    Ok(match kept.current_log {
        DISABLED => Recorded::Disabled,
        generation => Recorded::Since(Start {
            generation,
            sequence: kept.log_signature,
        }),
    })
}

/// Removes the record, as after a restore.
pub(crate) fn forget(database_folder: &Path) -> Result<()> {
    if !database_folder.join(CURRENT_LOG_FILE).exists() {
        return Ok(());
    }
    files::remove_durably(database_folder, CURRENT_LOG_FILE)
        .map_err(|error| failed(database_folder, &error))
}

fn failed(folder: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(
        ResultCode::DISK_IO,
        format!("{}: {error}", folder.join(CURRENT_LOG_FILE).display()),
    )
}
