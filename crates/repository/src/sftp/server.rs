//! Requests to an SFTP server. Each also fails when the connection ends: the library reports that
//! end only to requests that began before it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use russh_sftp::client::error::Error as Refusal;
use russh_sftp::client::rawsession::Limits;
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{File, FileAttributes, OpenFlags, Packet, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// The longest wait for an answer, in seconds: a server may have to sync 16 MiB to a slow disk.
const PATIENCE: u64 = 300;

const FSYNC: &str = "fsync@openssh.com";
const POSIX_RENAME: &str = "posix-rename@openssh.com";
const LIMITS: &str = "limits@openssh.com";

/// A connected server.
pub(super) struct Server {
    raw: RawSftpSession,
    ended: watch::Receiver<bool>,
    /// Whether it can sync files.
    pub(super) syncs: bool,
    /// Whether it can rename over an existing file.
    pub(super) renames_over: bool,
    /// Its limits for one message, if it reports them.
    pub(super) limits: Limits,
}

/// Whether an error is the connection's, not the server's answer.
pub(super) fn is_broken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionAborted
}

impl Server {
    /// Negotiates the protocol over a server's pipes.
    pub(super) async fn greet(
        input: impl AsyncWrite + Unpin + Send + 'static,
        output: impl AsyncRead + Unpin + Send + 'static,
    ) -> io::Result<Self> {
        let (tell, ended) = watch::channel(false);
        let output = Output { output, tell };
        let config = Config {
            request_timeout_secs: PATIENCE,
            ..Config::default()
        };
        let raw = RawSftpSession::new_with_config(tokio::io::join(output, input), config);
        let mut server = Self {
            raw,
            ended,
            syncs: false,
            renames_over: false,
            limits: Limits::default(),
        };
        let version = server.ask(server.raw.init()).await?;
        let offers = |name: &str| version.extensions.contains_key(name);
        (server.syncs, server.renames_over) = (offers(FSYNC), offers(POSIX_RENAME));
        if offers(LIMITS) {
            server.limits = server.ask(server.raw.limits()).await?.into();
            server.raw.set_limits(server.limits);
        }
        Ok(server)
    }

    /// Waits for an answer or the end of the connection.
    async fn ask<T>(&self, request: impl Future<Output = Result<T, Refusal>>) -> io::Result<T> {
        let mut ended = self.ended.clone();
        tokio::select! {
            biased;
            answer = request => answer.map_err(refused),
            _ = ended.wait_for(|ended| *ended) => Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the connection to the SFTP server ended",
            )),
        }
    }

    /// Closes the session.
    pub(super) fn dismiss(&self) {
        let _ = self.raw.close_session();
    }

    pub(super) async fn open(
        &self,
        path: &str,
        flags: OpenFlags,
        permissions: Option<u32>,
    ) -> io::Result<String> {
        let mut attributes = FileAttributes::empty();
        attributes.permissions = permissions;
        let opened = self.ask(self.raw.open(path, flags, attributes)).await;
        Ok(opened?.handle)
    }

    pub(super) async fn close(&self, handle: String) -> io::Result<()> {
        self.ask(self.raw.close(handle)).await.map(drop)
    }

    pub(super) async fn write(&self, handle: &str, offset: u64, data: Vec<u8>) -> io::Result<()> {
        self.ask(self.raw.write(handle, offset, data))
            .await
            .map(drop)
    }

    /// At least one byte, and at most `length`.
    pub(super) async fn read(&self, handle: &str, offset: u64, length: u32) -> io::Result<Vec<u8>> {
        let data = self.ask(self.raw.read(handle, offset, length)).await?.data;
        if data.is_empty() || data.len() > length as usize {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(data)
    }

    pub(super) async fn sync(&self, handle: &str) -> io::Result<()> {
        self.ask(self.raw.fsync(handle)).await.map(drop)
    }

    pub(super) async fn attributes(&self, path: &str) -> io::Result<FileAttributes> {
        Ok(self.ask(self.raw.stat(path)).await?.attrs)
    }

    /// The entries of a folder.
    pub(super) async fn list(&self, folder: &str) -> io::Result<Vec<File>> {
        let handle = self.ask(self.raw.opendir(folder)).await?.handle;
        let mut files = Vec::new();
        let listed = loop {
            match self.ask(self.raw.readdir(&*handle)).await {
                Ok(more) => files.extend(more.files),
                Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let closed = self.close(handle).await;
        listed.and(closed).map(|()| files)
    }

    pub(super) async fn make_folder(&self, folder: &str, permissions: u32) -> io::Result<()> {
        let mut attributes = FileAttributes::empty();
        attributes.permissions = Some(permissions);
        self.ask(self.raw.mkdir(folder, attributes)).await.map(drop)
    }

    pub(super) async fn remove(&self, path: &str) -> io::Result<()> {
        self.ask(self.raw.remove(path)).await.map(drop)
    }

    /// Renames. Fails if the new name exists.
    pub(super) async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.ask(self.raw.rename(from, to)).await.map(drop)
    }

    /// Renames, and replaces a file with the new name.
    pub(super) async fn rename_over(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = Vec::new();
        for name in [from, to] {
            names.extend_from_slice(&(name.len() as u32).to_be_bytes());
            names.extend_from_slice(name.as_bytes());
        }
        match self.ask(self.raw.extended(POSIX_RENAME, names)).await? {
            Packet::Status(status) if status.status_code == StatusCode::Ok => Ok(()),
            Packet::Status(status) => Err(refused(status.into())),
            _ => Err(refused(Refusal::UnexpectedPacket)),
        }
    }
}

/// A server's output, which reports its end.
struct Output<R> {
    output: R,
    tell: watch::Sender<bool>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Output<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let read = Pin::new(&mut self.output).poll_read(context, buffer);
        let at_end = room > 0 && buffer.filled().len() == before;
        match &read {
            Poll::Ready(Ok(())) if !at_end => {}
            Poll::Ready(_) => {
                self.tell.send_replace(true);
            }
            Poll::Pending => {}
        }
        read
    }
}

/// Converts the server's answer, or its absence, into an `io::Error`.
fn refused(error: Refusal) -> io::Error {
    let kind = match &error {
        Refusal::Status(status) => match status.status_code {
            StatusCode::NoSuchFile => io::ErrorKind::NotFound,
            StatusCode::PermissionDenied => io::ErrorKind::PermissionDenied,
            StatusCode::Eof => io::ErrorKind::UnexpectedEof,
            StatusCode::NoConnection | StatusCode::ConnectionLost => {
                io::ErrorKind::ConnectionAborted
            }
            _ => io::ErrorKind::Other,
        },
        Refusal::Limited(_) => io::ErrorKind::Other,
        _ => io::ErrorKind::ConnectionAborted,
    };
    io::Error::new(kind, error)
}
