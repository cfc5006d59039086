//! The restore context: DsRestorePrepare to DsRestoreEnd.

use std::io::Read;
use std::time::Duration;

use contract::{Error, Generations, RestoreType, Result, ResultCode, TypedName};
use model::RestoredFile;
use prost::bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wire::v1::{
    ContextRequest, RestoreClearRequest, RestoreFileContent, RestorePrepareRequest,
    RestorePrepareResponse, RestoreRegisterCompleteRequest, RestoreRegisterRequest,
};

use crate::connection::Connection;
use crate::convert;
use crate::server::Server;

/// The parameters of DsRestoreRegister.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The folder of the checkpoint.
    pub checkpoint_directory: String,
    /// The folder of the logs.
    pub log_directory: String,
    /// The source and destination of each database.
    pub databases: Vec<DatabaseMap>,
    /// The folder of the backup's logs; the log directory itself if they are copied straight there.
    pub backup_log_directory: String,
    /// The generations of the backup's logs.
    pub generations: Generations,
}

/// EDB_RSTMAP: the path of one database in the backup, and its destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseMap {
    /// The path in the backup.
    pub old_path: String,
    /// The path on the restored server.
    pub new_path: String,
}

/// Why a file did not arrive.
#[derive(Debug)]
pub enum SendError {
    /// The content could not be read.
    Content(std::io::Error),
    /// The service refused it or could not be reached.
    Service(Error),
}

/// Pieces that may wait for the service.
const PIECES_AHEAD: usize = 4;

/// Reads until the buffer is full or the content ends. Returns the bytes read.
fn read_full(content: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match content.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// A restore in progress.
///
/// Dropping it ends the restore. If it was registered but not completed, the directory cannot start
/// until a restore completes.
pub struct RestoreContext {
    connection: Connection,
    handle: Vec<u8>,
}

impl RestoreContext {
    /// DsRestorePrepare. Without a token the context allows only
    /// [`database_locations`](Self::database_locations).
    ///
    /// # Errors
    /// `hrCouldNotConnect`; `ERROR_ACCESS_DENIED` without SE_RESTORE_NAME;
    /// `hrUnknownExpiryTokenFormat`, `hrInvalidParam` (damaged or edited) and `hrContentsExpired`
    /// for the token; a refusal while the directory is online; `ERROR_INVALID_PARAMETER` for a
    /// restore type that the service does not offer.
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

    /// DsRestoreGetDatabaseLocations: the destinations of database, logs and checkpoint.
    ///
    /// # Errors
    /// `hrInvalidHandle` when the service has released the context.
    pub fn database_locations(&self) -> Result<Vec<TypedName>> {
        let mut client = self.connection.restore();
        let list = self
            .connection
            .call(client.hr_r_restore_get_database_locations(self.request()))?;
        Ok(convert::places(list))
    }

    /// DsRestoreRegister: locks the restore. From here on the directory cannot start until a
    /// restore completes.
    ///
    /// # Errors
    /// `hrMissingExpiryToken` on a restricted handle; `hrRestoreMapExists` a second time;
    /// `hrRestoreInProgress` while another restore is registered; `ERROR_INVALID_PARAMETER` and
    /// `hrInvalidPath` for parameters that do not fit the directory.
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

    /// Ours, for a service on another computer, after [`register`](Self::register): deletes the
    /// directory's files at the destinations of the restore, and returns their paths there.
    /// `needed` is the size of all files to come, in bytes.
    ///
    /// # Errors
    /// `hrDiskFull` if they would not fit. Then nothing was deleted.
    pub fn clear(&self, needed: u64) -> Result<Vec<String>> {
        let mut client = self.connection.restore();
        let request = RestoreClearRequest {
            handle: self.handle.clone(),
            needed,
        };
        let list = self
            .connection
            .long_call(client.hr_r_restore_clear(request))?;
        Ok(list.files.into_iter().map(|file| file.name).collect())
    }

    /// Ours, as [`clear`](Self::clear): sends one file of the backup to its destination on the
    /// service's computer. After success the file exists there, whole and durable; after a failure
    /// it does not exist.
    ///
    /// # Errors
    /// [`SendError`] with the error of the service or of the reader.
    pub fn send_file(
        &self,
        file: &RestoredFile,
        content: &mut dyn Read,
    ) -> std::result::Result<(), SendError> {
        let start = convert::restore_file_start(self.handle.clone(), file);
        let (pieces, stream) = mpsc::channel(PIECES_AHEAD);
        let mut client = self.connection.restore();
        let call = self
            .connection
            .begin(async move {
                client
                    .hr_r_restore_write_file(ReceiverStream::new(stream))
                    .await
            })
            .map_err(SendError::Service)?;
        let mut message = RestoreFileContent {
            start: Some(start),
            data: Bytes::new(),
        };
        // If the service stops receiving, its answer gives the reason.
        while pieces.blocking_send(message).is_ok() {
            let mut piece = vec![0; wire::PIECE];
            let length = read_full(content, &mut piece).map_err(SendError::Content)?;
            piece.truncate(length);
            if length == 0 {
                break;
            }
            message = RestoreFileContent {
                start: None,
                data: piece.into(),
            };
        }
        drop(pieces);
        self.connection.finish(call).map_err(SendError::Service)?;
        Ok(())
    }

    /// DsRestoreRegisterComplete: reports the result of the copying. After `S_OK` the service
    /// checks the restored files and unlocks the directory. After any other code, or if the check
    /// fails, the directory still cannot start.
    ///
    /// # Errors
    /// The faults that the service found in the restored files.
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
