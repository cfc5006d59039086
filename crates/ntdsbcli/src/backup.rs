//! The backup context: DsBackupPrepare to DsBackupEnd.

use std::time::Duration;

use contract::{BackupType, Error, Result, ResultCode, check_read_size};
use model::{Damage, DirectoryFacts, FileEntry};
use prost::bytes::{Buf, Bytes};
use wire::v1::{BackupPrepareRequest, BackupPrepareResponse, ContextRequest, OpenFileRequest};

use crate::connection::Connection;
use crate::content_stream::ContentStream;
use crate::convert;
use crate::server::Server;

/// The parameters of DsBackupPrepare.
#[derive(Debug, Clone, Copy)]
pub struct BackupOptions {
    /// The kind of backup. Services refuse what they do not offer.
    pub backup_type: BackupType,
    /// Ours: read damaged pages and logs too, and report them in [`BackupContext::damage`], instead
    /// of failing at the first.
    pub allow_corrupt: bool,
}

impl BackupOptions {
    /// A full backup that stops at the first damage.
    pub const fn full() -> Self {
        Self {
            backup_type: BackupType::Full,
            allow_corrupt: false,
        }
    }

    /// Beyond the original: the logs since the last backup that truncated them, or since the number
    /// that DsSetCurrentBackupLog set. The lists hold no database. Together with the files of the
    /// earlier backups, the logs lead to this moment.
    pub const fn logs_only() -> Self {
        Self {
            backup_type: BackupType::LogsOnly,
            allow_corrupt: false,
        }
    }
}

/// The result of DsBackupTruncateLogs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruncatedLogs {
    /// The logs that were deleted.
    pub deleted: Vec<String>,
    /// Why the others were kept.
    pub kept_because: String,
}

/// A backup in progress.
///
/// The service holds a consistent set of files until [`end`](Self::end) or until the value is
/// dropped.
pub struct BackupContext {
    connection: Connection,
    handle: Vec<u8>,
    expiry_token: Vec<u8>,
    facts: DirectoryFacts,
    open: Option<OpenFile>,
}

/// The open file.
struct OpenFile {
    name: String,
    /// Bytes in the file.
    size: u64,
    /// Bytes read so far.
    read: u64,
    /// Absent until the first read.
    stream: Option<ContentStream>,
    /// Bytes that have arrived and are not read yet.
    piece: Bytes,
    /// Set by the last message.
    damage: Option<Damage>,
}

impl BackupContext {
    /// DsBackupPrepare: connects, and has the service pin a consistent set of files.
    ///
    /// # Errors
    /// `hrCouldNotConnect`; `ERROR_ACCESS_DENIED` without SE_BACKUP_NAME; `ERROR_INVALID_PARAMETER`
    /// for a backup type that the service does not offer; `hrBackupInProgress` while another backup
    /// runs; a refusal while the directory is offline.
    pub fn prepare(server: &Server, options: BackupOptions) -> Result<Self> {
        let mut connection = Connection::open(server)?;
        let mut client = connection.backup();
        let request = BackupPrepareRequest {
            backup_type: options.backup_type.number(),
            allow_corrupt: options.allow_corrupt,
        };
        let BackupPrepareResponse {
            handle,
            expiry_token,
            facts,
            ping_timeout_ms,
        } = connection.preparing_call(client.hr_r_backup_prepare(request))?;
        connection.send_life_signs(
            handle.clone(),
            Duration::from_millis(ping_timeout_ms.into()),
        )?;
        Ok(Self {
            connection,
            handle,
            expiry_token,
            facts: convert::facts(facts.unwrap_or_default()),
            open: None,
        })
    }

    /// The expiry token. Keep it with the backup: a restore requires it.
    pub fn expiry_token(&self) -> &[u8] {
        &self.expiry_token
    }

    /// The service's facts of the directory at the beginning of the backup.
    pub fn facts(&self) -> &DirectoryFacts {
        &self.facts
    }

    /// DsBackupGetDatabaseNames: the database files.
    ///
    /// # Errors
    /// `hrInvalidHandle` when the service has released the context.
    pub fn database_names(&self) -> Result<Vec<FileEntry>> {
        let mut client = self.connection.backup();
        let list = self
            .connection
            .call(client.hr_r_backup_get_attachment_information(self.request()))?;
        Ok(convert::files(list))
    }

    /// DsBackupGetBackupLogs: the logs, and the other files of the pinned set.
    ///
    /// # Errors
    /// `hrInvalidHandle` when the service has released the context.
    pub fn backup_logs(&self) -> Result<Vec<FileEntry>> {
        let mut client = self.connection.backup();
        let list = self
            .connection
            .call(client.hr_r_backup_get_backup_logs(self.request()))?;
        Ok(convert::files(list))
    }

