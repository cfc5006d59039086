//! A client that sends exactly the calls of a test, one at a time.

use std::path::Path;

use contract::{Error, Result, ResultCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Response, Status, Streaming};
use wire::v1::ad_backup_client::AdBackupClient;
use wire::v1::ad_restore_client::AdRestoreClient;
use wire::v1::{
    BackupPrepareRequest, BackupPrepareResponse, ContextRequest, FileContent, FileEnd, FileEntry,
    IsNtdsOnlineRequest, OpenFileRequest, RestorePrepareRequest, RestoreRegisterCompleteRequest,
    RestoreRegisterRequest, TruncateLogsResponse,
};

/// A read size that every service accepts.
pub const HINT: u32 = 1 << 20;

/// A connection.
#[derive(Clone)]
pub struct Client {
    pub backup: AdBackupClient<Channel>,
    pub restore: AdRestoreClient<Channel>,
}

fn answer<T>(answer: Result<Response<T>, Status>) -> Result<T> {
    answer
        .map(Response::into_inner)
        .map_err(|status| wire::from_status(&status))
}

impl Client {
    pub async fn connect(socket: &Path) -> Self {
        Self::over(
            UnixStream::connect(socket)
                .await
                .expect("the service listens"),
        )
        .await
    }

    pub async fn over(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let channel = Self::channel_over(stream).await;
        Self {
            backup: AdBackupClient::new(channel.clone()).max_decoding_message_size(4 << 20),
            restore: AdRestoreClient::new(channel),
        }
    }

    /// A connection for any interface.
    pub async fn channel_over(
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    ) -> Channel {
        let mut stream = Some(stream);
        let connector = tower::service_fn(move |_: Uri| {
            let stream = stream.take().ok_or(std::io::ErrorKind::NotConnected);
            async move { stream.map(TokioIo::new).map_err(std::io::Error::from) }
        });
        Endpoint::from_static("http://service.invalid")
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(8 << 20)
            .max_frame_size((1 << 20) + 64)
            .connect_with_connector(connector)
            .await
            .expect("the service answers")
    }

    pub async fn is_online(&mut self) -> Result<bool> {
        let request = IsNtdsOnlineRequest {};
        answer(self.restore.hr_r_is_ntds_online(request).await).map(|answer| answer.online)
    }

    pub async fn prepare_as(
        &mut self,
        backup_type: u32,
        allow_corrupt: bool,
    ) -> Result<BackupPrepareResponse> {
        let request = BackupPrepareRequest {
            backup_type,
            allow_corrupt,
        };
        answer(self.backup.hr_r_backup_prepare(request).await)
    }

    pub async fn prepare(&mut self) -> Result<BackupPrepareResponse> {
        self.prepare_as(1, false).await
    }

    pub async fn database_files(&mut self, handle: &[u8]) -> Result<Vec<FileEntry>> {
        let list = self
            .backup
            .hr_r_backup_get_attachment_information(on(handle))
            .await;
        answer(list).map(|list| list.files)
    }

    pub async fn log_files(&mut self, handle: &[u8]) -> Result<Vec<FileEntry>> {
        let list = self.backup.hr_r_backup_get_backup_logs(on(handle)).await;
        answer(list).map(|list| list.files)
    }

    pub async fn open_with(&mut self, handle: &[u8], name: &str, read_hint: u32) -> Result<u64> {
        let request = OpenFileRequest {
            handle: handle.to_vec(),
            name: name.into(),
            read_hint,
        };
        answer(self.backup.hr_r_backup_open_file(request).await).map(|answer| answer.size)
    }

    pub async fn open(&mut self, handle: &[u8], name: &str) -> Result<u64> {
        self.open_with(handle, name, HINT).await
    }

    pub async fn begin_reading(&mut self, handle: &[u8]) -> Result<Streaming<FileContent>> {
        answer(self.backup.hr_r_backup_read(on(handle)).await)
    }

