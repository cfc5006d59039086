//! Rules for parameters that clients check before they call a service.

use crate::code::{Error, Result, ResultCode};

/// Read sizes and hints are multiples of this many bytes.
pub const READ_SIZE_UNIT: u32 = 8192;

/// The smallest read size or hint, in bytes.
pub const READ_SIZE_MINIMUM: u32 = 24576;

/// The highest log generation that DsRestoreRegister accepts.
pub const HIGHEST_REGISTERED_GENERATION: u32 = 0xF_FFFF;

/// The kinds of backup that DsBackupPrepare knows by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupType {
    /// `BACKUP_TYPE_FULL`: database and logs.
    Full,
    /// `BACKUP_TYPE_LOGS_ONLY`: the logs since a backup.
    LogsOnly,
    /// `BACKUP_TYPE_INCREMENTAL`: never supported by the original.
    Incremental,
}

impl BackupType {
    /// The published number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Full => 1,
            Self::LogsOnly => 2,
            Self::Incremental => 4,
        }
    }

    /// The type behind a published number.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` for any other number.
    pub fn from_number(number: u32) -> Result<Self> {
        match number {
            1 => Ok(Self::Full),
            2 => Ok(Self::LogsOnly),
            4 => Ok(Self::Incremental),
            _ => Err(Error::new(
                ResultCode::INVALID_PARAMETER,
                format!(
                    "backup type {number:#x} is not one of 1 (full), 2 (logs only), 4 (incremental)"
                ),
            )),
        }
    }
}

/// The kinds of restore that DsRestorePrepare knows by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreType {
    /// 0 or `RESTORE_TYPE_CATCHUP`: the restored directory receives later changes by replication.
    CatchUp,
    /// `RESTORE_TYPE_AUTHORATATIVE` (the header spells it so): not supported by the original.
    Authoritative,
    /// `RESTORE_TYPE_ONLINE`: not supported by the original.
    Online,
}

impl RestoreType {
    /// The published number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Authoritative => 1,
            Self::Online => 2,
            Self::CatchUp => 4,
        }
    }

    /// The type behind a published number.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` for any other number.
    pub fn from_number(number: u32) -> Result<Self> {
        match number {
            0 | 4 => Ok(Self::CatchUp),
            1 => Ok(Self::Authoritative),
            2 => Ok(Self::Online),
            _ => Err(Error::new(
                ResultCode::INVALID_PARAMETER,
                format!(
                    "restore type {number:#x} is not one of 0, 4 (catch up), 1 (authoritative), 2 \
                     (online)"
                ),
            )),
        }
    }
}

/// Checks the size of a read, or the hint of an open, in bytes.
///
/// # Errors
/// `ERROR_INVALID_PARAMETER`, as the page of DsBackupRead says, unless it is a multiple of
/// [`READ_SIZE_UNIT`] and at least [`READ_SIZE_MINIMUM`].
pub fn check_read_size(size: u32) -> Result<()> {
    if size >= READ_SIZE_MINIMUM && size.is_multiple_of(READ_SIZE_UNIT) {
        return Ok(());
    }
    Err(Error::new(
        ResultCode::INVALID_PARAMETER,
        format!(
            "read size {size}: expected a multiple of {READ_SIZE_UNIT} that is at least \
             {READ_SIZE_MINIMUM}"
        ),
    ))
}

/// The name of a server without its optional leading backslashes.
///
/// # Errors
/// `hrCouldNotConnect` for a malformed name: empty, or with an underscore.
pub fn server_name(name: &str) -> Result<&str> {
    let bare = name.trim_start_matches('\\');
    if bare.is_empty() || bare.contains('_') {
        return Err(Error::new(
            ResultCode::COULD_NOT_CONNECT,
            format!("{name:?} is not a server name: it is empty or holds an underscore"),
        ));
    }
    Ok(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_sizes() {
        for size in [24576, 32768, 1 << 20, u32::MAX - 8191] {
            assert_eq!(check_read_size(size), Ok(()));
        }
        for size in [0, 1, 8192, 16384, 24575, 24577, u32::MAX] {
            let error = check_read_size(size).unwrap_err();
            assert_eq!(error.code, ResultCode::INVALID_PARAMETER, "{size}");
        }
    }

    #[test]
    fn server_names() {
        assert_eq!(server_name("\\\\dc01"), Ok("dc01"));
        assert_eq!(server_name("dc01.corp.example"), Ok("dc01.corp.example"));
        for name in ["", "\\\\", "dc_01"] {
            assert_eq!(
                server_name(name).unwrap_err().code,
                ResultCode::COULD_NOT_CONNECT
            );
        }
    }
}