    /// DsBackupOpenFile: opens one of the listed files and returns its size in bytes.
    ///
    /// # Errors
    /// `hrAlreadyOpen` while another file is open; `ERROR_INVALID_PARAMETER` for a hint that is no
    /// multiple of 8192 or below 24576; `hrFileNotFound` for a name that is not in the lists.
    pub fn open_file(&mut self, name: &str, read_hint: u32) -> Result<u64> {
        check_read_size(read_hint)?;
        if let Some(open) = &self.open {
            return Err(Error::new(
                ResultCode::ALREADY_OPEN,
                format!(
                    "{} is open on this handle: close it before {name} is opened",
                    open.name
                ),
            ));
        }
        let mut client = self.connection.backup();
        let request = OpenFileRequest {
            handle: self.handle.clone(),
            name: name.to_owned(),
            read_hint,
        };
        let answer = self
            .connection
            .call(client.hr_r_backup_open_file(request))?;
        self.open = Some(OpenFile {
            name: name.to_owned(),
            size: answer.size,
            read: 0,
            stream: None,
            piece: Bytes::new(),
            damage: None,
        });
        Ok(answer.size)
    }

    /// DsBackupRead: the next bytes of the open file; possibly fewer than the buffer takes.
    ///
    /// # Errors
    /// `ERROR_HANDLE_EOF` at the end; `hrInvalidHandle` with no file open;
    /// `ERROR_INVALID_PARAMETER` for a buffer whose size is no multiple of 8192 or below 24576;
    /// `hrReadVerifyFailure` and `hrLogFileCorrupt` for damage, with file, page, expected and
    /// actual value; `hrCommunicationError` when the connection breaks.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        check_read_size(u32::try_from(buffer.len()).unwrap_or(0))?;
        let request = self.request();
        let open = self.open.as_mut().ok_or_else(no_open_file)?;
        while open.piece.is_empty() {
            if open.damage.is_some() {
                return Err(Error::new(
                    ResultCode::HANDLE_EOF,
                    format!("{} has been read to its end", open.name),
                ));
            }
            open.receive(&self.connection, &request)?;
        }
        let length = open.piece.len().min(buffer.len());
        open.piece.copy_to_slice(&mut buffer[..length]);
        open.read += length as u64;
        Ok(length)
    }

    /// The damage found in the open file: known once [`read`](Self::read) has returned
    /// `ERROR_HANDLE_EOF`.
    pub fn damage(&self) -> Option<&Damage> {
        self.open.as_ref()?.damage.as_ref()
    }

    /// DsBackupClose: closes the open file.
    ///
    /// # Errors
    /// `hrInvalidHandle` with no file open. For a file whose bytes were all read, but not until
    /// `ERROR_HANDLE_EOF`: the error that [`read`](Self::read) would have returned at its end. The
    /// file is closed in any case.
    pub fn close(&mut self) -> Result<()> {
        let mut open = self.open.take().ok_or_else(no_open_file)?;
        // A caller that reads by the file's size never sees its end, yet has all of it. The service
        // must learn of that, and the verification of the last bytes counts.
        let ended = if open.read == open.size {
            open.receive_end(&self.connection, &self.request())
        } else {
            Ok(())
        };
        drop(open);
        let mut client = self.connection.backup();
        let closed = self
            .connection
            .call(client.hr_r_backup_close(self.request()));
        ended.and(closed.map(drop))
    }

    /// DsBackupTruncateLogs: deletes the logs that this backup has read in full and that crash
    /// recovery no longer needs. Call it only when the backup is durable.
    ///
    /// # Errors
    /// `hrFullBackupNotTaken` when not every file was read to its end without damage: nothing is
    /// deleted then.
    pub fn truncate_logs(&mut self) -> Result<TruncatedLogs> {
        let mut client = self.connection.backup();
        let answer = self
            .connection
            .long_call(client.hr_r_backup_truncate_logs(self.request()))?;
        Ok(TruncatedLogs {
            deleted: answer.deleted,
            kept_because: answer.kept_because,
        })
    }

    /// DsBackupEnd: ends the backup and releases everything.
    ///
    /// # Errors
    /// `hrInvalidHandle` when the service has released the context already.
    pub fn end(self) -> Result<()> {
        let mut client = self.connection.backup();
        self.connection
            .call(client.hr_r_backup_end(self.request()))?;
        Ok(())
    }

    fn request(&self) -> ContextRequest {
        ContextRequest {
            handle: self.handle.clone(),
        }
    }
}

impl OpenFile {
    /// Receives the next message of the file's stream. The first call begins the stream.
    fn receive(&mut self, connection: &Connection, request: &ContextRequest) -> Result<()> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = connection.call(connection.read(request))?;
                self.stream.insert(stream)
            }
        };
        let Some(message) = connection.next(stream.next())? else {
            return Err(Error::new(
                ResultCode::COMMUNICATION_ERROR,
                format!("the service stopped before the end of {}", self.name),
            ));
        };
        self.piece = message.data;
        self.damage = message.end.map(convert::damage);
        Ok(())
    }

    /// Receives the last message of a file whose bytes were all read.
    fn receive_end(&mut self, connection: &Connection, request: &ContextRequest) -> Result<()> {
        while self.damage.is_none() {
            self.receive(connection, request)?;
            if !self.piece.is_empty() {
                return Err(Error::new(
                    ResultCode::COMMUNICATION_ERROR,
                    format!(
                        "{} is longer than the {} bytes that the service announced",
                        self.name, self.size
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn no_open_file() -> Error {
    Error::new(ResultCode::INVALID_HANDLE, "no file is open on this handle")
}
