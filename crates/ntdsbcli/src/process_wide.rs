//! The functions that need no context.

use std::time::SystemTime;

use contract::{ExpiryToken, Result};
use wire::v1::{
    CheckLogsForBackupRequest, IsNtdsOnlineRequest, IsNtdsOnlineResponse,
    SetCurrentLogNumberRequest,
};

use crate::connection::Connection;
use crate::server::Server;

/// DsIsNTDSOnline: whether the directory is online (then it can be backed up) or offline (then it
/// can be restored).
///
/// # Errors
/// `hrCouldNotConnect` if no service answers, `ERROR_ACCESS_DENIED` without any privilege.
pub fn is_ntds_online(server: &Server) -> Result<bool> {
    Ok(state(server)?.online)
}

/// The name of the server under which backups of the service's directory are kept; `None` if the
/// service is of an earlier release.
///
/// # Errors
/// As [`is_ntds_online`].
pub fn server_name(server: &Server) -> Result<Option<String>> {
    Ok(Some(state(server)?.server).filter(|name| !name.is_empty()))
}

fn state(server: &Server) -> Result<IsNtdsOnlineResponse> {
    let connection = Connection::open(server)?;
    let mut client = connection.restore();
    connection.call(client.hr_r_is_ntds_online(IsNtdsOnlineRequest {}))
}

/// DsSetCurrentBackupLog: records the number of the current log; `BACKUP_DISABLE_INCREMENTAL`
/// (0xffffffff) disables incremental backups until a full backup.
///
/// # Errors
/// `hrCouldNotConnect`, `ERROR_ACCESS_DENIED`, or a code of the service that cannot store the
/// number.
pub fn set_current_backup_log(server: &Server, current_log: u32) -> Result<()> {
    let connection = Connection::open(server)?;
    let mut client = connection.restore();
    connection.call(
        client.hr_r_restore_set_current_log_number(SetCurrentLogNumberRequest { current_log }),
    )?;
    Ok(())
}

/// HrRRestoreCheckLogsForBackup: checks that all logs from a generation to the current one exist.
///
/// # Errors
/// `hrLogFileNotFound` if one is missing.
pub fn check_logs_for_backup(server: &Server, generation_low: u32) -> Result<()> {
    let connection = Connection::open(server)?;
    let mut client = connection.restore();
    connection.call(
        client.hr_r_restore_check_logs_for_backup(CheckLogsForBackupRequest { generation_low }),
    )?;
    Ok(())
}

/// DsRestoreCheckExpiryToken: whether a token is whole and its backup may still be restored, by
/// this machine's clock.
///
/// # Errors
/// `hrMissingExpiryToken` (no bytes), `hrUnknownExpiryTokenFormat`, `hrInvalidParam` (damaged or
/// edited), `hrContentsExpired`.
pub fn check_expiry_token(token: &[u8]) -> Result<ExpiryToken> {
    let token = ExpiryToken::from_bytes(token)?;
    token.check_unexpired(SystemTime::now())?;
    Ok(token)
}
