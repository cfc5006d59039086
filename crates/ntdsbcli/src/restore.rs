//! The restore context: DsRestorePrepare to DsRestoreEnd.

use std::time::Duration;

use contract::{Generations, RestoreType, Result, ResultCode, TypedName};
use wire::v1::{
    ContextRequest, RestorePrepareRequest, RestorePrepareResponse, RestoreRegisterCompleteRequest,
    RestoreRegisterRequest,
};

use crate::connection::Connection;
use crate::files::place;
use crate::server::Server;

/// What DsRestoreRegister is told.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The folder of the checkpoint.
    pub checkpoint_directory: String,
    /// The folder of the logs.
    pub log_directory: String,
    /// Where each database comes from and goes to.
    pub databases: Vec<DatabaseMap>,
    /// The folder in which the backup's logs lie; the log directory itself when they are copied straight there.
    pub backup_log_directory: String,
    /// The generations of the backup's logs.
    pub generations: Generations,
}

/// EDB_RSTMAP: where one database lay when it was backed up, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseMap {
    /// The path in the backup.
    pub old_path: String,
    /// The path on the server that is restored.
    pub new_path: String,
}

/// A restore in progress.
///
/// Dropping it ends the restore; one that was registered and not completed leaves the directory unable to start until
/// a restore completes.
pub struct RestoreContext {
    connection: Connection,
    handle: Vec<u8>,
}

impl RestoreContext {
    /// DsRestorePrepare. Without a token the context is good for [`database_locations`](Self::database_locations)
    /// only.
    ///
    /// # Errors
    /// `hrCouldNotConnect`; `ERROR_ACCESS_DENIED` without SE_RESTORE_NAME; `hrUnknownExpiryTokenFormat`,
    /// `hrInvalidParam` (damaged or edited) and `hrContentsExpired` for the token; a refusal while the directory is
    /// online; `ERROR_INVALID_PARAMETER` for a restore type that the service does not offer.
    pub fn prepare(
        server: &Server,
        restore_type: RestoreType,
        token: Option<&[u8]>,
    ) -> Result<Self> {
        let mut connection = Connection::open(server)?;
        let mut client = connection.restore();
        let request = RestorePrepareRequest {
            restore_type: restore_type.number(),
            expiry_token: token.map(<[u8]>::to_vec),
        };
        let RestorePrepareResponse {
            handle,
            ping_timeout_ms,
        } = connection.call(client.hr_r_restore_prepare(request))?;
        connection.send_life_signs(
            handle.clone(),
            Duration::from_millis(ping_timeout_ms.into()),
        )?;
        Ok(Self { connection, handle })
    }

    /// DsRestoreGetDatabaseLocations: where the database, the logs and the checkpoint go.
    ///
    /// # Errors
    /// `hrInvalidHandle` when the service has released the context.
    pub fn database_locations(&self) -> Result<Vec<TypedName>> {
        let mut client = self.connection.restore();
        let list = self
            .connection
            .call(client.hr_r_restore_get_database_locations(self.request()))?;
        Ok(list.files.into_iter().map(place).collect())
    }

    /// DsRestoreRegister: locks the restore. From here on the directory cannot start until a restore completes.
    ///
    /// # Errors
    /// `hrMissingExpiryToken` on a restricted handle; `hrRestoreMapExists` a second time; `hrRestoreInProgress` while
    /// another restore is registered; `ERROR_INVALID_PARAMETER` and `hrInvalidPath` for what does not fit the directory.
    pub fn register(&self, registration: &Registration) -> Result<()> {
        let request = RestoreRegisterRequest {
            handle: self.handle.clone(),
            checkpoint_directory: registration.checkpoint_directory.clone(),
            log_directory: registration.log_directory.clone(),
            databases: registration
                .databases
                .iter()
                .map(|map| wire::v1::DatabaseMap {
                    old_path: map.old_path.clone(),
                    new_path: map.new_path.clone(),
                })
                .collect(),
            backup_log_directory: registration.backup_log_directory.clone(),
            generation_low: registration.generations.low,
            generation_high: registration.generations.high,
        };
        let mut client = self.connection.restore();
        self.connection
            .call(client.hr_r_restore_register(request))?;
        Ok(())
    }

    /// DsRestoreRegisterComplete: reports how the copying ended. After `S_OK` the service checks what lies there and
    /// unlocks the directory; after anything else, or when the check fails, the directory stays unable to start.
    ///
    /// # Errors
    /// What the service found wrong with the restored files.
    pub fn register_complete(&self, restore_state: ResultCode) -> Result<()> {
        let request = RestoreRegisterCompleteRequest {
            handle: self.handle.clone(),
            restore_state: restore_state.0,
        };
        let mut client = self.connection.restore();
        self.connection
            .long_call(client.hr_r_restore_register_complete(request))?;
        Ok(())
    }

    /// DsRestoreEnd: ends the restore.
    ///
    /// # Errors
    /// `hrInvalidHandle` when the service has released the context already.
    pub fn end(self) -> Result<()> {
        let mut client = self.connection.restore();
        self.connection
            .call(client.hr_r_restore_end(self.request()))?;
        Ok(())
    }

    fn request(&self) -> ContextRequest {
        ContextRequest {
            handle: self.handle.clone(),
        }
    }
}
