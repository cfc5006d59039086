//! The number of the current log as a backup application recorded it (DsSetCurrentBackupLog).

use std::io::ErrorKind;
use std::path::Path;

use contract::{Error, Result, ResultCode};
use serde::{Deserialize, Serialize};

use crate::file_io;

/// The file in the database's folder that keeps the number over restarts.
pub(super) const CURRENT_LOG_FILE: &str = "dsbackup.current-log.json";

/// The number that disables incremental backups until the next full one (BACKUP_DISABLE_INCREMENTAL).
const DISABLED: u32 = 0xffff_ffff;

#[derive(Serialize, Deserialize)]
struct CurrentLog {
    version: u32,
    current_log: u32,
}

/// Keeps the number.
pub(super) fn record(database_folder: &Path, current_log: u32) -> Result<()> {
    let text = serde_json::to_string(&CurrentLog {
        version: 1,
        current_log,
    })
    .map_err(|error| Error::new(ResultCode::ERROR, error.to_string()))?;
    file_io::write_durably(database_folder, CURRENT_LOG_FILE, text.as_bytes())
        .map_err(|error| failed(database_folder, &error))
}

/// Whether the number says that incremental backups are disabled.
pub(super) fn disables_incrementals(database_folder: &Path) -> Result<bool> {
    let text = match std::fs::read_to_string(database_folder.join(CURRENT_LOG_FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        text => text.map_err(|error| failed(database_folder, &error))?,
    };
    let current: CurrentLog =
        serde_json::from_str(&text).map_err(|error| failed(database_folder, &error))?;
    Ok(current.current_log == DISABLED)
}

/// Forgets the number, as after a full backup and after a restore.
pub(super) fn forget(database_folder: &Path) -> Result<()> {
    if !database_folder.join(CURRENT_LOG_FILE).exists() {
        return Ok(());
    }
    file_io::remove_durably(database_folder, CURRENT_LOG_FILE)
        .map_err(|error| failed(database_folder, &error))
}

fn failed(folder: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(
        ResultCode::DISK_IO,
        format!("{}: {error}", folder.join(CURRENT_LOG_FILE).display()),
    )
}