    pub async fn close(&mut self, handle: &[u8]) -> Result<()> {
        answer(self.backup.hr_r_backup_close(on(handle)).await).map(drop)
    }

    pub async fn ping(&mut self, handle: &[u8]) -> Result<()> {
        answer(self.backup.hr_r_backup_ping(on(handle)).await).map(drop)
    }

    pub async fn truncate(&mut self, handle: &[u8]) -> Result<TruncateLogsResponse> {
        answer(self.backup.hr_r_backup_truncate_logs(on(handle)).await)
    }

    pub async fn end(&mut self, handle: &[u8]) -> Result<()> {
        answer(self.backup.hr_r_backup_end(on(handle)).await).map(drop)
    }

    /// Opens a file, takes everything and closes it.
    pub async fn fetch(&mut self, handle: &[u8], name: &str) -> Result<(Vec<u8>, FileEnd)> {
        let size = self.open(handle, name).await?;
        let mut content = Vec::new();
        let mut result = take(self.begin_reading(handle).await?, &mut content).await;
        if result.is_ok() && content.len() as u64 != size {
            result = Err(Error::new(ResultCode::ERROR, "the announced size is wrong"));
        }
        self.close(handle).await?;
        result.map(|end| (content, end))
    }

    /// Takes every listed file. Returns names, types, contents and ends in the order of the lists.
    pub async fn fetch_all(&mut self, handle: &[u8]) -> Result<Vec<Fetched>> {
        let mut fetched = Vec::new();
        for list in 0..2 {
            let files = match list {
                0 => self.database_files(handle).await?,
                _ => self.log_files(handle).await?,
            };
            for entry in files {
                let (content, end) = self.fetch(handle, &entry.name).await?;
                fetched.push(Fetched {
                    entry,
                    content,
                    end,
                });
            }
        }
        Ok(fetched)
    }

    pub async fn prepare_restore(&mut self, token: Option<&[u8]>) -> Result<Vec<u8>> {
        let request = RestorePrepareRequest {
            restore_type: 0,
            expiry_token: token.map(<[u8]>::to_vec),
        };
        answer(self.restore.hr_r_restore_prepare(request).await).map(|answer| answer.handle)
    }

    pub async fn locations(&mut self, handle: &[u8]) -> Result<Vec<FileEntry>> {
        let list = self
            .restore
            .hr_r_restore_get_database_locations(on(handle))
            .await;
        answer(list).map(|list| list.files)
    }

    pub async fn register(&mut self, request: RestoreRegisterRequest) -> Result<()> {
        answer(self.restore.hr_r_restore_register(request).await).map(drop)
    }

    pub async fn complete(&mut self, handle: &[u8], state: ResultCode) -> Result<()> {
        let request = RestoreRegisterCompleteRequest {
            handle: handle.to_vec(),
            restore_state: state.0,
        };
        answer(self.restore.hr_r_restore_register_complete(request).await).map(drop)
    }

    pub async fn end_restore(&mut self, handle: &[u8]) -> Result<()> {
        answer(self.restore.hr_r_restore_end(on(handle)).await).map(drop)
    }
}

/// A file as a backup received it.
pub struct Fetched {
    pub entry: FileEntry,
    pub content: Vec<u8>,
    pub end: FileEnd,
}

impl Fetched {
    pub fn file_name(&self) -> &str {
        file_name(&self.entry.name)
    }
}

pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().expect("a name")
}

/// Takes a stream to its end.
pub async fn take(mut stream: Streaming<FileContent>, content: &mut Vec<u8>) -> Result<FileEnd> {
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                content.extend_from_slice(&message.data);
                if let Some(end) = message.end {
                    return Ok(end);
                }
            }
            Ok(None) => return Err(Error::new(ResultCode::ERROR, "the stream has no end")),
            Err(status) => return Err(wire::from_status(&status)),
        }
    }
}

pub fn on(handle: &[u8]) -> ContextRequest {
    ContextRequest {
        handle: handle.to_vec(),
    }
}
