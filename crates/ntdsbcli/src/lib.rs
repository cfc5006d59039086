//! The directory backup and restore functions of `ntdsbcli.dll`, as a safe and typed Rust API.
//!
//! | published function | here |
//! | --- | --- |
//! | DsIsNTDSOnline | [`is_ntds_online`] |
//! | DsBackupPrepare | [`BackupContext::prepare`] |
//! | DsBackupGetDatabaseNames | [`BackupContext::database_names`] |
//! | DsBackupOpenFile | [`BackupContext::open_file`] |
//! | DsBackupRead | [`BackupContext::read`] |
//! | DsBackupClose | [`BackupContext::close`] |
//! | DsBackupGetBackupLogs | [`BackupContext::backup_logs`] |
//! | DsBackupTruncateLogs | [`BackupContext::truncate_logs`] |
//! | DsBackupEnd | [`BackupContext::end`] |
//! | DsBackupFree | dropping a value |
//! | DsRestorePrepare | [`RestoreContext::prepare`] |
//! | DsRestoreGetDatabaseLocations | [`RestoreContext::database_locations`] |
//! | DsRestoreRegister | [`RestoreContext::register`] |
//! | DsRestoreRegisterComplete | [`RestoreContext::register_complete`] |
//! | DsRestoreEnd | [`RestoreContext::end`] |
//! | DsRestoreCheckExpiryToken | [`check_expiry_token`] |
//! | DsSetCurrentBackupLog | [`set_current_backup_log`] |
//! | DsSetAuthIdentity | [`set_auth_identity`] |
//!
//! Every call blocks, and returns the documented code with the reason in words
//! ([`contract::Error`]). The service refuses calls out of order with the documented code; they do
//! no harm. A context ends with its value: when the value is dropped or the process ends, the
//! service releases everything within seconds.
//!
//! ```no_run
//! use ntdsbcli::{BackupContext, BackupOptions, Server};
//!
//! # fn main() -> contract::Result<()> {
//! let server = Server::local();
//! let mut backup = BackupContext::prepare(&server, BackupOptions::full())?;
//! let mut buffer = vec![0; 1 << 20];
//! for file in backup.database_names()? {
//!     let size = backup.open_file(&file.name, buffer.len() as u32)?;
//!     let mut read = 0;
//!     while read < size {
//!         read += backup.read(&mut buffer)? as u64; // ... and keep the bytes
//!     }
//!     backup.close()?;
//! }
//! backup.end()
//! # }
//! ```
#![forbid(unsafe_code)]

mod backup;
mod connection;
mod content_stream;
mod convert;
mod identity;
mod local;
mod process_wide;
#[cfg(unix)]
mod quiet;
mod remote;
mod restore;
mod sealed;
mod server;
mod ticket;

pub use backup::{BackupContext, BackupOptions, TruncatedLogs};
pub use contract;
pub use identity::set_auth_identity;
pub use model::{Damage, DirectoryFacts, DirectoryIdentity, FileEntry, RestoredFile};
pub use process_wide::{
    check_expiry_token, check_logs_for_backup, is_ntds_online, server_name, set_current_backup_log,
};
pub use remote::{
    CA_FILE_VARIABLE, CLIENT_CERTIFICATE_VARIABLE, CLIENT_KEY_VARIABLE, PIN_VARIABLE, TlsOptions,
};
pub use restore::{DatabaseMap, Registration, RestoreContext, SendError};
pub use server::{DEFAULT_SOCKET, SOCKET_VARIABLE, Server};
pub use wire::tls::{DEFAULT_PORT, Fingerprint};
